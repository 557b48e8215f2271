"""What exporting and importing hand over to packaging. Imports no training framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import onnx

from model_registry.explain import Method
from model_registry.packaging.manifest import TensorNames

OPSET = 17
SUSPICION = "suspicion"  # the map that explains several suspicion classes together
MapMethod = Method | Literal["mask"]


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """`plain` has logits and probabilities; `explained` the heatmaps as well. `cam_layer` is the tensor they are taken at.

    `targets` names the maps in order and `method` says what they are. `input_shape` is one image as the graph takes it.
    `batch_sizes` is None for a dynamic batch, else what the graph admits.
    """

    plain: onnx.ModelProto
    explained: onnx.ModelProto
    cam_layer: str
    grid_hw: tuple[int, int]
    targets: tuple[str, ...] = ()
    method: MapMethod = "grad-cam"
    input_shape: tuple[int, int, int] = (0, 0, 0)
    output_activation: Literal["softmax", "sigmoid"] = "softmax"
    tensors: TensorNames = field(default_factory=TensorNames)
    batch_sizes: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
