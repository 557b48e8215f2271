"""Calibration, labels and the two ways from views to a study, on numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference_worker.aggregation import breasts_aggregate, study_aggregate
from inference_worker.contract.results import Assessment, ImageResult
from inference_worker.scoring import calibrated_probabilities, most_probable
from model_registry.packaging.manifest import Aggregation, Manifest


def test_a_temperature_of_one_is_the_plain_softmax() -> None:
    found = calibrated_probabilities(logits=np.array([0.0, np.log(3.0)], np.float32), temperature=1.0, activation="softmax")
    assert found == pytest.approx([0.25, 0.75])


def test_a_sigmoid_is_taken_class_by_class_and_never_overflows() -> None:
    logits = np.array([-2000.0, 0.0, 2.0 * np.log(3.0), 2000.0], np.float32)
    found = calibrated_probabilities(logits=logits, temperature=2.0, activation="sigmoid")
    assert found == pytest.approx([0.0, 0.5, 0.75, 1.0])


def test_the_first_of_equal_classes_is_the_label() -> None:
    assert most_probable({"normal": 0.4, "benign": 0.2, "malignant": 0.4}) == "normal"


def view(laterality: str | None, normal: float | None, image_id: str = "i") -> ImageResult:
    if normal is None:
        return ImageResult(image_id, Assessment.NOT_ASSESSABLE, (), "p", 1, 1, laterality)
    probabilities = {"normal": normal, "malignant": 1 - normal}
    label = "normal" if normal >= 0.5 else "malignant"
    return ImageResult(
        image_id, Assessment.ASSESSED, (), "p", 1, 1, laterality, "CC", label, probabilities, probabilities, None, 1 - normal
    )


def manifest(image_to_breast: str, breast_to_study: str) -> Manifest:
    aggregation = Aggregation.model_validate({"image_to_breast": image_to_breast, "breast_to_study": breast_to_study})
    incomplete: dict[str, Any] = {"aggregation": aggregation}  # the rules are all that is read
    return Manifest.model_construct(**incomplete)


def test_mean_then_most_suspicious() -> None:
    rules = manifest("mean", "max_suspicion")
    breasts = breasts_aggregate(images=[view("R", 0.9), view("L", 0.8), view("L", 0.1), view("R", 0.7)], manifest=rules)
    assert [(breast.image_laterality, breast.label) for breast in breasts] == [("L", "malignant"), ("R", "normal")]
    assert breasts[0].probabilities == pytest.approx({"normal": 0.45, "malignant": 0.55})
    study = study_aggregate(breasts=breasts, manifest=rules)
    assert (study.image_laterality, study.label, study.suspicion) == (None, "malignant", pytest.approx(0.55))
    assert study.calibrated_probabilities is None


def test_most_suspicious_then_mean() -> None:
    rules = manifest("max_suspicion", "mean")
    breasts = breasts_aggregate(images=[view("R", 0.9), view("L", 0.8), view("L", 0.1)], manifest=rules)
    assert [breast.suspicion for breast in breasts] == pytest.approx([0.9, 0.1])
    study = study_aggregate(breasts=breasts, manifest=rules)
    assert study.probabilities == pytest.approx({"normal": 0.5, "malignant": 0.5})


def test_a_view_of_unknown_side_joins_neither_breast() -> None:
    breasts = breasts_aggregate(images=[view(None, 0.1), view("L", 0.9)], manifest=manifest("mean", "mean"))
    assert [(breast.image_laterality, breast.suspicion) for breast in breasts] == [("L", pytest.approx(0.1)), (None, 0.9)]


def test_what_is_not_assessable_takes_no_part() -> None:
    rules = manifest("mean", "mean")
    breasts = breasts_aggregate(images=[view("L", None), view("L", 0.2), view("R", None)], manifest=rules)
    assert [breast.assessment for breast in breasts] == [Assessment.ASSESSED, Assessment.NOT_ASSESSABLE]
    assert study_aggregate(breasts=breasts, manifest=rules).suspicion == pytest.approx(0.8)
    assert study_aggregate(breasts=breasts[1:], manifest=rules).assessment is Assessment.NOT_ASSESSABLE
