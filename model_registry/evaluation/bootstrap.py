"""Intervals by bootstrap over patients. Two films of one woman are not independent, so whole women are drawn.

A statistic takes row weights (draws, n) and returns (draws,) values, so that thousands of draws are one array operation; a draw
is how often each row was taken. The same draws serve every statistic, which is what makes differences between models paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BOOTSTRAP_DRAWS = 2000
INTERVAL_PERCENTILES = (2.5, 97.5)
# Of the numbers held at once: a float64 array of this many is 32 MiB, and a statistic makes about five.
_CHUNK_NUMBERS = 4 * 2**20

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % percentile-bootstrap interval; all NaN where the cases do not define it."""

    value: float
    low: float
    high: float

    @property
    def is_defined(self) -> bool:
        return bool(np.isfinite([self.value, self.low, self.high]).all())


class Resampling:
    """The draws of one evaluation. `groups` (n,) names each row's patient; the same seed gives the same draws."""

    def __init__(self, *, groups: np.ndarray, seed: int = 0, draws: int = BOOTSTRAP_DRAWS) -> None:
        names, self._group_of_row = np.unique(groups, return_inverse=True)
        self.group_count = len(names)
        random = np.random.default_rng(seed)
        shares = np.full(self.group_count, 1 / self.group_count)
        self._times = random.multinomial(self.group_count, shares, size=draws).astype(np.uint16)

    def weights(self) -> Iterator[np.ndarray]:
        """Row weights (some draws, n), a part of the draws at a time."""
        step = max(1, _CHUNK_NUMBERS // max(1, len(self._group_of_row)))
        for start in range(0, len(self._times), step):
            yield self._times[start : start + step].astype(np.float64)[:, self._group_of_row]

    def values(self, statistic: Statistic) -> np.ndarray:
        """The statistic of every draw: (draws, …), for a statistic that returns (draws, …)."""
        return np.concatenate([statistic(weights) for weights in self.weights()])

    def estimate(self, statistic: Statistic) -> Estimate:
        """The statistic of all rows and its interval. Draws in which it is not defined (NaN) are left out."""
        value = float(statistic(np.ones((1, len(self._group_of_row))))[0])
        found = self.values(statistic)
        low, high = interval(found)
        return Estimate(value, float(low), float(high))


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval over the first axis, leaving out NaN; NaN where fewer than half of the draws are defined."""
    enough = np.isfinite(values).mean(axis=0) >= 0.5
    # A column without a single value would only earn a warning on its way to NaN.
    low, high = np.nanpercentile(np.where(enough, values, 0.0), INTERVAL_PERCENTILES, axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def mean_of(values: np.ndarray, rows: np.ndarray | None = None) -> Statistic:
    """The mean of `values` (n,), over the rows where `rows` (n,) bool holds; NaN where a draw has none of them."""
    chosen = np.ones(len(values)) if rows is None else rows.astype(np.float64)
    filled = np.where(chosen > 0, values, 0.0).astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return divide(weights @ filled, weights @ chosen)

    return statistic


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise, NaN where the denominator is 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=np.broadcast_to(denominator, shape) != 0)
