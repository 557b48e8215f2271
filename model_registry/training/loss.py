"""The two losses of the recipe, in TensorFlow. Class order as in the package: normal, benign, malignant."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def class_weights(labels: np.ndarray, *, classes: int) -> np.ndarray:
    """√(N / (classes · n_c)): half-way, on a log scale, between none and full balancing. A class without images gets 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.sqrt(len(labels) / (classes * np.where(counts == 0, len(labels) / classes, counts))).astype(np.float32)


def image_loss(*, logits: Any, labels: Any, weights: Any, smoothing: float) -> Any:
    """Weighted cross-entropy of the image's logits (N, 3) with smoothed labels (N,); a scalar."""
    classes = logits.shape[-1]
    smoothed = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    cross_entropy = -tf.reduce_sum(smoothed * tf.nn.log_softmax(logits), axis=-1)
    return tf.reduce_mean(cross_entropy * tf.gather(weights, labels))


def cell_loss(*, cells: Any, labels: Any, weights: Any) -> Any:
    """Focal (γ = 1) cross-entropy of the cells' maps z (N, rows, columns, 2) against class indices, normalised by the weights.

    The cells' logits are [0, z_benign, z_malignant]. Cells of weight 0 do not count; a batch without any gives 0.
    """
    logits = tf.concat([tf.zeros_like(cells[..., :1]), cells], axis=-1)
    log_probability = tf.reduce_sum(tf.nn.log_softmax(logits) * tf.one_hot(labels, 3), axis=-1)
    focal = (1 - tf.exp(log_probability)) * -log_probability
    return tf.reduce_sum(weights * focal) / tf.maximum(tf.reduce_sum(weights), 1.0)
