"""The families: parameter counts, the fixed stem's arithmetic, the heads' formulas, and weights in and out."""

from __future__ import annotations

import io

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from model_registry.zoo.dog_fpn import dog_fpn_build  # noqa: E402
from model_registry.zoo.dog_fpn.stem import CHANNELS, DogStem, gaussian_taps  # noqa: E402
from model_registry.zoo.efficientnet import efficientnet_build  # noqa: E402
from model_registry.zoo.weights import weights_from_bytes, weights_to_bytes  # noqa: E402

SMALL = (128, 96, 2)


def small_image(*, spot: bool) -> np.ndarray:
    image = np.zeros((1, *SMALL), dtype=np.float32)
    image[..., :80, 1] = 1
    image[..., :80, 0] = 0.4
    if spot:
        rows, columns = np.mgrid[0:128, 0:96]
        image[0, ..., 0] += 0.3 * np.exp(-0.5 * (np.hypot(rows - 60, columns - 36) / 5) ** 2)
    return image


def test_dog_fpn_has_a_third_of_a_million_parameters() -> None:
    built = dog_fpn_build()
    assert built.parameters == 341_082
    shapes = {name: tuple(tensor.shape) for name, tensor in built.keras_model.output.items()}
    assert shapes == {"logits": (None, 3), "scores": (None, 4), "cam": (None, 48, 32, 64), "cells": (None, 48, 32, 2)}


def test_the_stem_says_the_same_by_slices_as_by_convolutions() -> None:
    random = np.random.default_rng(0)
    image = np.concatenate([small_image(spot=True), random.random((1, *SMALL), dtype=np.float32)])
    stem = DogStem()
    serving, training = (np.asarray(stem(image, training=flag)) for flag in (False, True))
    np.testing.assert_allclose(training, serving, atol=1e-5 * np.abs(serving).max())


def test_efficientnet_b2_has_the_published_head_and_count() -> None:
    built = efficientnet_build(variant="b2")
    assert built.parameters == 7_769_978
    image = np.random.default_rng(0).uniform(0, 255, (1, 260, 260, 3)).astype(np.float32)
    outputs = built.keras_model(image, training=False)
    logits, scores = np.asarray(outputs["logits"])[0], np.asarray(outputs["scores"])[0]
    assert logits[0] == 0
    np.testing.assert_allclose(scores, [-logits[1], logits[1]])
    # softmax([0, z]) is the demo's own pair [1 − σ(z), σ(z)]
    assert np.exp(logits[1]) / (1 + np.exp(logits[1])) == pytest.approx(1 / (1 + np.exp(-logits[1])))


def test_the_stem_has_no_weights_and_sees_a_spot_but_not_brightness() -> None:
    stem = DogStem()
    flat, spot = (np.asarray(stem(small_image(spot=value)))[0] for value in (False, True))
    assert flat.shape == (32, 24, CHANNELS)
    assert stem.weights == []
    inside = (slice(4, 28), slice(2, 16))
    assert np.abs(flat[..., :9][inside]).max() < 0.02  # an even breast has no bands
    found = np.unravel_index(spot[..., 5][inside].argmax(), (24, 14))
    assert (found[0] + 4, found[1] + 2) == pytest.approx((15, 9), abs=1)  # the spot at (60, 36) / 4
    assert spot[..., 5][inside].max() > 0.3


def test_the_gaussian_is_normalised_and_symmetric() -> None:
    taps = gaussian_taps(1.2)
    assert len(taps) == 9
    assert taps.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(taps, taps[::-1])


def test_logits_are_the_sharp_mean_of_the_cells_on_the_breast() -> None:
    built = dog_fpn_build(input_shape=SMALL, width=8)
    image = small_image(spot=True)
    outputs = {name: np.asarray(value) for name, value in built.keras_model(image, training=False).items()}
    on_breast = outputs["cells"][0][:, :10].reshape(-1, 2).astype(np.float64)  # 80 of 96 columns
    pooled = np.log(np.exp(4 * on_breast).mean(axis=0)) / 4
    np.testing.assert_allclose(outputs["logits"][0], [0, *(pooled + 1.0)], rtol=1e-4)
    benign, malignant = outputs["logits"][0, 1:]
    suspicion = np.logaddexp(benign, malignant)
    np.testing.assert_allclose(outputs["scores"][0], [-suspicion, benign, malignant, suspicion], rtol=1e-5)


def test_an_image_without_breast_gives_numbers() -> None:
    outputs = dog_fpn_build(input_shape=SMALL, width=8).keras_model(np.zeros((1, *SMALL), dtype=np.float32), training=False)
    assert all(np.isfinite(np.asarray(value)).all() for value in outputs.values())


def test_weights_return_exactly_and_hold_no_code() -> None:
    first, second = (dog_fpn_build(input_shape=SMALL, width=8).keras_model for _ in range(2))
    data = weights_to_bytes(first)
    weights_from_bytes(second, data)
    image = small_image(spot=True)
    for name in ("logits", "cam"):
        np.testing.assert_array_equal(
            np.asarray(first(image, training=False)[name]), np.asarray(second(image, training=False)[name])
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float32 for name in arrays.files)


def test_weights_of_another_architecture_are_refused() -> None:
    data = weights_to_bytes(dog_fpn_build(input_shape=SMALL, width=8).keras_model)
    with pytest.raises(ValueError, match="have shape"):
        weights_from_bytes(dog_fpn_build(input_shape=SMALL, width=4).keras_model, data)
