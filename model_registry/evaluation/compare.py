"""Two models on the same cases: each figure's difference with its interval, paired draw by draw. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_registry.evaluation.bootstrap import BOOTSTRAP_DRAWS, Estimate, Resampling, Statistic
from model_registry.evaluation.calibration import probabilities_of
from model_registry.evaluation.cases import Cases, Predictions, cases_check
from model_registry.evaluation.discrimination import auc_of, average_precision_of, sensitivity_of


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` − `second` with its 95 % interval; `is_distinct` where the interval leaves 0 out."""

    name: str
    first: float
    second: float
    difference: Estimate

    @property
    def is_distinct(self) -> bool:
        return self.difference.low > 0 or self.difference.high < 0


def compare(
    *,
    cases: Cases,
    first: Predictions,
    second: Predictions,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
    activations: tuple[str, str] = ("softmax", "softmax"),
    temperatures: tuple[float, float] = (1.0, 1.0),
    seed: int = 0,
    draws: int = BOOTSTRAP_DRAWS,
) -> tuple[Difference, ...]:
    """AUC and average precision of suspicion, sensitivity at 90 % specificity and AUC of each class, first minus second.

    Each model's activation and temperature are its own; classes stand in one order for both.
    Raises EvaluationError where a model's predictions do not fit the cases.
    """
    resampling = Resampling(groups=cases.groups, seed=seed, draws=draws)
    figures: list[dict[str, Statistic]] = []
    suspicious = [list(classes).index(name) for name in suspicion_classes]
    positive = np.isin(cases.labels, suspicious)
    for predictions, activation, temperature in zip((first, second), activations, temperatures, strict=True):
        cases_check(cases=cases, predictions=Predictions(predictions.logits), classes=classes, targets=())
        probabilities = probabilities_of(predictions.logits, activation=activation, temperature=temperature)
        suspicion = np.minimum(1.0, probabilities[:, suspicious].sum(axis=1))
        figures.append(
            {
                "AUC of suspicion": auc_of(suspicion, positive),
                "Average precision of suspicion": average_precision_of(suspicion, positive),
                "Sensitivity at 90 % specificity": sensitivity_of(suspicion, positive, specificity=0.9),
                **{
                    f"AUC {name} against the rest": auc_of(probabilities[:, index], cases.labels == index)
                    for index, name in enumerate(classes)
                },
            }
        )
    whole = np.ones((1, len(cases)))
    found = []
    for name, one in figures[0].items():
        other = figures[1][name]
        difference = resampling.estimate(lambda weights, a=one, b=other: a(weights) - b(weights))  # type: ignore[misc]
        found.append(Difference(name, float(one(whole)[0]), float(other(whole)[0]), difference))
    return tuple(found)
