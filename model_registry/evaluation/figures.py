"""Discrimination, calibration and operating points, with intervals by bootstrap over patients. Pure functions of arrays.

Two films of one woman are not independent, so whole women are drawn. Nothing here chooses a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import rankdata

BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % percentile-bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Scores above `threshold` count as positive; what that gives on the data it was chosen on."""

    threshold: float
    sensitivity: float
    specificity: float


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN when one class is absent."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def macro_auc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the one-against-the-rest areas over the classes (n, classes)."""
    return float(np.mean([auc(probabilities[:, index], labels == index) for index in range(probabilities.shape[1])]))


def estimate(
    statistic: Callable[[np.ndarray], float], *, groups: np.ndarray, seed: int = 0, draws: int = BOOTSTRAP_DRAWS
) -> Estimate:
    """The statistic of all rows and its interval; `statistic` takes row indices, `groups` (n,) names each row's patient.

    Draws in which it is not defined (NaN) are left out.
    """
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(draws):
        drawn = random.integers(0, len(members), len(members))
        values.append(statistic(np.concatenate([members[index] for index in drawn])))
    defined = np.array([value for value in values if np.isfinite(value)] or [np.nan])
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(statistic(np.arange(len(groups))), float(low), float(high))


def temperature_fit(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the negative log-likelihood of softmax(logits / T), between 0.05 and 20."""

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded").x))


def calibrated(logits: np.ndarray, temperature: float) -> np.ndarray:
    return softmax(logits / temperature, axis=1)


def expected_calibration_error(scores: np.ndarray, positive: np.ndarray, *, bins: int = 10) -> float:
    """Mean gap between predicted and observed frequency over bins of equal count, weighted by count."""
    order = np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)))
    return float(sum(len(rows) * abs(scores[rows].mean() - positive[rows].mean()) for rows in order) / len(scores))


def operating_point_at_specificity(scores: np.ndarray, positive: np.ndarray, *, specificity: float) -> OperatingPoint:
    """The lowest threshold at which at least that share of the negatives is not above it."""
    negatives = np.sort(scores[~positive])
    threshold = float(negatives[int(np.ceil(specificity * len(negatives))) - 1])
    above = scores > threshold
    return OperatingPoint(threshold, float(above[positive].mean()), float(1 - above[~positive].mean()))
