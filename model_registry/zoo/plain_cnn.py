"""Four plain networks of convolutions and pools: simple, alexnet (Krizhevsky 2012, as rebuilt), clahe-cnn and callback-cnn.

The maps are taken at the last convolution's activation. Preprocessing, CLAHE included, belongs to the package's profile.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from model_registry.zoo.heads import Activation, outputs_attach
from model_registry.zoo.model import ZooModel


def _conv(tensor: Any, filters: int, **options: Any) -> Any:
    return layers.Conv2D(filters, **{"kernel_size": 3, "padding": "same", "activation": "relu", **options})(tensor)


def _finish(
    name: str,
    image: Any,
    cam: Any,
    features: Any,
    classes: tuple[str, ...],
    activation: Activation,
    input_range: tuple[float, float] = (0.0, 1.0),
) -> ZooModel:
    outputs = {**outputs_attach(features, classes=classes, activation=activation), "cam": cam}
    model = keras.Model(image, outputs, name=name.replace("-", "_"))
    return ZooModel(name, model, tuple(image.shape[1:]), classes, classes, input_range=input_range)


def simple_build(*, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int]) -> ZooModel:
    """Two valid convolutions with pools, flattened into 64 units. At 224x224 its maps are 109x109."""
    image = keras.Input(input_shape, name="image")
    first = _conv(image, 16, padding="valid", kernel_initializer="he_normal")
    cam = _conv(layers.MaxPooling2D(2)(first), 32, padding="valid", kernel_initializer="he_normal")
    hidden = layers.Dense(64, activation="relu")(layers.Flatten()(layers.MaxPooling2D(2)(cam)))
    return _finish("simple", image, cam, hidden, classes, activation)


def alexnet_build(
    *, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int], width: float = 1.0
) -> ZooModel:
    """AlexNet without response normalisation and dropout, with 1000 ReLU units before the labels. `width` scales all layers."""

    def scaled(count: int) -> int:
        return max(1, round(count * width))

    image = keras.Input(input_shape, name="image")
    tensor = _conv(image, scaled(96), kernel_size=11, strides=4, padding="valid")
    tensor = _conv(layers.MaxPooling2D(3, strides=2)(tensor), scaled(256), kernel_size=5)
    tensor = _conv(layers.MaxPooling2D(3, strides=2)(tensor), scaled(384))
    cam = _conv(_conv(tensor, scaled(384)), scaled(256))
    features = layers.Flatten()(layers.MaxPooling2D(3, strides=2)(cam))
    for units in (4096, 4096, 1000):
        features = layers.Dense(scaled(units), activation="relu")(features)
    return _finish("alexnet", image, cam, features, classes, activation)


def clahe_cnn_build(*, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int]) -> ZooModel:
    """Four normalised convolutions with pools, flattened into 128 units. Takes 0–255, as CLAHE leaves the picture."""
    image = keras.Input(input_shape, name="image")
    tensor = cam = image
    for filters, window in ((32, 2), (64, 3), (128, 3), (128, 3)):
        cam = _conv(tensor, filters)
        tensor = layers.MaxPooling2D(window, strides=2)(layers.BatchNormalization()(cam))
    hidden = layers.Dense(128, activation="relu")(layers.Flatten()(tensor))
    return _finish("clahe-cnn", image, cam, layers.Dropout(0.3)(hidden), classes, activation, (0.0, 255.0))


def callback_cnn_build(*, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int]) -> ZooModel:
    """Four convolutions with pools (258 filters in the last, as published), averaged into 64 units with L2 1e-3."""
    image = keras.Input(input_shape, name="image")
    tensor = cam = image
    for filters, window in ((32, 2), (64, 3), (128, 3), (258, 3)):
        cam = _conv(tensor, filters)
        tensor = layers.MaxPooling2D(window, strides=2)(cam)
    pooled = layers.GlobalAveragePooling2D()(layers.Dropout(0.3)(tensor))
    hidden = layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(pooled)
    return _finish("callback-cnn", image, cam, layers.Dropout(0.5)(hidden), classes, activation)
