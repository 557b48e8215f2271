"""Two branches over (grey, grey, grey, mask): EfficientNetB0 on the picture, narrow blocks on all four channels.

The heatmaps explain the picture's branch. A mask that exists only for abnormal images gives the label away: training must not
feed one. Input 0–1; the picture is brought to the 0–255 that EfficientNet rescales itself, or it would be divided by 255 twice.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from model_registry.zoo.base_weights import base_layers
from model_registry.zoo.block_cnn import BLOCK_CUTS, blocks_attach
from model_registry.zoo.efficientnet import efficientnet_base
from model_registry.zoo.errors import WrongInputShape
from model_registry.zoo.heads import Activation, outputs_attach
from model_registry.zoo.model import ZooModel

_IMAGE_LAYERS = frozenset({"image", "picture", "picture_255"})


@keras.saving.register_keras_serializable(package="mammoserve")
class FirstChannels(layers.Layer):
    """(N, rows, columns, C) → its first three channels."""

    def call(self, image: object) -> object:
        return image[..., :3]  # type: ignore[index]  # a tensor of Keras's backend


def multi_branch_build(
    *,
    classes: tuple[str, ...],
    activation: Activation,
    input_shape: tuple[int, int, int],
    weights_path: Path | None = None,
) -> ZooModel:
    """Build with fresh weights, but for EfficientNetB0's from `weights_path`. Raises WrongInputShape, WeightsRefused."""
    if input_shape[2] != 4:
        raise WrongInputShape(f"multi-branch reads grey three times and a mask, not {input_shape[2]} channels")
    image = keras.Input(input_shape, name="image")
    picture = layers.Rescaling(255.0, name="picture_255")(FirstChannels(name="picture")(image))
    base = efficientnet_base(variant="b0", image=picture, weights_path=weights_path)
    _, beside = blocks_attach(image, cut=BLOCK_CUTS["narrower"], prefix="mask_")
    pooled = [
        layers.GlobalAveragePooling2D(name="picture_pool")(base.output),
        layers.GlobalAveragePooling2D(name="mask_pool")(beside),
    ]
    features = layers.Dense(128, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3), name="dense")(
        layers.Concatenate(name="joined")(pooled)
    )
    features = layers.Dropout(0.5, name="dropout")(features)
    outputs = {**outputs_attach(features, classes=classes, activation=activation), "cam": base.output}
    model = keras.Model(image, outputs, name="multi_branch")
    names = tuple(name for name in base_layers(base) if name not in _IMAGE_LAYERS)
    return ZooModel("multi-branch", model, input_shape, classes, classes, base_layers=names)
