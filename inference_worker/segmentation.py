"""Figures and outline of a segmentation mask. Pure: arrays in, figures and pictures out; no files, no manifest, no jobs.

A place belongs to the segmented region from MASK_THRESHOLD upward. Figures are counted on the model's own grid, the finest at
which it answered, and only where that grid lies on the image: what was padded around it has no area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference_worker.heatmaps import Affine
from model_registry.preprocessing import affine

MASK_THRESHOLD = 0.5

#: Cyan, which inferno does not have and tissue does not show, on a dark rim that keeps it apart from bright tissue.
_LINE_RGB = (0, 229, 255)
_RIM_RGB = (0, 0, 0)
_RIM_OPACITY = 0.55
_EMPTY, _RIM, _LINE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class MaskFigures:
    """`area_pixels` in pixels of the original image; `area_mm2` None without a spacing; `regions` connect by edge or corner."""

    maximum_probability: float
    regions: int
    area_pixels: float
    area_mm2: float | None


def mask_measure(
    *,
    mask: npt.NDArray[np.float32],
    model_hw: tuple[int, int],
    model_from_source: Affine,
    source_hw: tuple[int, int],
    pixel_spacing_mm: tuple[float, float] | None,
) -> MaskFigures:
    """Measure one mask (grid rows, grid columns) of probabilities on the original image of `source_hw`.

    A grid cell covers an equal share of the model's input and counts where its centre lies on the image. `pixel_spacing_mm` is
    (row, column) spacing of the original.
    """
    grid_hw = (mask.shape[0], mask.shape[1])
    model_from_grid = affine.scale(from_hw=grid_hw, to_hw=model_hw)
    source_from_grid = affine.compose(after=affine.invert(model_from_source), before=model_from_grid)
    on_image = _on_image(grid_hw=grid_hw, source_from_grid=source_from_grid, source_hw=source_hw)
    segmented = (mask >= MASK_THRESHOLD) & on_image
    cell_pixels = abs(float(np.linalg.det(source_from_grid[:, :2])))
    area_pixels = float(np.count_nonzero(segmented)) * cell_pixels
    return MaskFigures(
        maximum_probability=float(np.clip(mask[on_image].max(initial=0.0), 0.0, 1.0)),
        regions=cv2.connectedComponents(segmented.astype(np.uint8), connectivity=8)[0] - 1,  # the background is one
        area_pixels=area_pixels,
        area_mm2=None if pixel_spacing_mm is None else area_pixels * pixel_spacing_mm[0] * pixel_spacing_mm[1],
    )


def outline_levels(placed: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Where the line around the segmented regions of a placed mask (rows, columns) runs: 0 nothing, 1 rim, 2 line."""
    drawn = np.zeros(placed.shape, np.uint8)
    regions = (placed >= MASK_THRESHOLD).astype(np.uint8)
    contours, _ = cv2.findContours(regions, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = math.ceil(max(placed.shape) / 600)  # a pixel or two of the page
    cv2.drawContours(drawn, contours, -1, _RIM, thickness=width + 2)
    cv2.drawContours(drawn, contours, -1, _LINE, thickness=width)
    return drawn


def outline_burn(*, picture: npt.NDArray[np.uint8], outline: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture (rows, columns, 3) BGR with the outline of the same (rows, columns) drawn into it."""
    burned = picture.copy()
    rim = outline == _RIM
    burned[rim] = np.rint(burned[rim] * (1.0 - _RIM_OPACITY)).astype(np.uint8)
    burned[outline == _LINE] = _LINE_RGB[::-1]
    return burned


def outline_palette() -> tuple[bytes, bytes]:
    """RGB palette and opacities of `outline_levels` as a transparent picture."""
    return bytes((0, 0, 0, *_RIM_RGB, *_LINE_RGB)), bytes((0, round(255 * _RIM_OPACITY), 255))


def _on_image(*, grid_hw: tuple[int, int], source_from_grid: Affine, source_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which grid cells have their centre on the image."""
    rows, columns = np.indices(grid_hw)
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1)
    column, row = affine.points_apply(matrix=source_from_grid, points=centres).T
    inside = (column >= -0.5) & (column < source_hw[1] - 0.5) & (row >= -0.5) & (row < source_hw[0] - 0.5)
    return np.asarray(inside.reshape(grid_hw))
