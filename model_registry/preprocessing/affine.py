"""Maps between pixel grids, as (2, 3) float64 matrices over (column, row) pixel centres.

The centre of the top left pixel is (0, 0). Not for resampling: it only says where things went.
"""

from __future__ import annotations

import numpy as np


def identity() -> np.ndarray:
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def compose(*, after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The map that applies `before` first."""
    return np.hstack([after[:, :2] @ before[:, :2], after[:, :2] @ before[:, 2:] + after[:, 2:]])


def invert(matrix: np.ndarray) -> np.ndarray:
    """The way back. A singular matrix raises numpy.linalg.LinAlgError; none made in this room is."""
    back = np.linalg.inv(matrix[:, :2])
    return np.hstack([back, -back @ matrix[:, 2:]])


def scale(*, from_hw: tuple[int, int], to_hw: tuple[float, float]) -> np.ndarray:
    """Resampling that aligns the outer edges of both grids, as area averaging and half-pixel-centre kernels do."""
    factor_row, factor_column = to_hw[0] / from_hw[0], to_hw[1] / from_hw[1]
    return np.array([[factor_column, 0.0, factor_column / 2 - 0.5], [0.0, factor_row, factor_row / 2 - 0.5]])


def shift(*, columns: float, rows: float) -> np.ndarray:
    return np.array([[1.0, 0.0, columns], [0.0, 1.0, rows]])


def mirror(*, columns: int) -> np.ndarray:
    """Left and right swapped on a grid that is `columns` wide."""
    return np.array([[-1.0, 0.0, columns - 1.0], [0.0, 1.0, 0.0]])


def points_apply(*, matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (n, 2) points given as (column, row)."""
    return points @ matrix[:, :2].T + matrix[:, 2]
