"""The network a configuration names, which of its layers learn, and what makes it learn. Knows no data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from model_registry.training.config import LastLayers, OptimizerSection, Phase, TopFraction, TrainingConfig
from model_registry.training.errors import ConfigRefused
from model_registry.zoo.dog_fpn import dog_fpn_build
from model_registry.zoo.errors import ZooError
from model_registry.zoo.fine_tuning import base_trainable
from model_registry.zoo.model import ZooModel
from model_registry.zoo.registry import zoo_build, zoo_names
from model_registry.zoo.weights import weights_from_bytes

DOG_FPN = "dog-fpn"


def families() -> tuple[str, ...]:
    """All families a configuration may name."""
    return tuple(dict.fromkeys((DOG_FPN, *zoo_names())))


def network_build(
    config: TrainingConfig, *, input_shape: tuple[int, int, int], seed: int = 0, precision: str = "float32"
) -> ZooModel:
    """The network with its first weights: fresh from `seed`, but for those from the files the configuration names.

    Keras's names start over, so that weights are found by name whatever was built before in this process. Raises ConfigRefused.
    """
    section = config.model
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    try:
        if section.family == DOG_FPN:
            zoo_model = _dog_fpn(config, input_shape=input_shape)
        else:
            zoo_model = zoo_build(
                section.family,
                classes=section.labels,
                activation=section.activation,
                input_shape=input_shape,
                weights_path=None if section.weights_path is None else Path(section.weights_path),
                **section.options,
            )
        if section.init_path is not None:
            weights_from_bytes(zoo_model.keras_model, Path(section.init_path).read_bytes())
    except (ZooError, ValueError, TypeError, OSError) as problem:
        raise ConfigRefused(f"model: {problem}") from problem
    finally:
        keras.config.set_dtype_policy("float32")
    if any(phase.trainable != "all" for phase in config.phases) and not zoo_model.base_layers:
        raise ConfigRefused(f"phases: {section.family} has no pretrained base, so `trainable` must be all")
    return zoo_model


def _dog_fpn(config: TrainingConfig, *, input_shape: tuple[int, int, int]) -> ZooModel:
    section = config.model
    if section.weights_path is not None:
        raise ConfigRefused(f"{DOG_FPN} has no pretrained base: take model.weights_path away, or use model.init_path")
    zoo_model = dog_fpn_build(input_shape=input_shape, **section.options)
    if section.labels != zoo_model.classes or section.activation != "softmax":
        raise ConfigRefused(f"{DOG_FPN} has the labels {', '.join(zoo_model.classes)} and a softmax")
    return zoo_model


def phase_trainable(zoo_model: ZooModel, phase: Phase) -> None:
    """Freeze and thaw the base's layers as the phase says; whatever stands behind the base always learns."""
    if phase.trainable == "all":
        zoo_model.keras_model.trainable = True
    elif phase.trainable == "head":
        base_trainable(zoo_model, last=0)
    elif isinstance(phase.trainable, LastLayers):
        base_trainable(zoo_model, last=min(phase.trainable.last, len(zoo_model.base_layers)))
    elif isinstance(phase.trainable, TopFraction):
        base_trainable(zoo_model, fraction=phase.trainable.fraction)


def optimizer_make(settings: OptimizerSection, *, learning_rate: float, variables: Sequence[Any]) -> Any:
    """A built optimizer over `variables`; weight decay leaves alone what is no kernel."""
    if settings.name == "sgd":
        optimizer = keras.optimizers.SGD(
            learning_rate, momentum=settings.momentum, nesterov=settings.nesterov, weight_decay=settings.weight_decay or None
        )
    elif settings.name == "adamw":
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=settings.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if not variable.path.endswith("kernel")])
    optimizer.build(variables)
    return optimizer
