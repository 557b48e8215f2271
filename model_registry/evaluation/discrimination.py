"""ROC and precision–recall: curves, areas, and what one axis gives at a fixed place on the other. Pure functions of arrays.

Scores above a threshold count as positive. Every statistic takes row weights (draws, n); see bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from model_registry.evaluation.bootstrap import Estimate, Statistic, divide

# Weighted sums that should meet a fixed share exactly miss it by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Scores above `threshold` count as positive; what that gives on the data it was chosen on."""

    threshold: float
    sensitivity: float
    specificity: float


class RankedScores:
    """Scores sorted once, so that each draw costs a few sums. `scores` (n,) float, `positive` (n,) bool.

    `thresholds` are the distinct scores, in rising order.
    """

    def __init__(self, *, scores: np.ndarray, positive: np.ndarray) -> None:
        self._order = np.argsort(scores, kind="stable")
        ranked = scores[self._order]
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self._positive = positive[self._order].astype(np.float64)
        self.thresholds = ranked[self._starts]

    def counts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positives, negatives), each (draws, thresholds): the weight at each distinct score, in rising order."""
        ranked = weights[:, self._order]
        positives = np.add.reduceat(ranked * self._positive, self._starts, axis=1)
        return positives, np.add.reduceat(ranked, self._starts, axis=1) - positives


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of all rows, ties counted half; NaN when one class is absent."""
    return float(auc_of(scores, positive)(np.ones((1, len(scores))))[0])


def auc_of(scores: np.ndarray, positive: np.ndarray, rows: np.ndarray | None = None) -> Statistic:
    """Area under the ROC curve, ties counted half, over the rows where `rows` holds; NaN when one class is absent."""
    ranked, chosen = _ranked(scores, positive, rows)

    def statistic(weights: np.ndarray) -> np.ndarray:
        positives, negatives = ranked.counts(chosen(weights))
        below = np.cumsum(negatives, axis=1) - negatives / 2
        return divide((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))

    return statistic


def average_precision_of(scores: np.ndarray, positive: np.ndarray, rows: np.ndarray | None = None) -> Statistic:
    """Σ (Rₖ − Rₖ₋₁) Pₖ over falling thresholds, as scikit-learn defines it; NaN without a positive."""
    ranked, chosen = _ranked(scores, positive, rows)

    def statistic(weights: np.ndarray) -> np.ndarray:
        positives, negatives = (count[:, ::-1] for count in ranked.counts(chosen(weights)))
        found = np.cumsum(positives, axis=1)
        precision = divide(found, found + np.cumsum(negatives, axis=1))
        return divide(np.nansum(positives * precision, axis=1), found[:, -1])

    return statistic


