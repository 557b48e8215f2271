"""Intervals draw whole patients, and a weighted statistic equals the plain one of repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from model_registry.evaluation.bootstrap import Resampling, divide, interval, mean_of


def test_the_interval_draws_whole_patients() -> None:
    values = np.repeat([0.0, 1.0], 50)
    one_film_each = Resampling(groups=np.arange(100)).estimate(mean_of(values))
    fifty_films_each = Resampling(groups=np.repeat([0, 1], 50)).estimate(mean_of(values))
    assert one_film_each.value == fifty_films_each.value == 0.5
    low, high = binom.ppf([0.025, 0.975], 100, 0.5) / 100
    assert (one_film_each.low, one_film_each.high) == (pytest.approx(low, abs=0.015), pytest.approx(high, abs=0.015))
    assert (fifty_films_each.low, fifty_films_each.high) == (0.0, 1.0)  # only two patients: nothing is known


def test_it_equals_scipys_percentile_bootstrap_where_every_image_is_a_patient() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=80)
    ours = Resampling(groups=np.arange(80), seed=3, draws=8000).estimate(mean_of(values))
    theirs = bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=5).confidence_interval
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=0.02), pytest.approx(theirs.high, abs=0.02))


def test_a_draw_says_how_often_each_row_was_taken() -> None:
    groups = np.array(["b", "a", "b", "c"])
    weights = np.concatenate(list(Resampling(groups=groups, draws=300).weights()))
    assert weights.shape == (300, 4)
    assert np.array_equal(weights[:, 0], weights[:, 2])  # rows of one patient go together
    assert np.array_equal(weights[:, [0, 1, 3]].sum(axis=1), np.full(300, 3))
    values = np.array([1.0, 5.0, 2.0, 9.0])
    repeated = [np.repeat(values, row.astype(int)).mean() for row in weights]
    np.testing.assert_allclose(mean_of(values)(weights), repeated)


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    values = np.random.default_rng(1).random(40)
    first, again, other = (Resampling(groups=np.arange(40), seed=seed).estimate(mean_of(values)) for seed in (4, 4, 5))
    assert first == again != other


def test_a_figure_that_is_rarely_defined_has_no_interval() -> None:
    never = Resampling(groups=np.arange(4)).estimate(mean_of(np.zeros(4), np.zeros(4, dtype=bool)))
    assert not never.is_defined
    low, high = interval(np.array([[1.0, np.nan], [3.0, np.nan], [2.0, 5.0]]))
    assert low[0] == pytest.approx(1.05)
    assert high[0] == pytest.approx(2.95)
    assert np.isnan([low[1], high[1]]).all()


def test_division_by_nothing_is_not_a_number() -> None:
    found = divide(np.array([1.0, 0.0, 4.0]), np.array([2.0, 0.0, 0.0]))
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()
