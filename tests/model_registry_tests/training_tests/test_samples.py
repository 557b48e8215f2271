"""Cell targets and augmentation, on drawn samples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_registry.training.recipe import Augmentation, Recipe
from model_registry.training.samples import Sample, batch_make, cell_targets, sample_augment
from tests.model_registry_tests.training_tests.drawn import drawn_sample

RECIPE = Recipe()


def targets_of(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    return cell_targets(sample, mask=sample.tensor[..., 1], lesions=sample.lesions, recipe=RECIPE)


def test_cells_are_positive_near_the_centre_ignored_around_it_and_negative_elsewhere() -> None:
    sample = drawn_sample(label=2, lesion=(35.5, 67.5, 16.0))
    labels, weights = targets_of(sample)
    assert (labels.shape, weights.shape) == ((16, 12), (16, 12))
    assert (labels[8, 4], weights[8, 4]) == (2, 30.0)  # the cell at the centre
    assert (labels[8, 5], weights[8, 5]) == (2, 30.0)  # 8 of .85 · 16 = 13.6 pixels away
    assert (labels[8, 6], weights[8, 6]) == (0, 0.0)  # 16 away: beyond 13.6, within 1.4 · 16 + 8 = 30.4
    assert (labels[8, 8], weights[8, 8]) == (0, 1.0)  # 32 away
    assert set(np.unique(labels)) == {0, 2}


def test_a_tiny_lesion_still_marks_its_cell() -> None:
    labels, weights = targets_of(drawn_sample(label=1, lesion=(36.0, 68.0, 1.5)))
    assert (labels == 1).sum() == 1
    assert weights[8, 4] == 30.0


def test_nothing_counts_off_the_breast() -> None:
    _, weights = targets_of(drawn_sample(label=0, breast_columns=48))
    assert (weights[:, :6] == 1).all()
    assert (weights[:, 6:] == 0).all()


def test_nothing_counts_where_the_lesion_is_not_located() -> None:
    sample = dataclasses.replace(drawn_sample(label=1), is_located=False)
    assert targets_of(sample)[1].sum() == 0


def test_of_two_lesions_each_marks_its_own_class_and_neither_erases_the_other() -> None:
    sample = drawn_sample(label=2, lesion=(35.5, 67.5, 8.0))
    both = dataclasses.replace(sample, lesions=np.array([[35.5, 67.5, 8.0, 1.0], [51.5, 67.5, 8.0, 2.0]]))
    labels, weights = targets_of(both)
    assert (labels[8, 4], labels[8, 6]) == (1, 2)
    assert (weights[8, 4], weights[8, 6]) == (30.0, 30.0)


def test_a_lesion_stays_on_its_bright_spot_through_augmentation() -> None:
    sample = drawn_sample(label=2, lesion=(40.0, 60.0, 8.0))
    random = np.random.default_rng(0)
    quiet = Augmentation(noise_sigma=0, offset=0, gain=0, log_gamma=0)
    for _ in range(25):
        tensor, lesions = sample_augment(sample, random=random, settings=quiet)
        column, row, radius, label = lesions[0]
        brightest = np.unravel_index(tensor[..., 0].argmax(), tensor.shape[:2])
        assert np.hypot(brightest[0] - row, brightest[1] - column) < 2.0
        assert 8 * np.exp(-0.3) < radius < 8 * np.exp(0.3)
        assert label == 2


def test_augmentation_keeps_what_is_off_the_breast_black() -> None:
    sample = drawn_sample(label=0, breast_columns=48)
    tensor, _ = sample_augment(sample, random=np.random.default_rng(3), settings=Augmentation())
    assert np.abs(tensor[..., 0][tensor[..., 1] == 0]).max() == 0
    assert tensor.dtype == np.float32
    assert (tensor[..., 1].min(), tensor[..., 1].max()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))


def test_the_same_seed_gives_the_same_batch_and_another_does_not() -> None:
    samples = [drawn_sample(label=index, seed=index) for index in range(3)]
    first, again, other = (batch_make(samples, random=np.random.default_rng(seed), recipe=RECIPE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.cell_weights, again.cell_weights)
    assert np.abs(first.images - other.images).max() > 0.1
    assert first.labels.tolist() == [0, 1, 2]
