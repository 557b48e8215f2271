"""The trained part of dog-fpn and its heads. Knows no data, no loss and no file format.

Two maps z (benign, malignant) on a 48x32 grid are trained cell by cell where lesion circles exist; the image's logits come from
the same maps by log-sum-exp pooling over the breast, so the score and what is shown cannot disagree.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from model_registry.zoo.dog_fpn.stem import DogStem
from model_registry.zoo.model import ZooModel

INPUT_SHAPE = (384, 256, 2)
CELL_GRID_HW = (48, 32)
CLASSES = ("normal", "benign", "malignant")
TARGETS = ("normal", "benign", "malignant", "suspicion")
SHARPNESS = 4.0
# e^(4·18) is still a float32; a cell logit of 18 never occurs, and the plain sum is exact and cheap to differentiate
CELL_LOGIT_CEILING = 18.0
_NOTE = (
    "A fixed difference-of-Gaussians stem feeds a small feature pyramid, trained from scratch; two maps, benign and malignant, "
    "are supervised cell by cell with marked lesions; log-sum-exp pooling over the breast makes the image's logits from them. "
    "“suspicion” explains the log-odds of abnormal against normal, and “normal” is its negation."
)


@keras.saving.register_keras_serializable(package="mammoserve")
class LogSumExpHead(layers.Layer):
    """Cell logits z (N, rows, columns, 2) and breast mask (N, 8·rows, 8·columns, 1) → image logits (N, 3).

    Per map l = ¼·[log Σ m·e^{4z} − log Σ m] over the breast's cells, then [0, s_b·l_b + c_b, s_m·l_m + c_m].
    """

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(name="image_scale", shape=(2,), initializer="ones")
        self.offset = self.add_weight(name="image_offset", shape=(2,), initializer=keras.initializers.Constant(1.0))

    def call(self, inputs: Any) -> Any:
        z, mask = inputs
        cells = ops.average_pool(mask, 8, strides=8)
        terms = ops.exp(SHARPNESS * ops.minimum(z, CELL_LOGIT_CEILING)) * cells
        total = ops.sum(terms, axis=(1, 2)) + 1e-20
        count = ops.sum(cells, axis=(1, 2)) + 1e-6
        pooled = (ops.log(total) - ops.log(count)) / SHARPNESS
        abnormal = pooled * self.scale + self.offset
        return ops.concatenate([ops.zeros_like(abnormal[:, :1]), abnormal], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0][0], 3)


@keras.saving.register_keras_serializable(package="mammoserve")
class TargetScores(layers.Layer):
    """Image logits (N, 3) → the scores the four heatmaps explain (N, 4).

    Suspicion is the log-odds of "abnormal", log(e^{l_b} + e^{l_m}); "normal" is its negation; the others are their logits.
    """

    def call(self, logits: Any) -> Any:
        benign, malignant = logits[:, 1:2], logits[:, 2:3]
        suspicion = benign + ops.softplus(malignant - benign)
        return ops.concatenate([-suspicion, benign, malignant, suspicion], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], len(TARGETS))


def _block(tensor: Any, filters: int, name: str) -> Any:
    for index in (1, 2):
        tensor = _unit(tensor, filters, f"{name}_{index}")
    return tensor


def _unit(tensor: Any, filters: int, name: str) -> Any:
    tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv")(
        tensor
    )
    tensor = layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=f"{name}_norm")(tensor)
    return layers.ReLU(name=f"{name}_relu")(tensor)


def dog_fpn_build(*, input_shape: tuple[int, int, int] = INPUT_SHAPE, width: int = 32, dropout: float = 0.3) -> ZooModel:
    """Build the network with fresh weights (0.34 M parameters at width 32).

    Besides `logits`, `scores` and `cam` its outputs hold `cells` (N, rows/8, columns/8, 2), the maps z for dense supervision.
    """
    image = keras.Input(input_shape, name="image")
    stem = layers.BatchNormalization(momentum=0.9, name="stem_norm")(DogStem(name="stem")(image))
    low = _block(stem, width, "low")
    middle = _block(layers.MaxPooling2D(name="middle_pool")(low), 2 * width, "middle")
    high = _block(layers.MaxPooling2D(name="high_pool")(middle), 4 * width, "high")
    lateral = layers.Conv2D(2 * width, 1, use_bias=False, name="lateral")(middle)
    top = layers.Conv2D(2 * width, 1, use_bias=False, name="top")(high)
    top = layers.UpSampling2D(2, interpolation="bilinear", name="top_up")(top)
    merged = layers.BatchNormalization(momentum=0.9, name="merge_norm")(layers.Add(name="merge")([lateral, top]))
    merged = layers.ReLU(name="merge_relu")(merged)
    cam = _unit(merged, 2 * width, "cam")
    dropped = layers.SpatialDropout2D(dropout, name="dropout")(cam)
    cells = layers.Conv2D(2, 1, bias_initializer=keras.initializers.Constant(-3.0), name="cells")(dropped)
    logits = LogSumExpHead(name="logits")([cells, image[..., 1:2]])
    scores = TargetScores(name="scores")(logits)
    model = keras.Model(image, {"logits": logits, "scores": scores, "cam": cam, "cells": cells}, name="dog_fpn")
    return ZooModel("dog-fpn", model, input_shape, CLASSES, TARGETS, note=_NOTE)
