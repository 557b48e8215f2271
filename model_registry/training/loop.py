"""The one training loop: phases of epochs over batches, any loss plug, state after every epoch. Knows no folds and no packages.

The same seed on the same machine gives the same weights, bit for bit, broken off and taken up again or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import average_precision_score, roc_auc_score

from model_registry.training.average import WeightAverage
from model_registry.training.batches import Batch, epoch_batches, plain_batches, steps_per_epoch
from model_registry.training.config import Phase, Plateau, TrainingConfig
from model_registry.training.errors import DataRefused, Interrupted, LossNotFinite
from model_registry.training.losses import LossPlug, class_weights, loss_plug
from model_registry.training.networks import network_build, optimizer_make, phase_trainable
from model_registry.training.samples import Sample
from model_registry.training.schedules import learning_rate_at
from model_registry.training.state import (
    WEIGHTS,
    Arrays,
    RunState,
    best_forget,
    best_read,
    best_write,
    file_write,
    state_read,
    state_write,
    values_of,
    values_put,
)
from model_registry.zoo.model import ZooModel
from model_registry.zoo.weights import weights_to_bytes

HIGHER_IS_BETTER = frozenset({"val_auc", "val_pr_auc"})


@dataclass(frozen=True, slots=True)
class Progress:
    """After an epoch: `figures` are its mean losses and, with a monitor, the watched patients' figures."""

    phase: int
    epoch: int
    epochs: int
    figures: dict[str, float]
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class Input:
    """What a batch looks like: one image's shape, whether its last channel is a breast mask, and the value of white."""

    shape: tuple[int, int, int]
    has_mask: bool
    full_scale: float


