"""The pointing game: does a heatmap's maximum lie inside a marked lesion? Pure functions of arrays."""

from __future__ import annotations

import numpy as np

# half the diagonal of an 8-pixel cell: a map cannot point more finely than its cells
CELL = 8
TOLERANCE = CELL * np.sqrt(2) / 2


def map_peak(heatmap: np.ndarray) -> tuple[float, float]:
    """The centre of the highest cell of a map (rows, columns) as (column, row) in input pixels."""
    row, column = np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)
    return column * CELL + (CELL - 1) / 2, row * CELL + (CELL - 1) / 2


def map_points_inside(heatmap: np.ndarray, lesions: np.ndarray) -> bool:
    """Whether the peak lies within the radius, but at least TOLERANCE, of a lesion (n, 4: column, row, radius, label).

    An all-zero map points nowhere and misses.
    """
    if not heatmap.max() > 0:
        return False
    column, row = map_peak(heatmap)
    distances = np.hypot(lesions[:, 0] - column, lesions[:, 1] - row)
    return bool((distances <= np.maximum(lesions[:, 2], TOLERANCE)).any())
