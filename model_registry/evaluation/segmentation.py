"""Predicted masks against drawn ones: overlap a pixel, and findings a lesion. Pure functions of arrays.

A lesion is a connected region (8 neighbours) of the true mask, a finding one of the predicted mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MASK_THRESHOLD = 0.5
# A lesion counts as found from this overlap of the regions that touch it; the customary floor for mammography.
LESION_IOU_MINIMUM = 0.1


@dataclass(frozen=True, slots=True)
class MaskFigures:
    """One image. `dice` and `iou` are NaN where neither mask has a pixel; `false_findings` touch no lesion."""

    dice: float
    iou: float
    lesions: int
    lesions_found: int
    false_findings: int


def mask_compare(*, predicted: np.ndarray, truth: np.ndarray) -> MaskFigures:
    """Both bool (rows, columns) of the same size."""
    both, either = int((predicted & truth).sum()), int((predicted | truth).sum())
    lesion_count, lesions = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
    finding_count, findings = cv2.connectedComponents(predicted.astype(np.uint8), connectivity=8)
    found = 0
    for lesion in range(1, lesion_count):
        region = lesions == lesion
        touching = np.unique(findings[region])
        touching = touching[touching > 0]
        if len(touching):
            answer = np.isin(findings, touching)
            found += (answer & region).sum() / (answer | region).sum() >= LESION_IOU_MINIMUM
    right = np.unique(findings[truth & predicted])
    return MaskFigures(
        dice=2 * both / (both + either) if either else float("nan"),
        iou=both / either if either else float("nan"),
        lesions=lesion_count - 1,
        lesions_found=int(found),
        false_findings=finding_count - 1 - len(right),
    )


def masks_compare(
    *, probabilities: np.ndarray, truths: tuple[np.ndarray | None, ...], input_hw: tuple[int, int]
) -> list[MaskFigures]:
    """`probabilities` (n, rows, columns) on any grid, raised to the input linearly and cut at 0.5; None is an empty mask."""
    rows, columns = input_hw
    found = []
    for probability, truth in zip(probabilities, truths, strict=True):
        raised = cv2.resize(probability.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
        empty = np.zeros(input_hw, dtype=bool)
        found.append(mask_compare(predicted=raised >= MASK_THRESHOLD, truth=empty if truth is None else truth))
    return found
