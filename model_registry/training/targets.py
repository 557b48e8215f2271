"""What a network is held to besides the image's label: classes of cells, or masks of pixels. Pure NumPy."""

from __future__ import annotations

import numpy as np

from model_registry.training.config import DenseLesion

CELL = 8


def cell_targets(
    *, mask: np.ndarray, lesions: np.ndarray, is_located: bool, settings: DenseLesion
) -> tuple[np.ndarray, np.ndarray]:
    """Class index and weight of every cell, (rows/8, columns/8) each, from the breast `mask` (rows, columns). Weight 0: ignored.

    Positive near a lesion's centre, ignored in the ring around it, off the breast, and everywhere when nothing is located.
    """
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    inside = mask.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)) >= 0.5
    labels = np.zeros((rows, columns), dtype=np.int32)
    weights = inside.astype(np.float32)
    if not is_located:
        return labels, np.zeros_like(weights)
    y = (np.arange(rows) * CELL + (CELL - 1) / 2)[:, None]
    x = (np.arange(columns) * CELL + (CELL - 1) / 2)[None, :]
    distances = [np.hypot(x - column, y - row) for column, row, _, _ in lesions]
    for distance, (_, _, radius, _) in zip(distances, lesions, strict=True):
        weights[distance <= settings.ignored_radius_factor * radius + settings.ignored_margin] = 0
    for distance, (_, _, radius, label) in zip(distances, lesions, strict=True):
        positive = (distance <= max(settings.positive_radius_factor * radius, settings.positive_radius_minimum)) & inside
        labels[positive] = int(label)
        weights[positive] = settings.cell_weight_positive
    return labels, weights


def pixel_targets(*, masks: np.ndarray, is_located: bool, units: int) -> tuple[np.ndarray, np.ndarray]:
    """What each pixel should be, (rows, columns, units), and its weight (rows, columns): 0 throughout where nothing is located.

    `masks` (rows, columns, classes). One unit: any lesion. As many units as classes: the first is “nothing here”, the rest sum to
    at most 1.
    """
    weights = np.full(masks.shape[:2], float(is_located), np.float32)
    if units == 1:
        return masks.max(axis=-1, keepdims=True), weights
    lesions = masks.copy()
    lesions[..., 0] = 0
    lesions /= np.maximum(lesions.sum(axis=-1, keepdims=True), 1)
    lesions[..., 0] = 1 - lesions[..., 1:].sum(axis=-1)
    return lesions, weights
