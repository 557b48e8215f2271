"""Figures against hand-made data and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model_registry.evaluation.figures import (
    auc,
    calibrated,
    estimate,
    expected_calibration_error,
    macro_auc,
    operating_point_at_specificity,
    temperature_fit,
)
from model_registry.evaluation.pointing import map_peak, map_points_inside


def test_the_area_equals_scikit_learns_with_ties() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 12, 300) / 12
    positive = random.random(300) < 0.2 + 0.5 * scores
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert np.isnan(auc(scores, np.zeros(300, dtype=bool)))


def test_the_macro_area_is_the_mean_over_classes() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.eye(3)[labels]
    assert macro_auc(probabilities, labels) == 1.0
    assert macro_auc(np.full((6, 3), 1 / 3), labels) == 0.5


def test_the_interval_draws_whole_patients() -> None:
    values = np.repeat([0.0, 1.0], 50)
    one_film_each = estimate(lambda rows: float(values[rows].mean()), groups=np.arange(100))
    fifty_films_each = estimate(lambda rows: float(values[rows].mean()), groups=np.repeat([0, 1], 50))
    assert one_film_each.value == fifty_films_each.value == 0.5
    assert (one_film_each.low, one_film_each.high) == (pytest.approx(0.4, abs=0.02), pytest.approx(0.6, abs=0.02))
    assert (fifty_films_each.low, fifty_films_each.high) == (0.0, 1.0)  # only two patients: nothing is known


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random(40)
    first, second = (estimate(lambda rows: float(values[rows].mean()), groups=np.arange(40), seed=4) for _ in range(2))
    assert first == second


def test_the_temperature_that_was_applied_is_found_again() -> None:
    random = np.random.default_rng(2)
    truthful = random.normal(0, 2, (20_000, 3))
    labels = np.array([random.choice(3, p=row) for row in calibrated(truthful, 1.0)])
    assert temperature_fit(truthful * 3.0, labels) == pytest.approx(3.0, rel=0.05)


def test_calibration_error_is_the_gap_between_said_and_seen() -> None:
    positive = np.arange(1000) % 10 < 3
    assert expected_calibration_error(np.full(1000, 0.3), positive) == pytest.approx(0.0, abs=1e-9)
    assert expected_calibration_error(np.full(1000, 0.8), positive) == pytest.approx(0.5)


def test_the_operating_point_keeps_its_specificity() -> None:
    scores = np.concatenate([np.linspace(0.0, 0.99, 100), [0.95, 0.97, 0.2]])
    positive = np.arange(103) >= 100
    point = operating_point_at_specificity(scores, positive, specificity=0.9)
    assert point.threshold == pytest.approx(0.89)
    assert (point.specificity, point.sensitivity) == (pytest.approx(0.9), pytest.approx(2 / 3))


def test_a_map_points_at_the_centre_of_its_highest_cell() -> None:
    heatmap = np.zeros((6, 4))
    heatmap[2, 3] = 1
    assert map_peak(heatmap) == (27.5, 19.5)
    assert map_points_inside(heatmap, np.array([[30.0, 20.0, 3.0, 1.0]]))
    assert map_points_inside(heatmap, np.array([[200.0, 200.0, 3.0, 1.0], [40.0, 19.5, 13.0, 2.0]]))
    assert not map_points_inside(heatmap, np.array([[40.0, 19.5, 12.0, 2.0]]))


def test_an_empty_map_points_nowhere() -> None:
    assert not map_points_inside(np.zeros((6, 4)), np.array([[3.5, 3.5, 50.0, 1.0]]))
