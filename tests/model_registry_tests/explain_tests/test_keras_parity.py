"""Grad-CAM of the exported graph against TensorFlow's GradientTape, on small Keras models of the kinds of head there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from model_registry.export.onnx_export import keras_to_onnx  # noqa: E402
from model_registry.zoo.dog_fpn import dog_fpn_build  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import tape_heatmaps, weights_spread  # noqa: E402

SHAPE = (32, 32, 3)


def _finish(image: Any, cam: Any, logits: Any) -> ZooModel:
    model = keras.Model(image, {"logits": logits, "scores": layers.Identity()(logits), "cam": cam})
    return ZooModel("test", model, tuple(image.shape[1:]), ("a", "b", "c"), ("a", "b", "c"))


def _conv(tensor: Any, filters: int, **options: Any) -> Any:
    tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)(tensor)
    return layers.ReLU()(layers.BatchNormalization()(tensor))


def average_pool_dense() -> ZooModel:
    image = keras.Input(SHAPE)
    cam = _conv(_conv(image, 8), 12, strides=2)
    hidden = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling2D()(cam))
    return _finish(image, cam, layers.Dense(3)(layers.Dropout(0.5)(hidden)))


def flatten_behind_overlapping_pool() -> ZooModel:
    image = keras.Input(SHAPE)
    cam = _conv(image, 8, strides=2)
    pooled = layers.MaxPooling2D(3, strides=2)(layers.Conv2D(6, 3, activation="relu")(cam))
    return _finish(image, cam, layers.Dense(3)(layers.Dense(16, activation="tanh")(layers.Flatten()(pooled))))


def last_layer_before_max_pool() -> ZooModel:
    """As VGG: the CAM layer is read by the pool alone."""
    image = keras.Input(SHAPE)
    cam = _conv(image, 8, strides=2)
    return _finish(image, cam, layers.Dense(3)(layers.Dense(9, activation="relu")(layers.Flatten()(layers.MaxPooling2D(2)(cam)))))


def squeeze_and_excitation() -> ZooModel:
    """As EfficientNet and MobileNetV3: depthwise, gated by the layer's own mean, swish."""
    image = keras.Input(SHAPE)
    cam = _conv(image, 8, strides=2)
    wide = layers.Activation("swish")(layers.BatchNormalization()(layers.DepthwiseConv2D(5, strides=2, padding="same")(cam)))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(wide)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu6")(gate))
    return _finish(image, cam, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Multiply()([wide, gate]))))


def residual_and_dense_blocks() -> ZooModel:
    """As ResNet and DenseNet: sums and concatenations of what the layer feeds, average pooling between."""
    image = keras.Input(SHAPE)
    cam = _conv(image, 8, strides=2)
    summed = layers.ReLU()(layers.Add()([cam, layers.Conv2D(8, 3, padding="same")(_conv(cam, 8))]))
    joined = layers.Concatenate()([summed, _conv(summed, 4)])
    pooled = layers.GlobalMaxPooling2D()(layers.AveragePooling2D(2)(joined))
    return _finish(image, cam, layers.Dense(3)(pooled))


def dog_fpn() -> ZooModel:
    return dog_fpn_build(input_shape=(128, 96, 2), width=8)


FAMILIES = [average_pool_dense, flatten_behind_overlapping_pool, last_layer_before_max_pool]
FAMILIES += [squeeze_and_excitation, residual_and_dense_blocks, dog_fpn]


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_heatmaps_and_scores_of_the_graph_equal_tensorflows(build: Callable[[], ZooModel]) -> None:
    keras.utils.set_random_seed(5)
    zoo_model = build()
    weights_spread(zoo_model.keras_model)
    exported = keras_to_onnx(zoo_model=zoo_model)
    images = np.random.default_rng(1).random((4, *zoo_model.input_shape), dtype=np.float32)
    session = onnxruntime.InferenceSession(exported.explained.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Any = session.run(["logits", "probabilities", "heatmaps"], {"image": images})
    logits, expected = tape_heatmaps(zoo_model.keras_model, images)
    np.testing.assert_allclose(found[0], logits, rtol=1e-4, atol=1e-4)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found[1], exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-5)
    assert found[2].shape == (4, len(zoo_model.targets), *exported.grid_hw)
    np.testing.assert_allclose(found[2], expected, atol=1e-4 * expected.max())
    assert (expected.max(axis=(2, 3)) > 0).any(axis=0).all(), "every target must light up somewhere, or the comparison is empty"
    alone: Any = session.run(["heatmaps"], {"image": images[2:3]})
    np.testing.assert_allclose(alone[0][0], found[2][2], atol=1e-5 * expected.max())
