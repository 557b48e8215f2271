"""What every family hands over, so that training and export need not know families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ZooModel:
    """A Keras model and what its outputs mean.

    `keras_model` maps a batch (N, *input_shape), channel-last, to a dict with at least:
    `logits` (N, classes), before the softmax, so that softmax(logits) are the model's probabilities;
    `scores` (N, targets), what each heatmap explains; `cam` (N, rows, columns, channels), the CAM layer's activations.
    """

    architecture: str
    keras_model: Any
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return int(self.keras_model.count_params())
