"""Grad-CAM the eager way, with TensorFlow's GradientTape: the yardstick for the graph transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def tape_heatmaps(keras_model: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes) and the raw maps (N, targets, rows, columns) of a model with outputs logits, scores and cam."""
    with tf.GradientTape(persistent=True) as tape:
        outputs = keras_model(images, training=False)
        columns = tf.unstack(outputs["scores"], axis=1)
    maps = []
    for column in columns:
        weights = tf.reduce_mean(tape.gradient(column, outputs["cam"]), axis=(1, 2), keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(weights * outputs["cam"], axis=-1)))
    return outputs["logits"].numpy(), tf.stack(maps, axis=1).numpy()


def weights_spread(keras_model: Any, *, seed: int = 0) -> None:
    """Random statistics and offsets, so that no normalisation is the identity and scores differ between images and classes."""
    random = np.random.default_rng(seed)
    for variable in keras_model.variables:
        kind = variable.path.rpartition("/")[2]
        shape = tuple(variable.shape)
        if kind in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif kind in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(0, 0.3, shape))