def sensitivities_of(scores: np.ndarray, positive: np.ndarray, *, specificities: Sequence[float] | np.ndarray) -> Statistic:
    """(draws, specificities): the highest sensitivity of any threshold that keeps at least each specificity."""
    ranked = RankedScores(scores=scores, positive=positive)
    wanted = np.asarray(specificities, dtype=np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        positives, negatives = ranked.counts(weights)
        above = 1 - _shares(positives)
        kept = _shares(negatives)
        found = np.full((len(weights), len(wanted)), np.nan)
        for draw in np.flatnonzero(np.isfinite(above[:, -1]) & np.isfinite(kept[:, -1])):
            # A threshold below every score keeps no negative and finds every positive.
            place = np.searchsorted(np.r_[0.0, kept[draw]], wanted - _ROUNDING)
            found[draw] = np.r_[1.0, above[draw]][np.minimum(place, kept.shape[1])]
        return found

    return statistic


def sensitivity_of(scores: np.ndarray, positive: np.ndarray, *, specificity: float) -> Statistic:
    """The highest sensitivity of any threshold that keeps at least this specificity, chosen anew in every draw."""
    several = sensitivities_of(scores, positive, specificities=[specificity])
    return lambda weights: several(weights)[:, 0]


def specificity_of(scores: np.ndarray, positive: np.ndarray, *, sensitivity: float) -> Statistic:
    """The highest specificity of any threshold that keeps at least this sensitivity, chosen anew in every draw."""
    ranked = RankedScores(scores=scores, positive=positive)

    def statistic(weights: np.ndarray) -> np.ndarray:
        positives, negatives = ranked.counts(weights)
        above, kept = 1 - _shares(positives), _shares(negatives)
        reached = np.where(above >= sensitivity - _ROUNDING, kept, 0.0)
        return np.where(np.isfinite(above[:, -1]) & np.isfinite(kept[:, -1]), reached.max(axis=1), np.nan)

    return statistic


def roc_points(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(1 − specificity, sensitivity, thresholds) from strict to lax, starting at (0, 0) with an infinite threshold."""
    ranked = RankedScores(scores=scores, positive=positive)
    positives, negatives = (_shares(count[:, ::-1])[0] for count in ranked.counts(np.ones((1, len(scores)))))
    return np.r_[0.0, negatives], np.r_[0.0, positives], np.r_[np.inf, ranked.thresholds[::-1]]


def precision_recall_points(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(recall, precision) from strict to lax, one point a distinct score."""
    ranked = RankedScores(scores=scores, positive=positive)
    positives, negatives = (np.cumsum(count[0, ::-1]) for count in ranked.counts(np.ones((1, len(scores)))))
    return divide(positives, positives[-1:]), divide(positives, positives + negatives)


def operating_point_at_specificity(scores: np.ndarray, positive: np.ndarray, *, specificity: float) -> OperatingPoint:
    """The lowest threshold at which at least that share of the negatives is not above it; 0.5 without a negative."""
    negatives = np.sort(scores[~positive])
    if not len(negatives):
        return operating_point_at(scores, positive, threshold=0.5)
    place = max(0, int(np.ceil(specificity * len(negatives) - _ROUNDING)) - 1)
    return operating_point_at(scores, positive, threshold=float(negatives[place]))


def operating_point_at(scores: np.ndarray, positive: np.ndarray, *, threshold: float) -> OperatingPoint:
    """What a threshold gives on these cases; NaN for a class that is absent."""
    above = scores > threshold
    sensitivity, specificity = divide(
        np.array([(above & positive).sum(), (~above & ~positive).sum()], dtype=np.float64),
        np.array([positive.sum(), (~positive).sum()], dtype=np.float64),
    )
    return OperatingPoint(threshold, float(sensitivity), float(specificity))


def auc_delong(scores: np.ndarray, positive: np.ndarray) -> Estimate:
    """AUC and its 95 % interval from DeLong's variance, rows taken as independent: a check on the bootstrap, one image a patient.

    Source: DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44:837–845.
    """
    from scipy.stats import rankdata

    first, second = scores[positive], scores[~positive]
    if len(first) < 2 or len(second) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"))
    ranks = rankdata(np.r_[first, second])
    of_positive = (ranks[: len(first)] - rankdata(first)) / len(second)
    of_negative = 1 - (ranks[len(first) :] - rankdata(second)) / len(first)
    area = float(of_positive.mean())
    half = norm.ppf(0.975) * np.sqrt(of_positive.var(ddof=1) / len(first) + of_negative.var(ddof=1) / len(second))
    return Estimate(area, max(0.0, area - float(half)), min(1.0, area + float(half)))


def _shares(counts: np.ndarray) -> np.ndarray:
    totals = np.cumsum(counts, axis=1)
    return divide(totals, totals[:, -1:])


def _ranked(
    scores: np.ndarray, positive: np.ndarray, rows: np.ndarray | None
) -> tuple[RankedScores, Callable[[np.ndarray], np.ndarray]]:
    """Only the rows asked for are sorted and weighed."""
    if rows is None:
        return RankedScores(scores=scores, positive=positive), lambda weights: weights
    places = np.flatnonzero(rows)
    return RankedScores(scores=scores[places], positive=positive[places]), lambda weights: weights[:, places]
