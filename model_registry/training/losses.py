"""What training minimises, as plugs of one loop: each makes its targets from an example and its loss from a batch. TensorFlow.

Logits are those of every family: (N, labels), [0, z] for a lone sigmoid, so that softmax cross-entropy is the binary one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from model_registry.training.augmentation import Example
from model_registry.training.config import CrossEntropy, DenseLesion, DiceBce, Focal, TrainingConfig
from model_registry.training.samples import Sample
from model_registry.training.targets import cell_targets, pixel_targets

CELL_CLASSES = 3  # of dog-fpn's cells: nothing, benign, malignant


class LossPlug(Protocol):
    """`layers` names layers whose outputs the loss needs besides the model's own; `masks` whether examples need lesion masks."""

    layers: tuple[str, ...]
    masks: bool

    def targets(self, example: Example, sample: Sample) -> dict[str, np.ndarray]:
        """Arrays of one example, stacked by the loop."""
        ...

    def terms(self, outputs: Mapping[str, Any], targets: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """Scalars whose sum is the loss; `weights` (labels,) are the class weights."""
        ...


def class_weights(labels: np.ndarray, *, config: TrainingConfig) -> np.ndarray:
    """(labels,) float32. "balanced": N / (classes · n_c); "sqrt": its root, half-way between none and full on a log scale."""
    names = config.model.labels
    if isinstance(config.class_weights, dict):
        return np.array([config.class_weights[name] for name in names], dtype=np.float32)
    counts = np.bincount(labels, minlength=len(names))
    balanced = len(labels) / (len(names) * np.where(counts == 0, len(labels) / len(names), counts))
    power = {"none": 0.0, "balanced": 1.0, "sqrt": 0.5}[config.class_weights]
    return np.power(balanced, power).astype(np.float32)


def image_loss(*, logits: Any, labels: Any, weights: Any, smoothing: float) -> Any:
    """Weighted cross-entropy of logits (N, labels) with smoothed labels (N,); a scalar."""
    classes = logits.shape[-1]
    smoothed = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    cross_entropy = -tf.reduce_sum(smoothed * tf.nn.log_softmax(logits), axis=-1)
    return tf.reduce_mean(cross_entropy * tf.gather(weights, labels))


def focal_loss(*, logits: Any, labels: Any, weights: Any, gamma: float, alpha: float | None, smoothing: float) -> Any:
    """Weighted focal loss of logits (N, labels); a scalar. Source: Lin 2017."""
    classes = logits.shape[-1]
    log_p = tf.nn.log_softmax(logits)
    smoothed = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    balance = np.ones(classes) if alpha is None else np.full(classes, alpha)
    if alpha is not None and classes == 2:
        balance[0] = 1 - alpha
    terms = smoothed * tf.pow(1 - tf.exp(log_p), gamma) * -log_p * tf.constant(balance, tf.float32)
    return tf.reduce_mean(tf.reduce_sum(terms, axis=-1) * tf.gather(weights, labels))


def cell_loss(*, cells: Any, labels: Any, weights: Any) -> Any:
    """Focal (γ = 1) cross-entropy of the cells' maps z (N, rows, columns, 2) against class indices, normalised by the weights.

    The cells' logits are [0, z_benign, z_malignant]. Cells of weight 0 do not count; a batch without any gives 0.
    """
    logits = tf.concat([tf.zeros_like(cells[..., :1]), cells], axis=-1)
    log_probability = tf.reduce_sum(tf.nn.log_softmax(logits) * tf.one_hot(labels, CELL_CLASSES), axis=-1)
    focal = (1 - tf.exp(log_probability)) * -log_probability
    return tf.reduce_sum(weights * focal) / tf.maximum(tf.reduce_sum(weights), 1.0)


def mask_losses(*, logits: Any, wanted: Any, weights: Any) -> tuple[Any, Any]:
    """(1 − soft Dice of the lesion units over the batch, mean binary or categorical cross-entropy of pixels); two scalars.

    `logits` and `wanted` (N, rows, columns, units), `weights` (N, rows, columns); pixels of weight 0 do not count.
    """
    if logits.shape[-1] == 1:
        probabilities = tf.sigmoid(logits)
        pixel = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)[..., 0]
        lesion, found = wanted, probabilities
    else:
        probabilities = tf.nn.softmax(logits)
        pixel = -tf.reduce_sum(wanted * tf.nn.log_softmax(logits), axis=-1)
        lesion, found = wanted[..., 1:], probabilities[..., 1:]
    counted = weights[..., None]
    both = tf.reduce_sum(counted * lesion * found)
    dice = (2 * both + 1) / (tf.reduce_sum(counted * (lesion + found)) + 1)
    return 1 - dice, tf.reduce_sum(weights * pixel) / tf.maximum(tf.reduce_sum(weights), 1.0)


