"""Counts in bins, added up, and what can be read off them. Pure functions: no rows, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

#: Upper ends of the bins for durations in seconds; one more bin holds what took longer.
SECONDS: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600)
UNIT_BINS = 20
BRIGHTNESS_BINS = 10
#: Share put into an empty bin before logarithms are taken.
EPSILON = 1e-4
#: Fewer cases than this say nothing about a drift.
CASES_MINIMUM = 50


def seconds_bin(seconds: float) -> int:
    return next((index for index, edge in enumerate(SECONDS) if seconds <= edge), len(SECONDS))


def unit_bin(value: float, bins: int) -> int:
    """The bin of a value in [0, 1]; 1 belongs to the last."""
    return min(max(int(value * bins), 0), bins - 1)


def counts_add(left: Sequence[int], right: Sequence[int]) -> list[int]:
    """Bin by bin; the longer one's length. An empty list is all zeros."""
    size = max(len(left), len(right))
    return [(left[i] if i < len(left) else 0) + (right[i] if i < len(right) else 0) for i in range(size)]


def tallies_add(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def stages_add(left: Mapping[str, Sequence[int]], right: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Counts by name, name by name."""
    return {name: counts_add(left.get(name, ()), right.get(name, ())) for name in {**left, **right}}


def counts_sum(many: Iterable[Sequence[int]]) -> list[int]:
    """All of them, bin by bin, as counts_add adds two; in one go, because a week of a large platform is thousands."""
    return [sum(column) for column in zip_longest(*many, fillvalue=0)]


def seconds_percentile(counts: Sequence[int], percent: float) -> float | None:
    """Seconds below which that share lies, linear inside the bin; the last edge for what lies beyond it. None without cases."""
    total = sum(counts)
    if not total:
        return None
    wanted, seen = total * percent / 100, 0
    for index, count in enumerate(counts):
        if count and seen + count >= wanted:
            if index >= len(SECONDS):
                return SECONDS[-1]
            low = SECONDS[index - 1] if index else 0.0
            return low + (SECONDS[index] - low) * max(0.0, wanted - seen) / count
        seen += count
    return SECONDS[-1]


def population_stability_index(expected: Sequence[int], actual: Sequence[int]) -> float | None:
    """PSI = Σ (a − e) · ln(a / e) over the bins' shares, empty bins as EPSILON; below .1 stable, from .25 shifted.

    None when either side has fewer than CASES_MINIMUM cases. Source: Siddiqi, Credit Risk Scorecards (2006), chapter 9.
    """
    if sum(expected) < CASES_MINIMUM or sum(actual) < CASES_MINIMUM:
        return None
    size = max(len(expected), len(actual))
    index = 0.0
    for place in range(size):
        e = max((expected[place] if place < len(expected) else 0) / sum(expected), EPSILON)
        a = max((actual[place] if place < len(actual) else 0) / sum(actual), EPSILON)
        index += (a - e) * math.log(a / e)
    return index


def tallies_aligned(left: Mapping[str, int], right: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Two tallies as counts over the same names."""
    names = sorted({*left, *right})
    return [left.get(name, 0) for name in names], [right.get(name, 0) for name in names]


def psi_band(value: float | None) -> str:
    """“too_few_cases”, “stable”, “watch” or “shifted”."""
    if value is None:
        return "too_few_cases"
    return "stable" if value < 0.1 else "watch" if value < 0.25 else "shifted"
