"""Whether probabilities mean what they say: temperature, reliability, calibration errors. Pure functions of arrays.

A temperature must not be judged on what it was fitted on; `temperature_cross_fit` gives every case one fitted on other patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.model_selection import StratifiedGroupKFold

from model_registry.evaluation.bootstrap import Statistic, divide

Binning = Literal["equal_count", "equal_width"]
BINS = 10
FOLDS = 5
TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """`count` cases with mean prediction `predicted`, of which the share `observed` is positive (95 % Wilson interval)."""

    predicted: float
    observed: float
    low: float
    high: float
    count: int


def probabilities_of(logits: np.ndarray, *, activation: str, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """(n, classes) in double precision, as the worker computes them: softmax, or the sigmoid of each logit.

    `temperature` is a number or (n,). A single sigmoid logit (n, 1) is the second class's log-odds.
    """
    scaled = logits.astype(np.float64) / np.reshape(temperature, (-1, 1))
    if activation == "softmax":
        return np.asarray(softmax(scaled, axis=1))
    return np.asarray(expit(np.hstack([-scaled, scaled]) if scaled.shape[1] == 1 else scaled))


def log_likelihoods(logits: np.ndarray, labels: np.ndarray, *, activation: str, temperature: float = 1.0) -> np.ndarray:
    """(n,) log-likelihood of each label: of the softmax, or the mean over the sigmoids of one-against-the-rest."""
    scaled = logits.astype(np.float64) / temperature
    rows = np.arange(len(labels))
    if activation == "softmax":
        return np.asarray(log_softmax(scaled, axis=1)[rows, labels])
    if scaled.shape[1] == 1:
        return np.asarray(log_expit(np.where(labels == 1, scaled[:, 0], -scaled[:, 0])))
    signs = np.where(np.arange(scaled.shape[1]) == labels[:, np.newaxis], 1.0, -1.0)
    return np.asarray(log_expit(signs * scaled).mean(axis=1))


def temperature_fit(logits: np.ndarray, labels: np.ndarray, *, activation: str = "softmax") -> float:
    """The temperature that minimises the negative log-likelihood, between 0.05 and 20."""

    def loss(log_temperature: float) -> float:
        return float(-log_likelihoods(logits, labels, activation=activation, temperature=np.exp(log_temperature)).mean())

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def temperature_cross_fit(
    logits: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, activation: str = "softmax", seed: int = 0
) -> np.ndarray | None:
    """(n,) for each case the temperature fitted on the folds of other patients; None with fewer than two patients a fold."""
    names = np.unique(groups)
    folds = min(FOLDS, len(names) // 2)
    if folds < 2:
        return None
    temperatures = np.ones(len(labels))
    fold_of = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    # Only the spread over folds is stratified; a class with fewer cases than folds is placed as it comes.
    strata = labels if np.bincount(labels)[np.unique(labels)].min() >= folds else np.zeros_like(labels)
    for others, own in fold_of.split(logits, strata, groups):
        temperatures[own] = temperature_fit(logits[others], labels[others], activation=activation)
    return temperatures


def bins_of(scores: np.ndarray, *, binning: Binning, bins: int = BINS) -> np.ndarray:
    """(n,) the bin of each score: of equal count (equal scores stay in score order) or of equal width over [0, 1]."""
    if binning == "equal_width":
        return np.clip((scores * bins).astype(int), 0, bins - 1)
    found = np.empty(len(scores), dtype=int)
    for index, rows in enumerate(np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)))):
        found[rows] = index
    return found


def reliability(scores: np.ndarray, positive: np.ndarray, *, binning: Binning, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram's points, lowest scores first; empty bins are left out."""
    place = bins_of(scores, binning=binning, bins=bins)
    found = []
    for index in np.unique(place):
        rows = place == index
        low, high = wilson(int(positive[rows].sum()), int(rows.sum()))
        found.append(ReliabilityBin(float(scores[rows].mean()), float(positive[rows].mean()), low, high, count=int(rows.sum())))
    return tuple(found)


def calibration_error_of(
    scores: np.ndarray, positive: np.ndarray, *, binning: Binning = "equal_count", bins: int = BINS, worst: bool = False
) -> Statistic:
    """The gap between predicted and observed frequency, averaged over the bins by count, or the `worst` bin's.

    The bins are those of all cases in every draw.
    """
    place = np.eye(bins)[bins_of(scores, binning=binning, bins=bins)]
    scored, seen = place * scores[:, np.newaxis], place * positive[:, np.newaxis]

    def statistic(weights: np.ndarray) -> np.ndarray:
        gaps, counts = np.abs(weights @ scored - weights @ seen), weights @ place
        return np.nanmax(divide(gaps, counts), axis=1) if worst else divide(gaps.sum(axis=1), counts.sum(axis=1))

    return statistic


def wilson(successes: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share. Source: Wilson (1927), J Am Stat Assoc 22:209–212."""
    if not count:
        return 0.0, 1.0
    z = 1.959963984540054
    share = successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
