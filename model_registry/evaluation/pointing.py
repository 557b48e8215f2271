"""The pointing game: does a heatmap's maximum lie inside a marked lesion, and how much of its mass? Pure functions of arrays.

Works on any grid over any input: a cell covers an equal share of the input; places are (column, row) of input pixel centres.
A hit tolerates half a cell's diagonal, because a map cannot point more finely than its cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# Lesions are few: unsmoothed, the usual place would be wherever two of them happen to overlap.
USUAL_PLACE_SPREAD = 1 / 12


@dataclass(frozen=True, slots=True)
class Grid:
    """A map of `grid_hw` cells over an input of `input_hw` pixels, both (rows, columns)."""

    grid_hw: tuple[int, int]
    input_hw: tuple[int, int]

    @property
    def tolerance(self) -> float:
        """Half the diagonal of a cell, in input pixels."""
        return float(np.hypot(self.input_hw[0] / self.grid_hw[0], self.input_hw[1] / self.grid_hw[1]) / 2)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """The cells' centres in input pixels: columns (grid columns,), rows (grid rows,)."""
        (grid_rows, grid_columns), (rows, columns) = self.grid_hw, self.input_hw
        return (
            (np.arange(grid_columns) + 0.5) * columns / grid_columns - 0.5,
            (np.arange(grid_rows) + 0.5) * rows / grid_rows - 0.5,
        )

    def cells_of_circles(self, lesions: np.ndarray) -> np.ndarray:
        """bool (grid rows, grid columns): centre within the radius, but at least the tolerance, of a lesion (k, 4)."""
        columns, rows = self.centres()
        found = np.zeros(self.grid_hw, dtype=bool)
        for column, row, radius, _ in lesions:
            distance = np.hypot(columns[np.newaxis] - column, rows[:, np.newaxis] - row)
            found |= distance <= max(radius, self.tolerance)
        return found

    def cells_of_mask(self, mask: np.ndarray, *, tolerance: float | None = None) -> np.ndarray:
        """bool (grid rows, grid columns): centre within the tolerance (by default half a cell's diagonal) of a mask's pixel."""
        if not mask.any():
            return np.zeros(self.grid_hw, dtype=bool)
        distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        columns, rows = (np.rint(centres).astype(int) for centres in self.centres())
        nearest = distance[np.ix_(np.clip(rows, 0, mask.shape[0] - 1), np.clip(columns, 0, mask.shape[1] - 1))]
        return np.asarray(nearest <= (self.tolerance if tolerance is None else tolerance))


@dataclass(frozen=True, slots=True, eq=False)
class Pointing:
    """For each case, NaN where it has no lesion to point at: what the map reaches, and what knows less than it does.

    `hit` is 1 or 0; `energy` the share of the map's positive mass on the lesion's cells; `chance` the share of cells that hit:
    what a random place, and the energy of an even map, reach on average; `by_place` 1 or 0 for the place where other patients'
    lesions are commonest, which a map that ignores the image could learn.
    """

    hit: np.ndarray
    energy: np.ndarray
    chance: np.ndarray
    by_place: np.ndarray
    tolerance: float


def pointing_measure(
    *,
    heatmaps: np.ndarray,
    cells: list[np.ndarray | None],
    allowed: list[np.ndarray | None],
    groups: np.ndarray,
    grid: Grid,
) -> Pointing:
    """`heatmaps` (n, rows, columns); `cells` those that count as lesion, None where there is none to point at; `allowed` the
    cells on the breast, None for all. An all-zero map points nowhere and misses; of equal maxima the first counts.
    """
    count = len(heatmaps)
    hit, energy, chance, by_place = (np.full(count, np.nan) for _ in range(4))
    places = np.zeros((len(np.unique(groups)), *grid.grid_hw))
    group_of = np.unique(groups, return_inverse=True)[1]
    for index, lesion in enumerate(cells):
        if lesion is not None:
            places[group_of[index]] += lesion
    total = places.sum(axis=0)
    spread = max(grid.grid_hw) * USUAL_PLACE_SPREAD
    for index, (heatmap, lesion, breast) in enumerate(zip(heatmaps, cells, allowed, strict=True)):
        if lesion is None:
            continue
        positive = np.maximum(heatmap, 0.0)
        mass = float(positive.sum())
        hit[index] = bool(lesion.flat[int(np.argmax(positive))]) if mass > 0 else 0.0
        energy[index] = float(positive[lesion].sum()) / mass if mass > 0 else 0.0
        chance[index] = lesion.mean() if breast is None or not breast.any() else (lesion & breast).sum() / breast.sum()
        others = total - places[group_of[index]]
        usual = cv2.GaussianBlur(others, (0, 0), sigmaX=spread)
        by_place[index] = bool(lesion.flat[int(np.argmax(usual))]) if others.any() else 0.0
    return Pointing(hit, energy, chance, by_place, grid.tolerance)
