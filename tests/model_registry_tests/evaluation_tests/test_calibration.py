"""Temperatures that were applied are found again; errors of calibration against counting and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from model_registry.evaluation.calibration import (
    Binning,
    calibration_error_of,
    log_likelihoods,
    probabilities_of,
    reliability,
    temperature_cross_fit,
    temperature_fit,
    wilson,
)

ALL = np.ones((1, 1000))


def drawn(count: int, *, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that are truthful at temperature 1."""
    random = np.random.default_rng(seed)
    truthful = random.normal(0, 2, (count, classes))
    steps = softmax(truthful, axis=1).cumsum(axis=1)
    return truthful, (random.random((count, 1)) > steps).sum(axis=1).clip(0, classes - 1)


def test_the_temperature_that_was_applied_is_found_again() -> None:
    truthful, labels = drawn(20_000, seed=2)
    assert temperature_fit(truthful * 3.0, labels) == pytest.approx(3.0, rel=0.05)
    assert temperature_fit(truthful / 4.0, labels) == pytest.approx(0.25, rel=0.05)
    signs = np.random.default_rng(3).normal(0, 2, (20_000, 1))
    positive = np.random.default_rng(4).random(20_000) < expit(signs[:, 0])
    assert temperature_fit(signs * 2.0, positive.astype(int), activation="sigmoid") == pytest.approx(2.0, rel=0.05)


def test_likelihoods_and_probabilities_are_those_of_the_activation() -> None:
    logits, labels = drawn(200, seed=1)
    found = probabilities_of(logits, activation="softmax", temperature=2.0)
    np.testing.assert_allclose(found, softmax(logits / 2, axis=1))
    likelihoods = log_likelihoods(logits, labels, activation="softmax", temperature=2.0)
    assert -likelihoods.mean() == pytest.approx(log_loss(labels, found))
    lone = probabilities_of(logits[:, :1], activation="sigmoid")
    np.testing.assert_allclose(lone, np.stack([1 - expit(logits[:, 0]), expit(logits[:, 0])], axis=1))
    binary = log_likelihoods(logits[:, :1], labels % 2, activation="sigmoid")
    assert -binary.mean() == pytest.approx(log_loss(labels % 2, lone))
    each = probabilities_of(logits, activation="sigmoid", temperature=np.full(200, 2.0))
    np.testing.assert_allclose(each, expit(logits / 2))
    several = log_likelihoods(logits, labels, activation="sigmoid")
    targets = np.eye(3)[labels]
    np.testing.assert_allclose(several, (targets * np.log(expit(logits)) + (1 - targets) * np.log(expit(-logits))).mean(axis=1))


def test_a_case_is_judged_by_a_temperature_of_other_patients() -> None:
    truthful, labels = drawn(400, seed=5)
    groups = np.arange(400) // 2
    found = temperature_cross_fit(truthful * 2, labels, groups)
    assert found is not None
    assert len(np.unique(found)) == 5
    assert (found[::2] == found[1::2]).all()  # both images of a patient
    assert found.mean() == pytest.approx(2.0, rel=0.2)
    one = found == found[0]
    assert found[0] == pytest.approx(temperature_fit(truthful[~one] * 2, labels[~one]))
    assert temperature_cross_fit(truthful[:3], labels[:3], np.arange(3)) is None


def test_the_error_is_the_gap_between_said_and_seen() -> None:
    positive = np.arange(1000) % 10 < 3
    binnings: tuple[Binning, Binning] = ("equal_count", "equal_width")
    for binning in binnings:
        assert calibration_error_of(np.full(1000, 0.3), positive, binning=binning)(ALL)[0] == pytest.approx(0.0, abs=1e-9)
        assert calibration_error_of(np.full(1000, 0.8), positive, binning=binning)(ALL)[0] == pytest.approx(0.5)
    # two bins by width: 0.2 said and 0.5 seen (600), 0.9 said and 0.75 seen (400)
    scores = np.repeat([0.2, 0.9], [600, 400])
    seen = np.r_[np.arange(600) % 2 == 0, np.arange(400) % 4 != 0]
    error = calibration_error_of(scores, seen, binning="equal_width", bins=2)(ALL)[0]
    assert error == pytest.approx(0.6 * 0.3 + 0.4 * 0.15)
    assert calibration_error_of(scores, seen, binning="equal_width", bins=2, worst=True)(ALL)[0] == pytest.approx(0.3)
    weights = np.repeat([1.0, 3.0], [600, 400])[np.newaxis]
    assert calibration_error_of(scores, seen, binning="equal_width", bins=2)(weights)[0] == pytest.approx(
        (600 * 0.3 + 1200 * 0.15) / 1800
    )


@pytest.mark.parametrize(("binning", "theirs"), [("equal_count", "quantile"), ("equal_width", "uniform")])
def test_the_reliability_diagram_has_scikit_learns_points(binning: Binning, theirs: str) -> None:
    random = np.random.default_rng(6)
    scores = random.permutation(1000) / 1000 + 0.0005  # no ties: where equal scores fall is nobody's rule
    positive = random.random(1000) < scores**2
    found = reliability(scores, positive, binning=binning)
    observed, predicted = calibration_curve(positive, scores, n_bins=10, strategy=theirs)
    np.testing.assert_allclose([bin.observed for bin in found], observed)
    np.testing.assert_allclose([bin.predicted for bin in found], predicted)
    assert sum(bin.count for bin in found) == 1000
    assert all(bin.low - 1e-9 <= bin.observed <= bin.high + 1e-9 for bin in found)
    gaps = sum(bin.count * abs(bin.observed - bin.predicted) for bin in found) / 1000
    assert calibration_error_of(scores, positive, binning=binning)(ALL)[0] == pytest.approx(gaps)


def test_wilsons_interval_by_hand() -> None:
    """Wilson 1927 for 15 of 148, as printed by Newcombe (1998), Stat Med 17:857, table I: 0.0624 to 0.1605."""
    assert wilson(15, 148) == (pytest.approx(0.0624, abs=5e-5), pytest.approx(0.1605, abs=5e-5))
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson(0, 0) == (0.0, 1.0)
