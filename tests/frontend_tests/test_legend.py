"""The legend beside a heatmap shows the colours the worker draws; it was copied into the style sheet and must not drift."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from inference_worker.heatmaps import LAYER_OPACITY, LEVELS, colours, opacities
from inference_worker.segmentation import outline_palette

STYLE_SHEET = Path(__file__).resolve().parents[2] / "frontend" / "styles" / "_view.scss"
STOP = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b(?:\s+([0-9.]+)%)?")


def legend_stops() -> list[tuple[float, tuple[int, ...]]]:
    """(share of the scale, RGB) of every stop of the gradient, the ends included."""
    gradient = re.search(r"\$inferno: linear-gradient\((.*?)\);", STYLE_SHEET.read_text(), re.DOTALL)
    assert gradient is not None
    found = STOP.findall(gradient[1])
    stops = []
    for index, (code, percent) in enumerate(found):
        share = float(percent) / 100 if percent else float(index == len(found) - 1)
        digits = code if len(code) == 6 else "".join(digit * 2 for digit in code)
        stops.append((share, tuple(bytes.fromhex(digits))))
    return stops


def test_every_stop_of_the_legend_is_the_workers_colour_as_it_looks_on_black() -> None:
    on_black = colours() * opacities(maximum=LAYER_OPACITY)[:, np.newaxis]
    stops = legend_stops()
    assert (stops[0][0], stops[-1][0]) == (0.0, 1.0)
    for share, shown in stops:
        drawn = [np.interp(share * (LEVELS - 1), np.arange(LEVELS), channel) for channel in on_black.T]
        assert np.abs(np.subtract(shown, drawn)).max() <= 1, (share, shown, drawn)


def test_between_the_stops_the_legend_strays_little_from_the_scale() -> None:
    on_black = colours() * opacities(maximum=LAYER_OPACITY)[:, np.newaxis]
    shares, shown = zip(*legend_stops(), strict=True)
    levels = np.linspace(0.0, 1.0, LEVELS)
    legend = np.stack([np.interp(levels, shares, channel) for channel in np.transpose(shown)], axis=1)
    assert np.abs(legend - on_black).max() <= 8


def test_the_line_in_the_legend_has_the_colour_of_the_outline() -> None:
    palette, _ = outline_palette()
    line = f"#{palette[6:9].hex()}"
    assert f"$outline: {line};" in STYLE_SHEET.read_text()
    assert f"border: 2px solid {line};" in STYLE_SHEET.with_name("_viewer.scss").read_text()


def test_the_viewer_paints_with_the_workers_colours_and_opacity() -> None:
    module = (STYLE_SHEET.parents[1] / "src" / "viewer" / "colours.js").read_text()
    written = "".join(re.findall(r"'([0-9a-f]+)'", module))
    assert written == colours().tobytes().hex()
    assert f"levelCount = {LEVELS};" in module
    assert f"layerOpacity = {LAYER_OPACITY};" in module
