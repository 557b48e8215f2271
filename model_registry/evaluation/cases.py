"""What an evaluation is given: cases with what is known of them, and what a model said of each. Arrays only; no files, no models.

Coordinates are (column, row) of pixel centres in the model's input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model_registry.evaluation.errors import EvaluationError

LESION_COLUMNS = 4  # column, row, radius, label


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model's graph says of cases, in their order: `logits` (n, classes); `heatmaps` (n, targets, rows, columns) or None.

    For a segmentation model `heatmaps` are the mask's probabilities.
    """

    logits: np.ndarray
    heatmaps: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """What is true of n images.

    `labels` (n,) class indices; `groups` (n,) the patient of each image, or the image where the patient is not known;
    `lesions` n arrays (k, 4: column, row, radius, label) in input pixels; `is_located` (n,) False where an abnormal image's
    finding is somewhere unknown; `subgroups` name → (n,) values, "" where not stated; `input_hw` (rows, columns) of the input.
    `masks`, where the source has them: n entries, bool (rows, columns) of the input's size, or None for an image without one.
    `breasts`, where the preprocessing isolates them, alike: chance levels are then those of a point on the breast.
    """

    labels: np.ndarray
    groups: np.ndarray
    lesions: tuple[np.ndarray, ...]
    is_located: np.ndarray
    subgroups: Mapping[str, np.ndarray] = field(default_factory=dict)
    input_hw: tuple[int, int] = (0, 0)
    masks: tuple[np.ndarray | None, ...] | None = None
    breasts: tuple[np.ndarray | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def cases_check(*, cases: Cases, predictions: Predictions, classes: Sequence[str], targets: Sequence[str]) -> None:
    """Raises EvaluationError where cases and predictions do not fit together."""
    count = len(cases.labels)
    if not count:
        raise EvaluationError("evaluation:no_cases", "there is no case to evaluate")
    for name, values in (("groups", cases.groups), ("lesions", cases.lesions), ("is_located", cases.is_located)):
        _length_check(name, len(values), count)
    for name, column in cases.subgroups.items():
        _length_check(f"subgroup {name!r}", len(column), count)
    for name, pictures in (("masks", cases.masks), ("breasts", cases.breasts)):
        if pictures is not None:
            _length_check(name, len(pictures), count)
            if any(picture is not None and picture.shape != cases.input_hw for picture in pictures):
                raise EvaluationError("evaluation:shape_mismatch", f"{name} are not of the input's size {cases.input_hw}")
    if any(lesions.ndim != 2 or lesions.shape[1] != LESION_COLUMNS for lesions in cases.lesions):
        raise EvaluationError("evaluation:shape_mismatch", "lesions are arrays (k, 4): column, row, radius, label")
    if cases.labels.min() < 0 or cases.labels.max() >= len(classes):
        raise EvaluationError(
            "evaluation:unknown_label", f"labels must lie in 0 … {len(classes) - 1}, the {len(classes)} classes"
        )
    if predictions.logits.shape not in ((count, len(classes)), *(((count, 1),) if len(classes) == 2 else ())):
        raise EvaluationError(
            "evaluation:shape_mismatch", f"logits have shape {predictions.logits.shape}, expected ({count}, {len(classes)})"
        )
    if not np.isfinite(predictions.logits).all():
        bad = int((~np.isfinite(predictions.logits)).any(axis=1).sum())
        raise EvaluationError("evaluation:not_finite", f"the logits of {bad} of {count} cases are not finite")
    maps = predictions.heatmaps
    if maps is not None:
        if maps.ndim != 4 or maps.shape[:2] != (count, len(targets)):
            raise EvaluationError(
                "evaluation:shape_mismatch",
                f"heatmaps have shape {maps.shape}, expected ({count}, {len(targets)}, rows, columns)",
            )
        if min(cases.input_hw) < 1:
            raise EvaluationError("evaluation:shape_mismatch", "input_hw is needed to place heatmaps")
        if not np.isfinite(maps).all():
            raise EvaluationError("evaluation:not_finite", "heatmaps hold values that are not finite")


def _length_check(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise EvaluationError("evaluation:shape_mismatch", f"{name}: {found} entries for {expected} cases")
