"""The whole evaluation: which figures it states, what it leaves out, warns of and refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from model_registry.evaluation.bootstrap import Estimate
from model_registry.evaluation.cases import Predictions
from model_registry.evaluation.compare import compare
from model_registry.evaluation.errors import EvaluationError
from model_registry.evaluation.report import contrast_words
from tests.model_registry_tests.evaluation_tests.cases import CLASSES, SUSPICIOUS, judged, truth


def test_every_figure_of_a_collection_with_everything() -> None:
    cases, predictions = truth()
    found = judged(cases, predictions)
    figures = {metric.name: metric for metric in found.metrics}
    suspicion = softmax(predictions.logits, axis=1)[:, 1:].sum(axis=1)
    assert figures["AUC abnormal against normal"].value == pytest.approx(roc_auc_score(cases.labels > 0, suspicion), abs=1e-4)
    named = predictions.logits.argmax(axis=1)
    assert figures["Accuracy"].value == pytest.approx((named == cases.labels).mean(), abs=1e-4)
    abnormal = cases.labels > 0
    odd = np.arange(len(cases)) % 2 == 1
    assert figures["Pointing game, suspicion Grad-CAM"].value == pytest.approx(odd[abnormal].mean(), abs=1e-4)
    expected = {
        "AUC malignant against the rest", "AUC of 3 classes, macro average", "Average precision, abnormal against normal",
        "AUC malignant against benign, among abnormal", "Sensitivity at 90 % specificity",
        "Sensitivity at 88.9 % specificity, the radiologists' mean", "Specificity at 86.9 % sensitivity, the radiologists' mean",
        "Sensitivity at the operating point", "Balanced accuracy", "F1, macro average", "Cohen's kappa",
        "Expected calibration error of suspicion", "Brier score of suspicion", "Pointing game, malignant Grad-CAM",
    }  # fmt: skip
    assert expected <= set(figures)
    for metric in found.metrics:
        assert metric.low is not None
        assert metric.high is not None
        assert metric.method == "drawn"
    assert [table.name for table in found.tables] == ["classes", "confusion", "calibration", "subgroups", "pointing"]
    assert (found.images, found.patients) == (120, 60)
    assert found.operating_point.specificity >= 0.9


def test_subgroups_are_judged_each_for_itself() -> None:
    cases, predictions = truth(300)
    table = judged(cases, predictions).table("subgroups")
    assert table is not None
    suspicion = softmax(predictions.logits, axis=1)[:, 1:].sum(axis=1)
    rows = {row[1]: row for row in table.rows}
    assert set(rows) == {"fatty", "dense", "not stated"}
    for value, name in (("fatty", "fatty"), ("", "not stated")):
        mine = cases.subgroups["density"] == value
        area = rows[name][4]
        assert isinstance(area, Estimate)
        assert area.value == pytest.approx(roc_auc_score(cases.labels[mine] > 0, suspicion[mine]))
        assert rows[name][2] == ((cases.labels > 0) & mine).sum()


def test_a_kind_of_lesion_is_held_against_all_negatives_and_few_or_many_values_make_no_group() -> None:
    cases, predictions = truth(300)
    abnormal = cases.labels > 0
    random = np.random.default_rng(1)
    kinds = np.where(abnormal, random.choice(["mass", "calcification"], 300), "none")
    cases = replace(cases, subgroups={"finding": kinds, "site": np.full(300, "one"), "image": np.arange(300).astype(str)})
    table = judged(cases, predictions).table("subgroups")
    assert table is not None
    assert [row[:2] for row in table.rows] == [("finding", "calcification *"), ("finding", "mass *")]
    assert all(row[3] == 0 for row in table.rows)  # none of its own
    suspicion = softmax(predictions.logits, axis=1)[:, 1:].sum(axis=1)
    rows = ~abnormal | (kinds == "mass")
    area = table.rows[1][4]
    assert isinstance(area, Estimate)
    assert area.value == pytest.approx(roc_auc_score(abnormal[rows], suspicion[rows]))
    assert "held against all negatives" in table.note


def test_a_finished_packages_own_calibration_and_threshold_are_judged_as_they_stand() -> None:
    cases, predictions = truth()
    found = judged(cases, predictions, temperature=2.0, threshold=0.7)
    suspicion = softmax(predictions.logits / 2, axis=1)[:, 1:].sum(axis=1)
    abnormal = cases.labels > 0
    assert (found.temperature, found.operating_point.threshold) == (2.0, 0.7)
    assert found.operating_point.sensitivity == pytest.approx((suspicion > 0.7)[abnormal].mean())
    brier = found.metric("Brier score of suspicion")
    assert brier is not None
    assert brier.value == pytest.approx(((suspicion - abnormal) ** 2).mean(), abs=1e-4)
    calibration = found.table("calibration")
    assert calibration is not None
    assert "nothing was fitted" in calibration.note


def test_a_fitted_temperature_is_judged_on_other_patients() -> None:
    cases, predictions = truth(400, lean=2.0)
    calibration = judged(cases, Predictions(predictions.logits * 6)).table("calibration")
    assert calibration is not None
    assert "other patients" in calibration.note
    before, after = calibration.rows[-1][1:]
    assert isinstance(before, Estimate)
    assert isinstance(after, Estimate)
    assert calibration.rows[-1][0] == "Negative log-likelihood, all classes"
    assert after.value < 0.7 * before.value


def test_figures_that_are_not_defined_are_left_out() -> None:
    cases, predictions = truth(60)
    rows = np.flatnonzero(cases.labels > 0)[:9]
    few = replace(
        cases,
        labels=cases.labels[rows],
        groups=cases.groups[rows],
        lesions=tuple(np.zeros((0, 4)) for _ in rows),
        is_located=np.zeros(len(rows), dtype=bool),
        subgroups={},
    )
    found = judged(few, Predictions(predictions.logits[rows]))
    names = {metric.name for metric in found.metrics}
    assert "AUC abnormal against normal" not in names  # there is no normal image
    assert "Accuracy" in names
    assert not any("Pointing" in name for name in names)
    assert [warning.partition(" images")[0] for warning in found.warnings] == ["Only 9 positive", "Only 0 negative"]
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["tables"]["classes"]["rows"][0][1] == 0


def test_perfection_on_few_images_is_called_a_leak() -> None:
    cases, _ = truth(200)
    found = judged(cases, Predictions(np.eye(3)[cases.labels] * 9))
    assert any("leak" in warning for warning in found.warnings)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_two_classes_and_one_logit_need_no_second_curve(activation: str) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    logits = (random.normal(0, 1, 80) + labels)[:, np.newaxis]
    cases, _ = truth(80)
    cases = replace(cases, labels=labels, lesions=tuple(np.zeros((0, 4)) for _ in labels))
    given = np.hstack([np.zeros_like(logits), logits]) if activation == "softmax" else logits
    found = judged(
        cases,
        Predictions(given),
        classes=("benign", "malignant"),
        suspicion_classes=("malignant",),
        activation=activation,
        targets=(),
    )
    area = found.metric("AUC malignant against benign")
    assert area is not None
    assert area.value == pytest.approx(roc_auc_score(labels, logits[:, 0]), abs=1e-4)
    assert len(found.curves.roc) == 1


def test_contrasts_in_words() -> None:
    assert contrast_words(CLASSES, SUSPICIOUS) == "abnormal against normal"
    assert contrast_words(CLASSES, ("malignant",)) == "malignant against the rest"
    assert contrast_words(("benign", "malignant"), ("malignant",)) == "malignant against benign"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"labels": np.full(120, 3)}, "evaluation:unknown_label"),
        ({"labels": np.zeros(0, dtype=int)}, "evaluation:no_cases"),
        ({"groups": np.arange(7)}, "evaluation:shape_mismatch"),
        ({"masks": (None,) * 119 + (np.zeros((3, 3), dtype=bool),)}, "evaluation:shape_mismatch"),
        ({"input_hw": (0, 0)}, "evaluation:shape_mismatch"),
    ],
)
def test_cases_that_do_not_fit_are_refused(change: dict, code: str) -> None:
    cases, predictions = truth()
    with pytest.raises(EvaluationError) as refused:
        judged(replace(cases, **change), predictions)
    assert refused.value.code == code


def test_answers_that_are_not_finite_or_of_another_shape_are_refused() -> None:
    cases, predictions = truth()
    broken = predictions.logits.copy()
    broken[5, 1] = np.nan
    for logits, code in ((broken, "evaluation:not_finite"), (predictions.logits[:, :2], "evaluation:shape_mismatch")):
        with pytest.raises(EvaluationError) as refused:
            judged(cases, Predictions(logits))
        assert refused.value.code == code
    assert predictions.heatmaps is not None
    with pytest.raises(EvaluationError) as refused:
        judged(cases, Predictions(predictions.logits, predictions.heatmaps[:, :2]))
    assert refused.value.code == "evaluation:shape_mismatch"


def test_two_models_are_compared_draw_by_draw() -> None:
    cases, predictions = truth(240)
    random = np.random.default_rng(3)
    worse = Predictions(predictions.logits + random.normal(0, 3, predictions.logits.shape))
    given = {"cases": cases, "classes": CLASSES, "suspicion_classes": SUSPICIOUS, "draws": 400}
    found = {row.name: row for row in compare(first=predictions, second=worse, **given)}  # type: ignore[arg-type]
    area = found["AUC of suspicion"]
    assert area.is_distinct
    assert area.difference.value == pytest.approx(area.first - area.second)
    same = compare(first=predictions, second=Predictions(predictions.logits + 1e-9), **given)  # type: ignore[arg-type]
    assert all((row.difference.low, row.difference.high) == (0.0, 0.0) for row in same)
    assert not any(row.is_distinct for row in same)
