"""All figures of a model from its predictions on cases: metrics for a manifest, and what the package declares because of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
import onnxruntime
from scipy.special import softmax

from model_registry.evaluation.cases import Cases, Predictions, cases_check
from model_registry.evaluation.figures import (
    OperatingPoint,
    auc,
    calibrated,
    estimate,
    expected_calibration_error,
    macro_auc,
    operating_point_at_specificity,
    temperature_fit,
)
from model_registry.evaluation.pointing import map_points_inside
from model_registry.packaging.manifest import Metric

SPECIFICITY = 0.9


class Sample(Protocol):
    """Anything that holds one prepared image."""

    @property
    def tensor(self) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics for the manifest, and what the package declares because of them."""

    metrics: tuple[Metric, ...]
    temperature: float
    operating_point: OperatingPoint


def predict(*, model: onnx.ModelProto, samples: Sequence[Sample], batch_size: int = 8, threads: int = 1) -> Predictions:
    """Run the exported graph itself, heatmaps included, on prepared samples."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    logits, heatmaps = [], []
    for start in range(0, len(samples), batch_size):
        batch = np.stack([sample.tensor for sample in samples[start : start + batch_size]])
        found = session.run(["logits", "heatmaps"], {"image": batch})
        logits.append(found[0])
        heatmaps.append(found[1])
    return Predictions(np.concatenate(logits), np.concatenate(heatmaps))


def evaluate(
    *,
    cases: Cases,
    predictions: Predictions,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
    targets: Sequence[str],
    activation: str = "softmax",
    method: str,
    seed: int = 0,
    draws: int = 2000,
) -> Evaluation:
    """Figures with intervals by bootstrap over `cases.groups`. `method` says in words how the predictions came about.

    Raises EvaluationError where cases and predictions do not fit together.
    """
    cases_check(cases=cases, predictions=predictions, classes=classes, targets=targets)
    labels, groups = cases.labels, cases.groups
    probabilities = softmax(predictions.logits, axis=1)
    suspicious = [list(classes).index(name) for name in suspicion_classes]
    abnormal, suspicion = np.isin(labels, suspicious), probabilities[:, suspicious].sum(axis=1)
    temperature = temperature_fit(predictions.logits, labels)
    tempered = calibrated(predictions.logits, temperature)[:, suspicious].sum(axis=1)
    point = operating_point_at_specificity(tempered, abnormal, specificity=SPECIFICITY)
    metrics: list[Metric] = []

    def add(name: str, statistic: Callable[[np.ndarray], float], rows: np.ndarray | None = None) -> None:
        rows = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
        found = estimate(lambda drawn: statistic(rows[drawn]), groups=groups[rows], seed=seed, draws=draws)
        if not np.isfinite([found.value, found.low, found.high]).all():
            return  # not defined on this collection, for want of cases
        metrics.append(
            Metric(name=name, value=_round(found.value), low=_round(found.low), high=_round(found.high), method=method)
        )

    add("AUC abnormal against normal", lambda r: auc(suspicion[r], abnormal[r]))
    for index, name in enumerate(classes):
        add(f"AUC {name} against the rest", lambda r, c=index: auc(probabilities[r, c], labels[r] == c))  # type: ignore[misc]
    add("AUC, macro average over classes", lambda r: macro_auc(probabilities[r], labels[r]))
    if predictions.heatmaps is not None:
        located = np.array([bool(len(lesions)) for lesions in cases.lesions])
        for channel, target in enumerate(targets):
            hits = np.array(
                [map_points_inside(m, s) for s, m in zip(cases.lesions, predictions.heatmaps[:, channel], strict=True)]
            )
            add(f"Pointing game, {target} Grad-CAM", lambda r, hits=hits: _share(hits[r]), located)  # type: ignore[misc]
    add("Sensitivity at the operating point", lambda r: _share(tempered[r][abnormal[r]] > point.threshold))
    add("Specificity at the operating point", lambda r: _share(tempered[r][~abnormal[r]] <= point.threshold))
    add("Expected calibration error of suspicion", lambda r: expected_calibration_error(tempered[r], abnormal[r]))
    return Evaluation(tuple(metrics), temperature, point)


def _share(found: np.ndarray) -> float:
    return float(found.mean()) if len(found) else float("nan")


def _round(value: float) -> float:
    return round(float(value), 4)
