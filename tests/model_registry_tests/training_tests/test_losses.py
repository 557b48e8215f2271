"""Losses and schedules against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from model_registry.training.average import WeightAverage  # noqa: E402
from model_registry.training.config import Constant, Cosine, OneCycle  # noqa: E402
from model_registry.training.losses import cell_loss, class_weights, focal_loss, image_loss, mask_losses  # noqa: E402
from model_registry.training.schedules import learning_rate_at  # noqa: E402
from tests.model_registry_tests.training_tests.drawn import config_of, film_config  # noqa: E402


def tensor(value: Any) -> Any:
    return tf.constant(np.asarray(value), tf.float32)


def test_rarer_classes_weigh_more_as_asked() -> None:
    labels = np.repeat([0, 1, 2], [207, 63, 52])
    balanced = 322 / (3 * np.array([207, 63, 52]))
    for kind, expected in (("none", balanced**0), ("balanced", balanced), ("sqrt", np.sqrt(balanced))):
        np.testing.assert_allclose(class_weights(labels, config=film_config(class_weights=kind)), expected, rtol=1e-6)
    given = config_of(class_weights={"malignant": 3.0, "benign": 0.5})
    assert class_weights(np.array([0, 1]), config=given).tolist() == [0.5, 3.0]


def test_the_image_loss_matches_its_formula() -> None:
    logits, labels, weights = np.array([[0.0, 1.0, -1.0], [0.0, 0.5, 2.0]]), np.array([0, 2]), np.array([0.7, 1.3, 1.5])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    smooth = np.eye(3)[labels] * 0.95 + 0.05 / 3
    expected = (-(smooth * log_p).sum(axis=1) * weights[labels]).mean()
    found = image_loss(logits=tensor(logits), labels=tf.constant(labels), weights=tensor(weights), smoothing=0.05)
    assert float(found) == pytest.approx(expected)


def test_the_focal_loss_is_keras_binary_focal_with_class_balancing() -> None:
    z, labels = np.array([-1.2, 0.3, 2.0, -0.4]), np.array([0, 1, 1, 0])
    logits = np.stack([np.zeros(4), z], axis=1)
    expected = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.25, gamma=2.0, from_logits=True)(
        labels[:, None].astype(np.float32), z[:, None].astype(np.float32)
    )
    found = focal_loss(
        logits=tensor(logits), labels=tf.constant(labels), weights=tensor([1, 1]), gamma=2.0, alpha=0.25, smoothing=0.0
    )
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    plain = focal_loss(
        logits=tensor(logits), labels=tf.constant(labels), weights=tensor([1, 1]), gamma=0, alpha=None, smoothing=0.0
    )
    whole = image_loss(logits=tensor(logits), labels=tf.constant(labels), weights=tensor([1, 1]), smoothing=0.0)
    assert float(plain) == pytest.approx(float(whole))


def test_ignored_cells_do_not_count_and_certain_ones_hardly() -> None:
    cells = np.zeros((1, 1, 3, 2), dtype=np.float32)
    cells[0, 0, 0] = [9.0, 0.0]  # certain and right
    cells[0, 0, 2] = [0.0, 50.0]  # wrong, but ignored; the one between is undecided
    labels, weights = tf.constant([[[1, 0, 0]]]), tensor([[[30.0, 1.0, 0.0]]])
    certain = np.exp(9.0) / (np.exp(9.0) + 2)
    expected = (30 * (1 - certain) * -np.log(certain) + (2 / 3) * np.log(3)) / 31
    assert float(cell_loss(cells=tf.constant(cells), labels=labels, weights=weights)) == pytest.approx(expected)
    assert float(cell_loss(cells=tf.constant(cells), labels=labels, weights=tf.zeros((1, 1, 3)))) == 0.0


@pytest.mark.parametrize("units", [1, 3])
def test_a_right_mask_costs_nothing_a_wrong_one_all_and_ignored_pixels_nothing(units: int) -> None:
    wanted = np.zeros((1, 8, 8, units), np.float32)
    wanted[0, :4, :, units - 1] = 1
    if units > 1:
        wanted[0, 4:, :, 0] = 1
    right, ones = tensor(40 * wanted - 20), tensor(np.ones((1, 8, 8)))
    dice, pixels = mask_losses(logits=right, wanted=tensor(wanted), weights=ones)
    assert (float(dice), float(pixels)) == (pytest.approx(0, abs=1e-5), pytest.approx(0, abs=1e-5))
    dice, pixels = mask_losses(logits=-right, wanted=tensor(wanted), weights=ones)
    assert float(dice) > 0.95
    assert float(pixels) > 15
    _, pixels = mask_losses(logits=-right, wanted=tensor(wanted), weights=tf.zeros((1, 8, 8)))
    assert float(pixels) == 0.0


def test_one_cycle_rises_for_a_fifth_and_falls_to_almost_nothing() -> None:
    rates = [learning_rate_at(step, steps=100, peak=2e-3, schedule=OneCycle(kind="one-cycle")) for step in range(100)]
    assert rates[0] == pytest.approx(2e-3 / 25)
    assert int(np.argmax(rates)) == 20
    assert rates[20] == pytest.approx(2e-3)
    assert rates[99] < 2e-6
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_cosine_warms_up_and_ends_at_its_floor() -> None:
    schedule = Cosine(kind="cosine", warm_up=0.1, floor=0.5)
    rates = [learning_rate_at(step, steps=100, peak=1.0, schedule=schedule) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(0.5, abs=1e-3)
    assert learning_rate_at(7, steps=10, peak=0.3, schedule=Constant()) == 0.3


def test_the_average_follows_slowly_and_early_weights_are_forgotten() -> None:
    variable = keras.Variable(100.0)
    average = WeightAverage([variable], ceiling=0.99)
    average.update()
    expected = 100.0
    for step in range(1, 30):
        variable.assign(float(step))
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        average.update()
    kept = average.swap()
    assert float(variable.value) == pytest.approx(expected, rel=1e-5)
    average.unswap(kept)
    assert float(variable.value) == 29.0