class Fit:
    """One network being trained in one folder. Use `network_fit`."""

    def __init__(
        self,
        *,
        config: TrainingConfig,
        given: Input,
        training: Sequence[Sample],
        watched: Sequence[Sample],
        folder: Path,
        steps: int | None,
    ) -> None:
        tf.config.experimental.enable_op_determinism()
        self.config, self.given, self.training, self.watched, self.folder = config, given, training, watched, folder
        self.zoo_model = network_build(config, input_shape=given.shape, seed=config.seed, precision=config.precision)
        self.plug: LossPlug = loss_plug(config)
        self.model = _with_layers(self.zoo_model, self.plug.layers)
        self.weights = class_weights(np.array([sample.label for sample in training]), config=config)
        self.steps = steps or steps_per_epoch(len(training), batch_size=config.batch_size)
        averaged = [v for v in self.zoo_model.keras_model.variables if "seed_generator" not in v.path]
        ceiling = config.optimizer.average_decay
        self.average = None if ceiling is None else WeightAverage(averaged, ceiling=ceiling)
        self.state = RunState()

    def run(self, *, report: Callable[[Progress], None], stop: Callable[[], bool]) -> ZooModel:
        """Train from the state on disk to the end. Raises LossNotFinite, Interrupted, DataRefused, RunRefused."""
        found = state_read(self.folder)
        if found is not None:
            self.state = found[0]
        stored = None if found is None else found[1]
        for index in range(self.state.phase, len(self.config.phases)):
            phase = self.config.phases[index]
            phase_trainable(self.zoo_model, phase)
            optimizer = optimizer_make(
                self.config.optimizer, learning_rate=phase.learning_rate, variables=self.model.trainable_variables
            )
            if stored is not None:
                self._take_up(stored, optimizer)
                stored = None
            self._phase(phase, optimizer, report=report, stop=stop)
            if self.config.early_stopping and self.config.early_stopping.restore_best and self.state.best_epoch:
                self._best_restore()
            self.state.phase, self.state.phase_epoch = index + 1, 0
            self.state.stale, self.state.plateau_stale, self.state.rate_factor = 0, 0, 1.0
            self._save(None)
        if self.average is not None:
            self.average.apply()
        return self.zoo_model

    def _take_up(self, stored: Arrays, optimizer: Any) -> None:
        values_put(self.zoo_model.keras_model.variables, stored.model)
        if stored.optimizer:
            values_put(optimizer.variables, stored.optimizer)
        if self.average is not None:
            self.average.restore(stored.average, steps=self.state.average_steps)

    def _phase(self, phase: Phase, optimizer: Any, *, report: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        step_run, look = _step_function(self.model, optimizer, self.plug, self.weights, self.config), None
        started = time.monotonic()
        stopping = self.config.early_stopping
        while self.state.phase_epoch < phase.epochs:
            if stopping and stopping.patience and self.state.stale >= stopping.patience:
                return
            figures = self._epoch(phase, optimizer, step_run)
            if self.watched:
                look = look or _look_function(self.model, self.plug, self.weights)
                figures |= self._watch(look)
            self.state.phase_epoch += 1
            self.state.epoch += 1
            self.state.history.append({"epoch": self.state.epoch, "phase": self.state.phase + 1, **figures})
            improved = self._judge(figures)
            self._save(optimizer)
            if improved:
                best_forget(self.folder, keep=self.state.best_epoch)
            report(Progress(self.state.phase, self.state.epoch, self.config.epochs, figures, time.monotonic() - started))
            if stop():
                raise Interrupted(f"stopped after epoch {self.state.epoch} of {self.config.epochs}; its state is kept")

    def _epoch(self, phase: Phase, optimizer: Any, step_run: Callable[[Batch], Any]) -> dict[str, float]:
        steps, rows, rate = self.steps, [], phase.learning_rate
        batches = epoch_batches(
            self.training,
            config=self.config,
            plug=self.plug,
            epoch=self.state.epoch,
            steps=steps,
            has_mask=self.given.has_mask,
            full_scale=self.given.full_scale,
        )
        for step, batch in enumerate(batches):
            position = self.state.phase_epoch * steps + step
            rate = learning_rate_at(position, steps=phase.epochs * steps, peak=phase.learning_rate, schedule=self.config.schedule)
            rate *= self.state.rate_factor
            optimizer.learning_rate = rate
            terms = {name: float(value) for name, value in step_run(_tensors(batch)).items()}
            if not np.isfinite(list(terms.values())).all():
                raise LossNotFinite(
                    f"the loss is {terms} in epoch {self.state.epoch + 1}, step {step + 1}. Lower phases.learning_rate, set "
                    "optimizer.clip_norm, or look for broken images; the state of the epoch before is kept"
                )
            if self.average is not None:
                self.average.update()
            rows.append(terms)
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return {"loss": sum(means.values()), **(means if len(means) > 1 else {}), "learning_rate": rate}

    def _watch(self, look: Callable[[Batch], Any]) -> dict[str, float]:
        """Figures of the patients set aside, by the averaged weights where there are such."""
        losses, logits = [], []
        with self._averaged():
            for batch in plain_batches(self.watched, config=self.config, plug=self.plug):
                loss, found = look(_tensors(batch))
                losses.append(float(loss) * len(batch["label"]))
                logits.append(found.numpy())
        classes = [self.config.model.labels.index(name) for name in self.config.output.suspicion_classes]
        positive = np.isin([sample.label for sample in self.watched], classes)
        joined = np.concatenate(logits).astype(np.float64)
        if not np.isfinite(joined).all():
            raise LossNotFinite("the network's answers on the watched patients are not finite; lower phases.learning_rate")
        exponents = np.exp(joined - joined.max(axis=1, keepdims=True))
        suspicion = (exponents / exponents.sum(axis=1, keepdims=True))[:, classes].sum(axis=1)
        found = {"val_loss": sum(losses) / len(self.watched)}
        if 0 < positive.sum() < len(positive):
            found["val_auc"] = float(roc_auc_score(positive, suspicion))
            found["val_pr_auc"] = float(average_precision_score(positive, suspicion))
        return found

    def _averaged(self) -> Any:
        return _Swapped(self.average)

    def _judge(self, figures: dict[str, float]) -> bool:
        """Count improvements for early stopping and the plateau; keep the best weights. Returns whether they are new."""
        state, schedule, stopping = self.state, self.config.schedule, self.config.early_stopping
        if isinstance(schedule, Plateau):
            value = _figure(figures, schedule.monitor)
            if state.plateau_best is None or _is_better(value, state.plateau_best, schedule.monitor):
                state.plateau_best, state.plateau_stale = value, 0
            else:
                state.plateau_stale += 1
            if state.plateau_stale >= schedule.patience:
                lowest = schedule.minimum / self.config.phases[state.phase].learning_rate
                state.rate_factor, state.plateau_stale = max(state.rate_factor * schedule.factor, lowest), 0
        if stopping is None:
            return False
        value = _figure(figures, stopping.monitor)
        if state.best_value is not None and not _is_better(value, state.best_value, stopping.monitor):
            state.stale += 1
            return False
        state.best_value, state.best_epoch, state.stale = value, state.epoch, 0
        average = [] if self.average is None else self.average.values()
        best_write(self.folder, epoch=state.epoch, model=values_of(self.zoo_model.keras_model.variables), average=average)
        return True

    def _best_restore(self) -> None:
        model, average = best_read(self.folder, epoch=self.state.best_epoch)
        values_put(self.zoo_model.keras_model.variables, model)
        if self.average is not None:
            self.average.restore(average, steps=self.state.average_steps)

    def _save(self, optimizer: Any) -> None:
        self.state.average_steps = 0 if self.average is None else self.average.steps
        arrays = Arrays(
            model=values_of(self.zoo_model.keras_model.variables),
            optimizer=[] if optimizer is None else values_of(optimizer.variables),
            average=[] if self.average is None else self.average.values(),
        )
        state_write(self.folder, state=self.state, arrays=arrays)


def network_fit(
    *,
    config: TrainingConfig,
    given: Input,
    training: Sequence[Sample],
    watched: Sequence[Sample],
    folder: Path,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    steps: int | None = None,
) -> Path:
    """Train in `folder`, from its state if there is one; `weights.npz` there is the finished network. Returns its path.

    `watched` are training patients set aside for the monitor; nothing of any other image is looked at. `steps` an epoch, where
    fewer than all. Raises LossNotFinite, Interrupted, DataRefused, RunRefused, ConfigRefused.
    """
    path = folder / WEIGHTS
    if path.exists():
        return path
    fit = Fit(config=config, given=given, training=training, watched=watched, folder=folder, steps=steps)
    zoo_model = fit.run(report=report, stop=stop)
    file_write(path, weights_to_bytes(zoo_model.keras_model))
    best_forget(folder, keep=0)
    return path


class _Swapped:
    """Puts the averaged weights in the network's place for a while."""

    def __init__(self, average: WeightAverage | None) -> None:
        self._average = average

    def __enter__(self) -> None:
        if self._average is not None:
            self._kept = self._average.swap()

    def __exit__(self, *_: object) -> None:
        if self._average is not None:
            self._average.unswap(self._kept)


def _figure(figures: dict[str, float], name: str) -> float:
    if name not in figures:
        raise DataRefused(f"{name} is not defined: the watched patients are all of one kind. Raise validation.monitor_fraction")
    return figures[name]


def _is_better(value: float, best: float, monitor: str) -> bool:
    return value > best if monitor in HIGHER_IS_BETTER else value < best


def _tensors(batch: Batch) -> dict[str, Any]:
    return {name: tf.constant(value) for name, value in batch.items()}


def _with_layers(zoo_model: ZooModel, layers: Sequence[str]) -> Any:
    model = zoo_model.keras_model
    if not layers:
        return model
    return keras.Model(model.input, {**model.output, **{name: model.get_layer(name).output for name in layers}})


def _terms(model: Any, outputs: Any, batch: Any, plug: LossPlug, weights: Any) -> dict[str, Any]:
    outputs = {name: tf.cast(value, tf.float32) for name, value in outputs.items()}
    terms = plug.terms(outputs, {name: value for name, value in batch.items() if name != "image"}, weights)
    if model.losses:
        terms = {**terms, "penalty": tf.add_n([tf.cast(loss, tf.float32) for loss in model.losses])}
    return terms


def _step_function(model: Any, optimizer: Any, plug: LossPlug, weights: np.ndarray, config: TrainingConfig) -> Callable[..., Any]:
    weight_tensor, clip_norm = tf.constant(weights), config.optimizer.clip_norm
    variables = model.trainable_variables

    @tf.function(reduce_retracing=True)
    def step_run(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            terms = _terms(model, model(batch["image"], training=True), batch, plug, weight_tensor)
            loss = tf.add_n(list(terms.values()))
        gradients = tape.gradient(loss, variables)
        if clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
        optimizer.apply(gradients, variables)
        return terms

    return step_run


def _look_function(model: Any, plug: LossPlug, weights: np.ndarray) -> Callable[..., Any]:
    weight_tensor = tf.constant(weights)

    @tf.function(reduce_retracing=True)
    def look(batch: Any) -> Any:
        outputs = model(batch["image"], training=False)
        return tf.add_n(list(_terms(model, outputs, batch, plug, weight_tensor).values())), outputs["logits"]

    return look
