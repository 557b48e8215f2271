"""Confusion matrices and their figures against scikit-learn, weighted and not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from model_registry.evaluation.classification import (
    Confusions,
    accuracy,
    balanced_accuracy,
    f1,
    kappa,
    macro,
    precision,
    recall,
    weighted,
)


@pytest.fixture(scope="module")
def named() -> Confusions:
    random = np.random.default_rng(0)
    labels = random.choice(3, 200, p=[0.6, 0.3, 0.1])
    return Confusions(labels, np.where(random.random(200) < 0.6, labels, random.choice(3, 200)), 3)


def test_every_figure_equals_scikit_learns(named: Confusions) -> None:
    random = np.random.default_rng(1)
    for weights in (np.ones(200), random.integers(0, 4, 200).astype(float)):
        given = {"y_true": named.labels, "y_pred": named.named, "sample_weight": weights}
        matrix = named.matrix(weights[np.newaxis])
        np.testing.assert_allclose(matrix[0], metrics.confusion_matrix(named.labels, named.named, sample_weight=weights))
        theirs = metrics.precision_recall_fscore_support(**given)
        for found, wanted in zip((precision, recall, f1), theirs, strict=False):
            np.testing.assert_allclose(found(matrix)[0], wanted)
        assert accuracy(matrix)[0] == pytest.approx(metrics.accuracy_score(**given))
        assert balanced_accuracy(matrix)[0] == pytest.approx(metrics.balanced_accuracy_score(**given))
        assert macro(f1)(matrix)[0] == pytest.approx(metrics.f1_score(**given, average="macro"))
        assert weighted(f1)(matrix)[0] == pytest.approx(metrics.f1_score(**given, average="weighted"))
        assert kappa(matrix)[0] == pytest.approx(metrics.cohen_kappa_score(named.labels, named.named, sample_weight=weights))


def test_by_hand() -> None:
    """Three normal of which one is called malignant; two malignant of which one is called normal; benign never occurs."""
    found = Confusions(np.array([0, 0, 0, 2, 2]), np.array([0, 0, 2, 2, 0]), 3)
    matrix = found.matrix(np.ones((1, 5)))
    assert matrix[0].tolist() == [[2, 0, 1], [0, 0, 0], [1, 0, 1]]
    assert accuracy(matrix)[0] == 3 / 5
    assert recall(matrix)[0][[0, 2]].tolist() == [2 / 3, 1 / 2]
    assert precision(matrix)[0][[0, 2]].tolist() == [2 / 3, 1 / 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is not defined is NaN, without noise
        assert all(np.isnan(figure(matrix)[0][1]) for figure in (recall, precision, f1))
    assert macro(f1)(matrix)[0] == pytest.approx((2 / 3 + 1 / 2) / 2)  # over the classes that occur


def test_a_class_that_is_never_named_has_precision_zero_and_chance_agreement_no_kappa() -> None:
    matrix = Confusions(np.array([0, 1]), np.array([0, 0]), 2).matrix(np.ones((1, 2)))
    assert precision(matrix)[0].tolist() == [0.5, 0.0]
    assert kappa(matrix)[0] == 0.0
    alone = Confusions(np.array([0, 0]), np.array([0, 0]), 2).matrix(np.ones((1, 2)))
    assert np.isnan(kappa(alone)[0])
