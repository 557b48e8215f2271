"""Draws raw Grad-CAM grids in the preview's space. Pure: arrays in, arrays out; no files, no manifest, no jobs.

A heatmap never flatters. Values are drawn on an absolute scale given from outside, nothing is stretched map by map, a map that
is zero everywhere stays blank, and outside the part of the view that the model saw there is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Affine = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]

#: Drawn levels: 0 is "nothing", LEVELS - 1 the scale's maximum and above. Half of a byte's range halves the file unseen.
LEVELS = 128

#: Opacity of the hottest colour; below it opacity grows with the value, so that weak places leave the tissue visible.
LAYER_OPACITY = 0.9
OVERLAY_OPACITY = 0.6


@dataclass(frozen=True, slots=True)
class MapScale:
    """The raw value drawn with the hottest colour, and where it comes from."""

    maximum: float
    scaling: str  # "package_reference", "image_maximum" or "mask_probability", as contract.results.HeatmapResult has it


def map_scales(*, raw_maxima: dict[str, float], reference_maximum: dict[str, float] | None) -> dict[str, MapScale]:
    """The scale of each target: the package's reference where it has one, else the image's maximum over all targets."""
    image_maximum = max(raw_maxima.values(), default=0.0)
    reference = reference_maximum or {}
    return {
        target: MapScale(reference[target], "package_reference")
        if reference.get(target, 0.0) > 0
        else MapScale(image_maximum, "image_maximum")
        for target in raw_maxima
    }


def mask_scales(targets: tuple[str, ...]) -> dict[str, MapScale]:
    """The one scale of every mask: probability 1 has the hottest colour."""
    return {target: MapScale(1.0, "mask_probability") for target in targets}


def layer_hw(*, preview_hw: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """(rows, columns) with the preview's aspect ratio and at most `longer_side`; never larger than the preview."""
    ratio = min(1.0, longer_side / max(preview_hw))
    return max(1, round(preview_hw[0] * ratio)), max(1, round(preview_hw[1] * ratio))


def maps_place(
    *,
    raw_maps: npt.NDArray[np.float32],
    model_hw: tuple[int, int],
    model_from_source: Affine,
    preview_from_source: Affine,
    preview_hw: tuple[int, int],
    target_hw: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """Interpolate raw maps (targets, grid rows, grid columns) into a layer of `target_hw` that covers the preview.

    Affines take (column, row) pixel centres. A grid cell covers an equal share of the model's input. Values keep their raw
    scale; negative ones become 0, and so does everything outside the model's input. Returns (targets, rows, columns).
    """
    grid_hw = (raw_maps.shape[1], raw_maps.shape[2])
    preview_from_layer = _resampling(from_hw=target_hw, to_hw=preview_hw)
    model_from_layer = _compose(model_from_source, _compose(_invert(preview_from_source), preview_from_layer))
    grid_from_layer = _compose(_resampling(from_hw=model_hw, to_hw=grid_hw), model_from_layer)
    size = (target_hw[1], target_hw[0])
    inside = _inside(shape_hw=target_hw, grid_from_layer=grid_from_layer, grid_hw=grid_hw)
    placed = np.empty((len(raw_maps), *target_hw), np.float32)
    for index, raw_map in enumerate(raw_maps):
        # The border is replicated because a cell's value holds out to the cell's edge; `inside` ends it there.
        cv2.warpAffine(
            np.maximum(raw_map, 0.0),
            grid_from_layer,
            size,
            dst=placed[index],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    placed *= inside
    return placed


def map_levels(*, placed: npt.NDArray[np.float32], scale_maximum: float) -> Levels:
    """Quantise raw values to 0 … LEVELS − 1, linearly, saturating at `scale_maximum`. All 0 when that is 0."""
    if scale_maximum <= 0:
        return np.zeros(placed.shape, np.uint8)
    levels = placed * np.float32((LEVELS - 1) / scale_maximum)
    np.minimum(levels, LEVELS - 1, out=levels)
    levels += np.float32(0.5)
    return levels.astype(np.uint8)


def colours() -> npt.NDArray[np.uint8]:
    """(LEVELS, 3) RGB, "inferno": lightness rises with the value, also in grey and for colour-blind readers."""
    ramp = np.linspace(0, 255, LEVELS).round().astype(np.uint8).reshape(-1, 1)
    return np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0, ::-1])


def opacities(*, maximum: float) -> npt.NDArray[np.float64]:
    """(LEVELS,) opacity in [0, `maximum`], in proportion to the level: what is weak looks weak. Grad-CAM is rarely exactly zero
    off the breast, and any steeper start would paint that remainder as a frame around it."""
    return np.asarray(maximum * np.linspace(0.0, 1.0, LEVELS))


def overlay_burn(*, preview: npt.NDArray[np.uint8], levels: Levels) -> npt.NDArray[np.uint8]:
    """Blend the levels onto a grey preview of the same (rows, columns). Returns (rows, columns, 3) BGR; level 0 leaves grey."""
    shown = cv2.multiply(preview, cv2.LUT(levels, _TRANSMITTED), scale=1 / 255)
    tint = cv2.LUT(cv2.merge([levels, levels, levels]), _TINT_BGR)
    return np.asarray(cv2.add(tint, cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR)), np.uint8)


def _table(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """A 256-entry table for cv2.LUT; levels above LEVELS - 1 do not occur."""
    table = np.zeros((256, *values.shape[1:]), np.uint8)
    table[:LEVELS] = np.rint(values)
    return table


_TRANSMITTED = _table(255.0 * (1.0 - opacities(maximum=OVERLAY_OPACITY)))
_TINT_BGR = _table(colours()[:, ::-1] * opacities(maximum=OVERLAY_OPACITY)[:, np.newaxis]).reshape(256, 1, 3)


def _inside(*, shape_hw: tuple[int, int], grid_from_layer: Affine, grid_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which layer pixels lie on the model's input: grid coordinates from -0.5 to the last cell's centre + 0.5."""
    columns = np.arange(shape_hw[1])
    rows = np.arange(shape_hw[0])[:, np.newaxis]
    # A term that is zero keeps its array one-dimensional: views are scaled, shifted and mirrored, but never turned.
    grid_column = grid_from_layer[0, 0] * columns + grid_from_layer[0, 2]
    grid_row = grid_from_layer[1, 1] * rows + grid_from_layer[1, 2]
    if grid_from_layer[0, 1] or grid_from_layer[1, 0]:
        grid_column = grid_column + grid_from_layer[0, 1] * rows
        grid_row = grid_row + grid_from_layer[1, 0] * columns
    tolerance = 1e-6
    return np.asarray(
        (grid_column >= -0.5 - tolerance)
        & (grid_column <= grid_hw[1] - 0.5 + tolerance)
        & (grid_row >= -0.5 - tolerance)
        & (grid_row <= grid_hw[0] - 0.5 + tolerance)
    )


def _resampling(*, from_hw: tuple[int, int], to_hw: tuple[int, int]) -> Affine:
    """Between two grids over the same area: outer edges coincide."""
    column, row = to_hw[1] / from_hw[1], to_hw[0] / from_hw[0]
    return np.array([[column, 0.0, column / 2 - 0.5], [0.0, row, row / 2 - 0.5]])


def _compose(after: Affine, before: Affine) -> Affine:
    return np.hstack([after[:, :2] @ before[:, :2], after[:, :2] @ before[:, 2:] + after[:, 2:]])


def _invert(matrix: Affine) -> Affine:
    back = np.linalg.inv(matrix[:, :2])
    return np.hstack([back, -back @ matrix[:, 2:]])