class ImageLabel:
    """Cross-entropy or focal loss of the image's label alone."""

    layers: tuple[str, ...] = ()
    masks = False

    def __init__(self, settings: CrossEntropy | Focal) -> None:
        self._settings = settings

    def targets(self, example: Example, sample: Sample) -> dict[str, np.ndarray]:
        return {}

    def terms(self, outputs: Mapping[str, Any], targets: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"logits": outputs["logits"], "labels": targets["label"], "weights": weights}
        settings = self._settings
        if isinstance(settings, Focal):
            loss = focal_loss(**given, gamma=settings.gamma, alpha=settings.alpha, smoothing=settings.label_smoothing)
        else:
            loss = image_loss(**given, smoothing=settings.label_smoothing)
        return {"image": loss}


class LesionCells:
    """dog-fpn's dense supervision: the breast mask is the input's second channel."""

    layers: tuple[str, ...] = ()
    masks = False

    def __init__(self, settings: DenseLesion) -> None:
        self._settings = settings

    def targets(self, example: Example, sample: Sample) -> dict[str, np.ndarray]:
        labels, weights = cell_targets(
            mask=example.tensor[..., 1], lesions=example.lesions, is_located=sample.is_located, settings=self._settings
        )
        return {"cell_labels": labels, "cell_weights": weights}

    def terms(self, outputs: Mapping[str, Any], targets: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        whole = image_loss(
            logits=outputs["logits"], labels=targets["label"], weights=weights, smoothing=self._settings.label_smoothing
        )
        cells = cell_loss(cells=outputs["cells"], labels=targets["cell_labels"], weights=targets["cell_weights"])
        return {"image": whole, "cells": self._settings.cell_loss_weight * cells}


class LesionMasks:
    """The U-Net's masks. Lesions are those of the labels that count as suspicious, in one unit or in one per label."""

    layers: tuple[str, ...] = ("mask_logits",)
    masks = True

    def __init__(self, settings: DiceBce, *, units: int) -> None:
        self._settings = settings
        self._units = units

    def targets(self, example: Example, sample: Sample) -> dict[str, np.ndarray]:
        if example.masks is None:
            raise ValueError("mask supervision needs examples with masks")
        wanted, weights = pixel_targets(masks=example.masks, is_located=sample.is_located, units=self._units)
        return {"pixels": wanted, "pixel_weights": weights}

    def terms(self, outputs: Mapping[str, Any], targets: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        dice, bce = mask_losses(logits=outputs["mask_logits"], wanted=targets["pixels"], weights=targets["pixel_weights"])
        terms = {"dice": self._settings.dice_weight * dice, "pixels": self._settings.bce_weight * bce}
        if self._settings.image_weight:
            image = image_loss(logits=outputs["logits"], labels=targets["label"], weights=weights, smoothing=0.0)
            terms["image"] = self._settings.image_weight * image
        return terms


def loss_plug(config: TrainingConfig) -> LossPlug:
    """The plug that `config.loss` names."""
    settings = config.loss
    if isinstance(settings, DenseLesion):
        return LesionCells(settings)
    if isinstance(settings, DiceBce):
        return LesionMasks(settings, units=1 if config.model.activation == "sigmoid" else len(config.model.labels))
    return ImageLabel(settings)
