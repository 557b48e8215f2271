"""Curves and areas against scikit-learn, fixed shares against trying every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from model_registry.evaluation.discrimination import (
    auc,
    auc_delong,
    auc_of,
    average_precision_of,
    operating_point_at,
    operating_point_at_specificity,
    precision_recall_points,
    roc_points,
    sensitivities_of,
    sensitivity_of,
    specificity_of,
)

ALL = np.ones((1, 300))


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    """300 scores with many ties."""
    random = np.random.default_rng(0)
    scores = random.integers(0, 40, 300) / 40
    return scores, random.random(300) < 0.1 + 0.6 * scores


def test_areas_equal_scikit_learns_with_ties_and_weights(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = scored
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    weights = np.random.default_rng(1).integers(0, 4, (5, 300)).astype(float)
    areas, precisions = auc_of(scores, positive)(weights), average_precision_of(scores, positive)(weights)
    for row, area, precision in zip(weights, areas, precisions, strict=True):
        assert area == pytest.approx(roc_auc_score(positive, scores, sample_weight=row), abs=1e-12)
        assert precision == pytest.approx(average_precision_score(positive, scores, sample_weight=row), abs=1e-12)


def test_a_subset_is_judged_alone(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = scored
    rows = np.arange(300) % 3 == 0
    assert auc_of(scores, positive, rows)(ALL)[0] == pytest.approx(roc_auc_score(positive[rows], scores[rows]))


def test_without_both_classes_nothing_is_claimed(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, _ = scored
    for one in (np.zeros(300, dtype=bool), np.ones(300, dtype=bool)):
        assert np.isnan(auc(scores, one))
        assert np.isnan(sensitivity_of(scores, one, specificity=0.9)(ALL)[0])
        assert np.isnan(specificity_of(scores, one, sensitivity=0.9)(ALL)[0])
    assert np.isnan(average_precision_of(scores, np.zeros(300, dtype=bool))(ALL)[0])


def test_curves_pass_through_scikit_learns_points(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = scored
    false_rate, true_rate, thresholds = roc_points(scores, positive)
    expected = roc_curve(positive, scores, drop_intermediate=False)
    for found, wanted in zip((false_rate, true_rate, thresholds), expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    recall, precision = precision_recall_points(scores, positive)
    precisions, recalls, _ = precision_recall_curve(positive, scores)
    np.testing.assert_allclose(recall[::-1], recalls[:-1])
    np.testing.assert_allclose(precision[::-1], precisions[:-1])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.889, 0.9, 0.95, 1.0])
def test_fixed_shares_are_the_best_of_all_thresholds(scored: tuple[np.ndarray, np.ndarray], share: float) -> None:
    scores, positive = scored
    pairs = [
        ((scores > t)[positive].mean(), (scores <= t)[~positive].mean()) for t in (-1.0, *np.unique(scores))
    ]  # fmt: skip
    assert sensitivity_of(scores, positive, specificity=share)(ALL)[0] == pytest.approx(
        max(sensitivity for sensitivity, specificity in pairs if specificity >= share)
    )
    assert specificity_of(scores, positive, sensitivity=share)(ALL)[0] == pytest.approx(
        max(specificity for sensitivity, specificity in pairs if sensitivity >= share)
    )


def test_fixed_shares_of_a_draw_are_those_of_its_repeated_rows(scored: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = scored
    weights = np.random.default_rng(2).integers(0, 3, (4, 300)).astype(float)
    found = sensitivities_of(scores, positive, specificities=[0.5, 0.9])(weights)
    for row, values in zip(weights, found, strict=True):
        taken = np.repeat(np.arange(300), row.astype(int))
        again = sensitivities_of(scores[taken], positive[taken], specificities=[0.5, 0.9])(np.ones((1, len(taken))))
        np.testing.assert_allclose(values, again[0])


def test_the_operating_point_keeps_its_specificity() -> None:
    scores = np.concatenate([np.linspace(0.0, 0.99, 100), [0.95, 0.97, 0.2]])
    positive = np.arange(103) >= 100
    point = operating_point_at_specificity(scores, positive, specificity=0.9)
    assert point.threshold == pytest.approx(0.89)
    assert (point.specificity, point.sensitivity) == (pytest.approx(0.9), pytest.approx(2 / 3))
    assert operating_point_at(scores, positive, threshold=0.96).sensitivity == pytest.approx(1 / 3)
    assert operating_point_at_specificity(scores[100:], positive[100:], specificity=0.9).threshold == 0.5


def test_delongs_interval_is_the_bootstraps_where_images_are_independent(scored: tuple[np.ndarray, np.ndarray]) -> None:
    from model_registry.evaluation.bootstrap import Resampling

    scores, positive = scored
    analytic = auc_delong(scores, positive)
    drawn = Resampling(groups=np.arange(300), draws=4000).estimate(auc_of(scores, positive))
    assert analytic.value == pytest.approx(drawn.value)
    assert (analytic.low, analytic.high) == (pytest.approx(drawn.low, abs=0.01), pytest.approx(drawn.high, abs=0.01))
    assert not auc_delong(scores[:5], np.array([True, False, False, False, False])).is_defined
