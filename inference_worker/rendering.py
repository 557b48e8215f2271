"""Everything drawn for one view: a transparent layer for every target, one overlay for what a reader looks at first.

Turns numbers into encoded files in memory; writes none. How values become colours is decided in heatmaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_worker.artifacts import layer_encode, picture_encode
from inference_worker.batching import ModelOutput
from inference_worker.heatmaps import MapScale, layer_hw, map_levels, map_scales, maps_place, overlay_burn
from inference_worker.scoring import ImageScores, image_scores
from inference_worker.views import PreparedView
from model_registry.packaging import Manifest


@dataclass(frozen=True, slots=True)
class PictureSizes:
    """Longer sides in pixels."""

    preview: int = 1024
    heatmap: int = 256  # a map has some 50 cells a side: more pixels would hold nothing more, and a browser smooths
    overlay: int = 512


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """One target's map: its raw maximum, the scale it is drawn on, and its encoded pictures."""

    target: str
    raw_maximum: float
    scale: MapScale
    heatmap_png: bytes
    overlay_png: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class RenderedView:
    """A view with its scores and pictures; `output` and `scores` are None, and `maps` empty, when it is not assessable."""

    view: PreparedView
    output: ModelOutput | None
    scores: ImageScores | None
    maps: tuple[RenderedMap, ...]


def view_render(*, view: PreparedView, output: ModelOutput | None, manifest: Manifest, sizes: PictureSizes) -> RenderedView:
    """Score and draw one view."""
    if output is None:
        return RenderedView(view, None, None, ())
    scores = image_scores(output=output, manifest=manifest)
    targets = manifest.explanation.targets
    maxima = {target: max(0.0, float(raw_map.max(initial=0.0))) for target, raw_map in zip(targets, output.heatmaps, strict=True)}
    scales = map_scales(raw_maxima=maxima, reference_maximum=manifest.explanation.reference_maximum)
    layers = _levels(view, output, manifest, scales, targets, sizes.heatmap)
    # The suspicion's map is what a report shows; the page draws every target from its layer.
    overlays = _levels(view, output, manifest, scales, (manifest.suspicion.target,), sizes.overlay)
    return RenderedView(
        view,
        output,
        scores,
        tuple(
            RenderedMap(
                target=target,
                raw_maximum=maxima[target],
                scale=scales[target],
                heatmap_png=layer_encode(layers[target]),
                overlay_png=_overlay(view, overlays[target]) if target in overlays else None,
            )
            for target in targets
        ),
    )


def model_hw(manifest: Manifest) -> tuple[int, int]:
    """(rows, columns) of the model's input."""
    shape = manifest.input_shape
    return (shape[0], shape[1]) if manifest.preprocessing.tensor_layout == "nhwc" else (shape[1], shape[2])


def _levels(
    view: PreparedView,
    output: ModelOutput,
    manifest: Manifest,
    scales: dict[str, MapScale],
    targets: tuple[str, ...],
    longer_side: int,
) -> dict[str, np.ndarray]:
    channel = {target: index for index, target in enumerate(manifest.explanation.targets)}
    preview_hw = (view.preview.shape[0], view.preview.shape[1])
    placed = maps_place(
        raw_maps=output.heatmaps[[channel[target] for target in targets]],
        model_hw=model_hw(manifest),
        model_from_source=view.model_from_source,
        preview_from_source=view.preview_from_source,
        preview_hw=preview_hw,
        target_hw=layer_hw(preview_hw=preview_hw, longer_side=longer_side),
    )
    return {
        target: map_levels(placed=layer, scale_maximum=scales[target].maximum)
        for target, layer in zip(targets, placed, strict=True)
    }


def _overlay(view: PreparedView, levels: np.ndarray) -> bytes:
    preview = view.preview
    if preview.shape != levels.shape:
        preview = np.asarray(cv2.resize(preview, levels.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return picture_encode(overlay_burn(preview=preview, levels=levels))
