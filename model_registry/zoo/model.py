"""What every family hands over, so that training and export need not know families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["classification", "segmentation"]


@dataclass(frozen=True, slots=True)
class ZooModel:
    """A Keras model and what its outputs mean.

    `keras_model` maps a batch (N, *input_shape), channel-last, to a dict with at least:
    `logits` (N, classes), before the softmax, so that softmax(logits) are the model's probabilities;
    `scores` (N, targets), what each heatmap explains; `cam` (N, rows, columns, channels), the CAM layer's activations.
    A segmentation model adds `mask` (N, rows, columns, 1 or classes), probabilities per pixel.

    `input_range` is what the first layer expects of a pixel; `base_layers` names the layers of a pretrained base, in order, empty
    where there is none; `note` is what a model card must say about the architecture.
    """

    architecture: str
    keras_model: Any
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    targets: tuple[str, ...]
    input_range: tuple[float, float] = (0.0, 1.0)
    base_layers: tuple[str, ...] = ()
    task: Task = "classification"
    note: str = ""

    @property
    def parameters(self) -> int:
        return int(self.keras_model.count_params())
