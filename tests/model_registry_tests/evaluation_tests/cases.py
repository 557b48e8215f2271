"""Drawn cases: labels of three classes, two images of each patient, logits that lean to the truth, one lesion where abnormal."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_registry.evaluation.cases import Cases, Predictions
from model_registry.evaluation.report import Evaluation, evaluate

CLASSES = ("normal", "benign", "malignant")
SUSPICIOUS = ("benign", "malignant")
INPUT_HW, GRID_HW = (48, 32), (6, 4)


def truth(count: int = 120, *, seed: int = 0, lean: float = 1.2) -> tuple[Cases, Predictions]:
    """Heatmaps (normal, benign, malignant, suspicion) of abnormal images point at the lesion in every second one."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=[0.5, 0.25, 0.25])
    logits = random.normal(0, 1, (count, 3))
    logits[np.arange(count), labels] += lean
    lesions, heatmaps = [], np.full((count, 4, *GRID_HW), 0.1, np.float32)
    for index, label in enumerate(labels):
        row, column = random.integers(0, GRID_HW[0]), random.integers(0, GRID_HW[1])
        centre = (column * 8 + 3.5, row * 8 + 3.5, 3.0, float(label))
        lesions.append(np.array([centre]) if label else np.zeros((0, 4)))
        place = (row, column) if index % 2 else ((row + 3) % GRID_HW[0], column)
        heatmaps[index, :, place[0], place[1]] = 1.0
    cases = Cases(
        labels=labels,
        groups=np.arange(count) // 2,
        lesions=tuple(lesions),
        is_located=np.ones(count, dtype=bool),
        subgroups={"density": random.choice(["fatty", "dense", ""], count)},
        input_hw=INPUT_HW,
    )
    return cases, Predictions(logits, heatmaps)


def judged(cases: Cases, predictions: Predictions, **changes: Any) -> Evaluation:
    given: dict[str, Any] = {
        "classes": CLASSES,
        "suspicion_classes": SUSPICIOUS,
        "targets": (*CLASSES, "suspicion"),
        "method": "drawn",
        "draws": 200,
    }
    return evaluate(cases=cases, predictions=predictions, **{**given, **changes})
