"""Marked findings as circles, whatever collection they come from. Coordinates are (column, row) of pixel centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class LesionCircle:
    """A finding in the pixel coordinates of its source image. `label` is the class index of what it is."""

    column: float
    row: float
    radius: float
    label: int


def lesions_move(lesions: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Carry lesions (n, 4: column, row, radius, label) through an affine (2, 3); the radius grows with its area."""
    moved = lesions.copy()
    moved[:, :2] = lesions[:, :2] @ affine[:, :2].T + affine[:, 2]
    moved[:, 2] = lesions[:, 2] * np.sqrt(abs(np.linalg.det(affine[:, :2])))
    return moved


def lesions_array(lesions: tuple[LesionCircle, ...]) -> np.ndarray:
    """(n, 4) float64: column, row, radius, label."""
    rows = [(lesion.column, lesion.row, lesion.radius, lesion.label) for lesion in lesions]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 4)


def circle_around(points: Sequence[tuple[float, float]] | np.ndarray) -> tuple[float, float, float]:
    """The smallest circle around points (column, row): column, row and radius."""
    (column, row), radius = cv2.minEnclosingCircle(np.asarray(points, dtype=np.float32).reshape(-1, 1, 2))
    return float(column), float(row), float(radius)
