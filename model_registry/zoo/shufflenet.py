"""A ShuffleNet of its own kind (after Zhang 2018): units whose channels grow, because the full input is concatenated.

Ungrouped 1x1 convolutions; one shuffle in three groups at the end of every unit. The maps are taken at the last unit's
concatenation, in front of its shuffle: the same channels in another order.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from model_registry.zoo.heads import Activation, outputs_attach
from model_registry.zoo.model import ZooModel

STAGES = ((240, 4), (480, 8), (960, 4))
GROUPS = 3


def shufflenet_build(*, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int]) -> ZooModel:
    """Build with fresh weights. Channels grow 240 → 600, 480 → 2160, 960 → 2400."""
    image = cam = keras.Input(input_shape, name="image")
    tensor = layers.Conv2D(24, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(image)
    tensor = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(tensor))
    tensor = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(tensor)
    for stage, (channels, units) in enumerate(STAGES, start=2):
        for unit in range(1, units + 1):
            cam, tensor = _unit(tensor, channels, strides=2 if unit == 1 else 1, name=f"stage{stage}_{unit}")
    pooled = layers.GlobalAveragePooling2D(name="pool")(tensor)
    outputs = {**outputs_attach(pooled, classes=classes, activation=activation), "cam": cam}
    model = keras.Model(image, outputs, name="shufflenet")
    return ZooModel("shufflenet", model, input_shape, classes, classes)


def _unit(tensor: Any, channels: int, *, strides: int, name: str) -> tuple[Any, Any]:
    """One unit of `channels` channels at stride 2; at stride 1 half as many are added. Before and after shuffling."""
    half = channels // 2
    main = _point(tensor, half, f"{name}_in")
    main = _depthwise(layers.ReLU(name=f"{name}_in_relu")(main), strides, f"{name}_depth")
    main = _point(main, half, f"{name}_out")
    beside = tensor
    if strides == 2:
        beside = _point(_depthwise(tensor, strides, f"{name}_beside_depth"), half, f"{name}_beside")
        beside = layers.ReLU(name=f"{name}_beside_relu")(beside)
    joined = layers.Concatenate(name=f"{name}_joined")([main, beside])
    return joined, _shuffle(joined, name)


def _point(tensor: Any, filters: int, name: str) -> Any:
    tensor = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(tensor)
    return layers.BatchNormalization(name=f"{name}_norm")(tensor)


def _depthwise(tensor: Any, strides: int, name: str) -> Any:
    tensor = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(tensor)
    return layers.BatchNormalization(name=f"{name}_norm")(tensor)


def _shuffle(tensor: Any, name: str) -> Any:
    rows, columns, channels = tensor.shape[1:]
    tensor = layers.Reshape((rows, columns, GROUPS, channels // GROUPS), name=f"{name}_groups")(tensor)
    tensor = layers.Permute((1, 2, 4, 3), name=f"{name}_swapped")(tensor)
    return layers.Reshape((rows, columns, channels), name=f"{name}_shuffled")(tensor)
