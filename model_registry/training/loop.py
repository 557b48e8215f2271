"""The training loop: one-cycle AdamW with an exponential average of all weights. Knows no files, folds or figures.

The same seed gives the same batches and the same first weights. Sums inside TensorFlow may still differ in the last bits between
machines and thread counts.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model_registry.training.loss import cell_loss, class_weights, image_loss
from model_registry.training.recipe import Recipe
from model_registry.training.samples import Batch, Sample, batch_make
from model_registry.zoo.model import ZooModel

ADAMW_NOT_DECAYED = ("bias", "gamma", "beta", "image_scale", "image_offset")
PREFETCH = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """State after an epoch: mean losses over it."""

    epoch: int
    epochs: int
    image_loss: float
    cell_loss: float
    elapsed_seconds: float


def learning_rate_at(step: int, *, steps: int, recipe: Recipe) -> float:
    """One cycle: cosine from a 25th up to the peak within the warm-up, then cosine down to a 10,000th."""
    peak, rise = recipe.learning_rate, max(1, round(steps * recipe.warm_up))
    if step < rise:
        low, share = peak / 25, step / rise
        return low + (peak - low) * (1 - math.cos(math.pi * share)) / 2
    share = (step - rise) / max(1, steps - rise)
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * share)) / 2)


class WeightAverage:
    """An exponential average of every variable, batch statistics included, with decay min(ceiling, (1 + t)/(10 + t))."""

    def __init__(self, variables: Sequence[Any], *, ceiling: float) -> None:
        self._variables = list(variables)
        self._averages = [tf.Variable(variable.value, trainable=False) for variable in variables]
        self._ceiling = ceiling
        self._steps = 0

    def update(self) -> None:
        decay = tf.constant(min(self._ceiling, (1 + self._steps) / (10 + self._steps)), tf.float32)
        self._blend(decay)
        self._steps += 1

    @tf.function
    def _blend(self, decay: tf.Tensor) -> None:
        for average, variable in zip(self._averages, self._variables, strict=True):
            average.assign(decay * average + (1 - decay) * tf.cast(variable.value, average.dtype))

    def apply(self) -> None:
        """Put the averages in the model's place."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average.numpy())


def train(
    *,
    build: Callable[[], ZooModel],
    samples: Sequence[Sample],
    recipe: Recipe,
    seed: int,
    report: Callable[[Progress], None] | None = None,
) -> ZooModel:
    """Train fresh weights on all `samples` for the recipe's epochs and return the model with averaged weights.

    There is no validation inside: the number of epochs is fixed beforehand, so no held-out image influences the result.
    """
    keras.utils.set_random_seed(seed)
    zoo_model = build()
    model = zoo_model.keras_model
    steps_per_epoch = max(1, len(samples) // recipe.batch_size)
    steps = steps_per_epoch * recipe.epochs
    optimizer = keras.optimizers.AdamW(learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=list(ADAMW_NOT_DECAYED))
    optimizer.build(model.trainable_variables)
    average = WeightAverage([*model.trainable_variables, *_statistics(model)], ceiling=recipe.average_decay)
    step_run = _step_function(model, optimizer, class_weights(np.array([s.label for s in samples]), classes=3), recipe)
    batches = _batches(samples, recipe=recipe, seed=seed, steps_per_epoch=steps_per_epoch)
    started = time.monotonic()
    losses: list[np.ndarray] = []
    for step, batch in enumerate(batches):
        optimizer.learning_rate = learning_rate_at(step, steps=steps, recipe=recipe)
        losses.append(step_run(batch.images, batch.labels, batch.cell_labels, batch.cell_weights).numpy())
        average.update()
        if (step + 1) % steps_per_epoch == 0:
            mean = np.mean(losses, axis=0)
            losses.clear()
            if not np.isfinite(mean).all():
                raise FloatingPointError(f"the loss is not finite after step {step + 1}")
            if report is not None:
                epoch = (step + 1) // steps_per_epoch
                report(Progress(epoch, recipe.epochs, float(mean[0]), float(mean[1]), time.monotonic() - started))
    average.apply()
    return zoo_model


def _statistics(model: Any) -> list[Any]:
    """The moving means and variances; seeds of dropout are variables too, and are left alone."""
    return [variable for variable in model.non_trainable_variables if variable.path.endswith(("moving_mean", "moving_variance"))]


def _step_function(model: Any, optimizer: Any, weights: np.ndarray, recipe: Recipe) -> Callable[..., Any]:
    weight_tensor = tf.constant(weights)

    @tf.function
    def step_run(images: tf.Tensor, labels: tf.Tensor, cell_labels: tf.Tensor, cell_weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            whole = image_loss(logits=outputs["logits"], labels=labels, weights=weight_tensor, smoothing=recipe.label_smoothing)
            cells = cell_loss(cells=outputs["cells"], labels=cell_labels, weights=cell_weights)
            loss = whole + recipe.cell_loss_weight * cells
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), recipe.clip_norm)
        optimizer.apply(gradients, model.trainable_variables)
        return tf.stack([whole, cells])

    return step_run


def _batches(samples: Sequence[Sample], *, recipe: Recipe, seed: int, steps_per_epoch: int) -> Iterator[Batch]:
    """Augmented batches in random order, made one thread ahead of the network (OpenCV releases the interpreter's lock)."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(PREFETCH)
    stop = threading.Event()

    def offer(item: Batch | BaseException | None) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def produce() -> None:
        random = np.random.default_rng(seed)
        try:
            for _ in range(recipe.epochs):
                order = random.permutation(len(samples))
                for step in range(steps_per_epoch):
                    chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
                    if stop.is_set():
                        return
                    offer(batch_make([samples[index] for index in chosen], random=random, recipe=recipe))
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            offer(error)
        offer(None)

    thread = threading.Thread(target=produce, name="batches", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join(timeout=10)
