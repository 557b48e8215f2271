"""All figures of the cross-validated recipe, from pooled out-of-fold predictions, as metrics of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from scipy.special import softmax

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
from model_registry.training.samples import Sample

DENSITIES = {"F": "fatty", "G": "glandular", "D": "dense"}
SPECIFICITY = 0.9


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a package's graph says of samples, in their order: `logits` (n, classes), `heatmaps` (n, targets, rows, columns)."""

    logits: np.ndarray
    heatmaps: np.ndarray


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


def evaluate(*, samples: Sequence[Sample], predictions: Predictions, targets: Sequence[str], method: str) -> Evaluation:
    """Pooled figures with intervals by bootstrap over women. `method` says in words how the predictions came about."""
    labels = np.array([sample.label for sample in samples])
    groups = np.array([sample.patient_id for sample in samples])
    densities = np.array([sample.density for sample in samples])
    probabilities = softmax(predictions.logits, axis=1)
    abnormal, suspicion = labels > 0, 1 - probabilities[:, 0]
    temperature = temperature_fit(predictions.logits, labels)
    tempered = 1 - calibrated(predictions.logits, temperature)[:, 0]
    point = operating_point_at_specificity(tempered, abnormal, specificity=SPECIFICITY)
    metrics: list[Metric] = []

    def add(name: str, statistic: Callable[[np.ndarray], float], rows: np.ndarray | None = None) -> None:
        rows = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
        found = estimate(lambda drawn: statistic(rows[drawn]), groups=groups[rows])
        if not np.isfinite([found.value, found.low, found.high]).all():
            return  # not defined on this collection, for want of cases
        metrics.append(
            Metric(name=name, value=_round(found.value), low=_round(found.low), high=_round(found.high), method=method)
        )

    add("AUC abnormal against normal", lambda r: auc(suspicion[r], abnormal[r]))
    add("AUC malignant against the rest", lambda r: auc(probabilities[r, 2], labels[r] == 2))
    add("AUC of three classes, macro average", lambda r: macro_auc(probabilities[r], labels[r]))
    add(
        "AUC malignant against benign, among abnormal",
        lambda r: auc(probabilities[r, 2] / suspicion[r], labels[r] == 2),
        abnormal,
    )
    for code, name in DENSITIES.items():
        add(f"AUC abnormal against normal, {name} breasts", lambda r: auc(suspicion[r], abnormal[r]), densities == code)
    calcified = np.array([sample.finding == "CALC" for sample in samples])
    add("AUC calcifications against normal", lambda r: auc(suspicion[r], abnormal[r]), calcified | ~abnormal)
    located = np.array([bool(len(sample.lesions)) for sample in samples])
    for target in ("suspicion", "malignant"):
        channel = list(targets).index(target)
        hits = _hits(samples, predictions.heatmaps[:, channel])
        add(f"Pointing game, {target} Grad-CAM", lambda r, hits=hits: _share(hits[r]), located)  # type: ignore[misc]
    add("Sensitivity at the operating point", lambda r: _share(tempered[r][abnormal[r]] > point.threshold))
    add("Specificity at the operating point", lambda r: _share(tempered[r][~abnormal[r]] <= point.threshold))
    add("Expected calibration error of suspicion", lambda r: expected_calibration_error(tempered[r], abnormal[r]))
    return Evaluation(tuple(metrics), temperature, point)


def _hits(samples: Sequence[Sample], maps: np.ndarray) -> np.ndarray:
    return np.array([map_points_inside(heatmap, s.lesions) for s, heatmap in zip(samples, maps, strict=True)])


def _share(found: np.ndarray) -> float:
    return float(found.mean()) if len(found) else float("nan")


def _round(value: float) -> float:
    return round(float(value), 4)
