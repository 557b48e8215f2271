"""One family of small networks: blocks of convolution, batch norm and pool, then one dense layer, in seven cuts.

baseline, regularised, deeper and narrower are as published. wider, naive-baseline and overfitting could not be recovered; each
says in its note what was chosen. The maps are taken at the last convolution's activation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from model_registry.zoo.heads import Activation, outputs_attach
from model_registry.zoo.model import ZooModel


@dataclass(frozen=True, slots=True)
class BlockCut:
    """`spatial_dropout` has a rate per block, or none; `l2` weighs on convolutions and the dense layer."""

    filters: tuple[int, ...]
    spatial_dropout: tuple[float, ...] = ()
    l2: float = 0.0
    dense: int = 128
    dropout: float = 0.5
    normalised: bool = True
    flattened: bool = False
    note: str = ""


_UNKNOWN = "The published layers of this network could not be recovered; chosen here: "

BLOCK_CUTS: dict[str, BlockCut] = {
    "naive-baseline": BlockCut(
        (32, 64, 128), dropout=0.0, normalised=False, note=_UNKNOWN + "the baseline without batch norm and without dropout."
    ),
    "baseline": BlockCut((32, 64, 128)),
    "overfitting": BlockCut(
        (32, 64, 128), dropout=0.0, flattened=True, note=_UNKNOWN + "the baseline flattened instead of averaged, without dropout."
    ),
    "regularised": BlockCut((32, 64, 128), (0.2, 0.2, 0.3), 1e-3),
    "wider": BlockCut(
        (64, 128, 256),
        (0.2, 0.2, 0.3),
        1e-3,
        note=_UNKNOWN + "the regularised network with twice the filters, which fits the published file's size.",
    ),
    "deeper": BlockCut((32, 32, 64, 64, 128, 128), (0.2, 0.2, 0.2, 0.3, 0.3, 0.3), 1e-3),
    "narrower": BlockCut((16, 32, 64), (0.2, 0.2, 0.3), 1e-3, dense=64),
}


def blocks_attach(tensor: Any, *, cut: BlockCut, prefix: str = "") -> tuple[Any, Any]:
    """The blocks over `tensor` (N, rows, columns, C): the last convolution's activation and the last block's map."""
    cam = tensor
    for index, filters in enumerate(cut.filters, start=1):
        name = f"{prefix}block{index}"
        cam = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_regularizer=_regulariser(cut), name=f"{name}_conv"
        )(tensor)
        tensor = layers.BatchNormalization(name=f"{name}_norm")(cam) if cut.normalised else cam
        tensor = layers.MaxPooling2D(2, name=f"{name}_pool")(tensor)
        if cut.spatial_dropout:
            tensor = layers.SpatialDropout2D(cut.spatial_dropout[index - 1], name=f"{name}_dropout")(tensor)
    return cam, tensor


def block_cnn_build(
    *, name: str, classes: tuple[str, ...], activation: Activation, input_shape: tuple[int, int, int]
) -> ZooModel:
    """Build the cut `name` with fresh weights."""
    cut = BLOCK_CUTS[name]
    image = keras.Input(input_shape, name="image")
    cam, tensor = blocks_attach(image, cut=cut)
    pooled = layers.Flatten(name="flatten")(tensor) if cut.flattened else layers.GlobalAveragePooling2D(name="pool")(tensor)
    features = layers.Dense(cut.dense, activation="relu", kernel_regularizer=_regulariser(cut), name="dense")(pooled)
    if cut.dropout:
        features = layers.Dropout(cut.dropout, name="dropout")(features)
    outputs = {**outputs_attach(features, classes=classes, activation=activation), "cam": cam}
    model = keras.Model(image, outputs, name=name.replace("-", "_"))
    return ZooModel(name, model, input_shape, classes, classes, note=cut.note)


def _regulariser(cut: BlockCut) -> Any:
    return keras.regularizers.L2(cut.l2) if cut.l2 else None
