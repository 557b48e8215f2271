"""A real segmentation package whose mask is known by construction: the picture's own brightness, cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ("no lesion", "lesion")


def mask_model(*, gain: float = 1.0, side: int = 32, cell: int = 2) -> bytes:
    """(N, side, side, 1) in; mask (N, 1, side / cell, side / cell) = gain × the mean of each cell. The lesion's logit is
    20 max mask - 10, the background's 0."""

    def const(name: str, values: Any, dtype: type = np.float32) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values, dtype), name)

    nodes = [
        helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["means"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Mul", ["means", "gain"], ["heatmaps"]),
        helper.make_node("ReduceMax", ["heatmaps", "hw"], ["max"], keepdims=0),
        helper.make_node("Mul", ["max", "slope"], ["slopes"]),
        helper.make_node("Add", ["slopes", "offset"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    initializers = [
        const("hw", [2, 3], np.int64),
        const("gain", gain),
        const("slope", [[0.0, 20.0]]),
        const("offset", [[0.0, -10.0]]),
    ]
    grid = side // cell
    graph = helper.make_graph(
        nodes,
        "mask",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", side, side, 1])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 1, grid, grid]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def mask_fields(*, grid_hw: tuple[int, int] = (16, 16), **changes: Any) -> dict[str, Any]:
    """What the manifest of such a package declares, for `tiny_package` and `Bench.package_add`."""
    return {
        "task": "segmentation",
        "title": "A mask that is known",
        "classes": CLASSES,
        "explanation": {
            "method": "mask",
            "targets": ("lesion",),
            "cam_layer": "heatmaps",
            "grid_hw": grid_hw,
            "reference_maximum": {"lesion": 1.0},
        },
        "suspicion": {"classes": ("lesion",), "target": "lesion", "threshold": 0.5},
    } | changes
