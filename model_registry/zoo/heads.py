"""From a CAM layer to logits and scores: the heads that families share. Knows no family.

With "softmax" every label has a logit. With "sigmoid" there are two labels and one unit z, the second label's log-odds.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import layers, ops

from model_registry.zoo.errors import WrongLabels

Activation = Literal["softmax", "sigmoid"]
Head = Literal["flatten", "average", "average-dense"]


@keras.saving.register_keras_serializable(package="mammoserve")
class SigmoidScores(layers.Layer):
    """One logit z (N, 1) → (N, 2). "logits": [0, z], whose softmax is [1 − σ(z), σ(z)]; "scores": [−z, z], for the maps."""

    def __init__(self, form: str, **options: Any) -> None:
        super().__init__(**options)
        if form not in ("logits", "scores"):
            raise ValueError(f"form must be “logits” or “scores”, not {form!r}")
        self.form = form

    def call(self, z: Any) -> Any:
        return ops.concatenate([ops.zeros_like(z) if self.form == "logits" else -z, z], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "form": self.form}


def labels_check(*, classes: tuple[str, ...], activation: str) -> None:
    """Raises WrongLabels."""
    if activation not in ("softmax", "sigmoid"):
        raise WrongLabels(f"the activation is “softmax” or “sigmoid”, not {activation!r}")
    if len(classes) < 2 or len(set(classes)) != len(classes) or not all(classes):
        raise WrongLabels(f"at least two different labels are needed, not {classes!r}")
    if activation == "sigmoid" and len(classes) != 2:
        raise WrongLabels(f"one sigmoid tells two labels apart, not {len(classes)}")


def units_count(*, classes: tuple[str, ...], activation: Activation) -> int:
    return 1 if activation == "sigmoid" else len(classes)


def outputs_of_units(units: Any, *, activation: Activation) -> dict[str, Any]:
    """`units` (N, 1) or (N, classes), linear, as the model's outputs `logits` and `scores`."""
    if activation == "sigmoid":
        return {name: SigmoidScores(name, name=name)(units) for name in ("logits", "scores")}
    return {"logits": layers.Identity(name="logits")(units), "scores": layers.Identity(name="scores")(units)}


def outputs_attach(features: Any, *, classes: tuple[str, ...], activation: Activation) -> dict[str, Any]:
    """The last dense layer over `features` (N, F), and the outputs `logits` and `scores`."""
    units = layers.Dense(units_count(classes=classes, activation=activation), name="logit")(features)
    return outputs_of_units(units, activation=activation)


def head_features(tensor: Any, *, head: Head, dropout: float = 0.0) -> Any:
    """A map (N, rows, columns, C) as features (N, F), for bases without a top of their own."""
    if head == "flatten":
        return layers.Flatten(name="flatten")(tensor)
    pooled = layers.GlobalAveragePooling2D(name="pool")(tensor)
    if head == "average-dense":
        return layers.Dense(64, activation="relu", name="dense")(layers.Dropout(0.5, name="dropout")(pooled))
    return layers.Dropout(dropout, name="dropout")(pooled) if dropout else pooled
