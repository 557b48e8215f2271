"""Figures of the named class: confusion matrix and all that follows from it. Statistics take row weights; see bootstrap.

The named class is the most probable one, the first in class order among equals, as the worker names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model_registry.evaluation.bootstrap import Statistic, divide

Figure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Confusions:
    """`labels` and `named` (n,) class indices. `matrix` counts them as (draws, true class, named class)."""

    labels: np.ndarray
    named: np.ndarray
    classes: int

    def matrix(self, weights: np.ndarray) -> np.ndarray:
        cells = np.eye(self.classes**2)[self.labels * self.classes + self.named]
        return (weights @ cells).reshape(-1, self.classes, self.classes)

    def statistic(self, figure: Figure) -> Statistic:
        """A figure of confusion matrices (…, classes, classes) as a statistic of row weights."""
        return lambda weights: figure(self.matrix(weights))


def accuracy(matrix: np.ndarray) -> np.ndarray:
    return divide(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def recall(matrix: np.ndarray) -> np.ndarray:
    """(…, classes); NaN for a class without cases."""
    return divide(_right(matrix), matrix.sum(axis=-1))


def precision(matrix: np.ndarray) -> np.ndarray:
    """(…, classes); 0 for a class that is never named though it has cases, NaN for one that has neither."""
    named = divide(_right(matrix), matrix.sum(axis=-2))
    return np.where(np.isnan(named) & (matrix.sum(axis=-1) > 0), 0.0, named)


def f1(matrix: np.ndarray) -> np.ndarray:
    """(…, classes): 2·TP / (cases + named); NaN for a class with neither."""
    return divide(2 * _right(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def macro(figure: Figure) -> Figure:
    """The mean over the classes for which the figure is defined."""

    def averaged(matrix: np.ndarray) -> np.ndarray:
        values = figure(matrix)
        defined = np.isfinite(values)
        return divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))

    return averaged


def weighted(figure: Figure) -> Figure:
    """The mean over the classes, weighted by their cases."""

    def averaged(matrix: np.ndarray) -> np.ndarray:
        support = matrix.sum(axis=-1)
        return divide(np.where(support > 0, np.nan_to_num(figure(matrix)) * support, 0.0).sum(axis=-1), support.sum(axis=-1))

    return averaged


def balanced_accuracy(matrix: np.ndarray) -> np.ndarray:
    """The mean recall over the classes that have cases."""
    return macro(recall)(matrix)


def kappa(matrix: np.ndarray) -> np.ndarray:
    """Cohen's κ: agreement beyond what the margins give by chance. Source: Cohen (1960), Educ Psychol Meas 20:37–46."""
    total = matrix.sum(axis=(-2, -1))
    by_chance = divide((matrix.sum(axis=-1) * matrix.sum(axis=-2)).sum(axis=-1), total**2)
    return divide(accuracy(matrix) - by_chance, 1 - by_chance)


def _right(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)
