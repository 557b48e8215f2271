"""DenseNet121, VGG16, ResNet50, MobileNetV2 and EfficientNetV2-B0: a base of keras.applications and a head. Downloads nothing.

Sources: Huang 2017, Simonyan 2015, He 2016, Sandler 2018, Tan 2021. The bases are Keras's own; none scales its input, but for
EfficientNetV2, which takes 0–255.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from model_registry.zoo.base_weights import base_image, base_layers, base_weights_load
from model_registry.zoo.heads import Activation, Head, head_features, outputs_attach
from model_registry.zoo.model import ZooModel


@dataclass(frozen=True, slots=True)
class _Base:
    build: Callable[..., Any]
    head: Head
    cam_layer: str = ""  # the base's output where empty
    dropout: float = 0.0
    input_range: tuple[float, float] = (0.0, 1.0)


_BASES = {
    "densenet121": _Base(keras.applications.DenseNet121, "flatten"),
    # behind the last pool a map has a quarter of the cells, so the maps are taken in front of it
    "vgg16": _Base(keras.applications.VGG16, "flatten", cam_layer="block5_conv3"),
    "resnet50": _Base(keras.applications.ResNet50, "average"),
    "mobilenetv2": _Base(keras.applications.MobileNetV2, "average"),
    "efficientnetv2-b0": _Base(keras.applications.EfficientNetV2B0, "average", dropout=0.2, input_range=(0.0, 255.0)),
}


def pretrained_build(
    *,
    name: str,
    classes: tuple[str, ...],
    activation: Activation,
    input_shape: tuple[int, int, int],
    head: Head | None = None,
    weights_path: Path | None = None,
) -> ZooModel:
    """Build the base `name` with `head` (default: the reference systems'); fresh weights but for those at `weights_path`.

    Heads: "flatten", "average", and "average-dense" (pool, dropout 0.5, 64 ReLU units). Raises WrongInputShape, WeightsRefused.
    """
    kind = _BASES[name]
    image, coloured = base_image(input_shape=input_shape)
    base = kind.build(include_top=False, weights=None, input_tensor=coloured)
    if weights_path is not None:
        base_weights_load(base, path=weights_path)
    cam = base.get_layer(kind.cam_layer).output if kind.cam_layer else base.output
    features = head_features(base.output, head=head or kind.head, dropout=kind.dropout)
    outputs = {**outputs_attach(features, classes=classes, activation=activation), "cam": cam}
    model = keras.Model(image, outputs, name=name.replace("-", "_"))
    return ZooModel(name, model, input_shape, classes, classes, input_range=kind.input_range, base_layers=base_layers(base))
