"""Find the breast in a display-bright mammogram: no markers, no tape, no scan borders.

A threshold chosen from the picture, two openings that cut off what is thin or separate, the largest component, holes filled.
Not a lesion or muscle segmentation: the pectoral muscle stays in.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from model_registry.packaging.profile import IsolateBreast

_EDGE_SHARE = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Breast:
    """`mask` bool (rows, columns); `box` (top, left, bottom, right), the last two exclusive; `chest_wall_right`: the breast
    touches more of its box's right side than of its left."""

    mask: np.ndarray
    box: tuple[int, int, int, int]
    chest_wall_right: bool


def breast_find(*, values: np.ndarray, step: IsolateBreast) -> Breast | None:
    """Find the breast in (rows, columns) float32 display values in [0, 1], or None when there is none to speak of.

    Works on a copy whose longer side is `step.working_size`, because the step's sizes are given in its pixels, and brings
    the mask back to the picture's own size.
    """
    rows, columns = values.shape
    ratio = step.working_size / max(rows, columns)
    working_hw = (max(1, round(rows * ratio)), max(1, round(columns * ratio)))
    grey: np.ndarray = values * np.float32(255.0)
    if working_hw != (rows, columns):
        kernel = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        grey = cv2.resize(grey, working_hw[::-1], interpolation=kernel)
    found = _working_mask(grey, step)
    if found is None or cv2.countNonZero(found) < step.minimum_area_fraction * found.size:
        return None
    if working_hw != (rows, columns):
        found = cv2.resize(found, (columns, rows), interpolation=cv2.INTER_LINEAR)
        found = np.where(found > 127, np.uint8(255), np.uint8(0))
    left, top, width, height = cv2.boundingRect(found)
    if width == 0 or height == 0:
        return None
    boxed = found[top : top + height, left : left + width] > 0
    edge = max(1, round(width * _EDGE_SHARE))
    chest_wall_right = int(boxed[:, width - edge :].sum()) > int(boxed[:, :edge].sum())
    return Breast(mask=found > 0, box=(top, left, top + height, left + width), chest_wall_right=chest_wall_right)


def _working_mask(grey: np.ndarray, step: IsolateBreast) -> np.ndarray | None:
    """uint8 mask (0 or 255) at the working size, or None when nothing is left."""
    smooth = cv2.GaussianBlur(grey, (0, 0), step.gaussian_sigma)
    levels = np.rint(np.clip(smooth, 0, 255)).astype(np.uint8)
    otsu, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    percentile, offset = step.percentile_offset
    background = float(np.percentile(smooth, percentile)) + offset
    threshold = max(background, min(step.otsu_fraction * float(otsu), step.otsu_ceiling), step.threshold_floor)
    mask = np.where(smooth > threshold, np.uint8(255), np.uint8(0))
    if step.border:
        # scan borders touch the frame; cut loose from it they are thin enough for the openings to remove
        framed = np.zeros_like(mask)
        inner = (slice(step.border, -step.border), slice(step.border, -step.border))
        framed[inner] = mask[inner]
        mask = framed
    for diameter in step.opening_diameters:
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
        largest = _largest_component(cv2.morphologyEx(mask, cv2.MORPH_OPEN, ellipse))
        if largest is None:
            return None
        mask = largest
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 255, thickness=cv2.FILLED)
    return filled


def _largest_component(mask: np.ndarray) -> np.ndarray | None:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == largest, np.uint8(255), np.uint8(0))
