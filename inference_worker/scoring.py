"""From a model's raw numbers to the numbers a person reads, for one image. Pure; see aggregation for breasts and studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference_worker.batching import ModelOutput
from model_registry.packaging import Manifest

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Keyed by label in the package's class order. `suspicion` is calibrated where the package is; else the model's own."""

    label: str
    logits: Scores
    probabilities: Scores
    calibrated_probabilities: Scores | None
    suspicion: float


def image_scores(*, output: ModelOutput, manifest: Manifest) -> ImageScores:
    """Name one image's scores and calibrate them as the package declares."""
    classes = manifest.classes
    probabilities = _named(classes, output.probabilities)
    calibrated: Scores | None = None
    if manifest.calibration is not None:
        calibrated = _named(
            classes,
            calibrated_probabilities(
                logits=output.logits, temperature=manifest.calibration.temperature, activation=manifest.output_activation
            ),
        )
    decisive = calibrated or probabilities
    return ImageScores(
        label=most_probable(decisive),
        logits=_named(classes, output.logits),
        probabilities=probabilities,
        calibrated_probabilities=calibrated,
        suspicion=min(1.0, sum(decisive[label] for label in manifest.suspicion.classes)),
    )


def calibrated_probabilities(*, logits: npt.NDArray[np.float32], temperature: float, activation: str) -> npt.NDArray[np.float64]:
    """softmax(logits / temperature) over the last axis, or the sigmoid of each. Same shape, computed in double precision."""
    scaled = logits.astype(np.float64) / temperature
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(0.0, -scaled))
    shifted = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def most_probable(scores: Scores) -> str:
    """The label with the highest score; the first in class order among equals."""
    return max(scores, key=lambda label: scores[label])


def _named(classes: tuple[str, ...], values: npt.NDArray[np.floating]) -> Scores:
    return {label: float(value) for label, value in zip(classes, values, strict=True)}
