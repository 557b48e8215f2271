"""Eigen-CAM: where the activations' strongest common pattern is, without any gradient.

The map is the projection of every cell on the first principal direction of the channels (uncentred, as in Muhammad and Yeasin
2020). It is the same whichever class is asked for, so it is one map and never one per class: it shows what the network looks
at, not what speaks for a finding. The direction is found by power iteration, unrolled into ordinary operators.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from model_registry.explain.errors import ExplainError
from model_registry.explain.graph import Graph

# each step shrinks what is left of the second direction by (second / first singular value)²: at a ratio of 0.9 to 0.03 in all
STEPS = 16


def eigen_map(graph: Graph, target: str) -> str:
    """The map of `target` (batch, channels, rows, columns) as the tensor (batch, 1, rows · columns), ≥ 0.

    The sign, which a principal direction leaves open, is the one with which the map goes along with the mean activation. Where
    nothing is active the map is zero. Half precision is lifted to single, whose range the squares need.
    """
    channels = graph.shape(target)[1]
    if channels is None:
        raise ExplainError(f"the number of channels of the CAM layer {target!r} is open")
    kind = graph.dtype(target)
    cells = graph.emit("Reshape", target, graph.add_integers([0, 0, -1]))
    if kind == np.float16:
        cells = graph.emit("Cast", cells, to=TensorProto.FLOAT)
    working = np.dtype(np.float32) if kind == np.float16 else kind
    channels_last = graph.emit("Transpose", cells, perm=[0, 2, 1])
    # uneven, so that no pattern of a real network is exactly at right angles to the start
    start = np.random.default_rng(0).uniform(0.5, 1.5, (1, 1, channels)).astype(working)
    direction = graph.add_constant(start)
    smallest = graph.add_constant(np.asarray(np.finfo(working).tiny, dtype=working))
    for _ in range(STEPS):
        moved = graph.emit("MatMul", graph.emit("MatMul", direction, cells), channels_last)
        length = graph.emit("Max", graph.reduce("ReduceL2", moved, [2]), smallest)
        direction = graph.emit("Div", moved, length)
    projection = graph.emit("MatMul", direction, cells)
    mean = graph.reduce("ReduceMean", cells, [1])
    agreement = graph.reduce("ReduceSum", graph.emit("Mul", projection, mean), [2])
    negative = graph.emit("Less", agreement, graph.add_constant(np.asarray(0, dtype=working)))
    minus, plus = (graph.add_constant(np.asarray(value, dtype=working)) for value in (-1, 1))
    signed = graph.emit("Relu", graph.emit("Mul", projection, graph.emit("Where", negative, minus, plus)))
    return signed if working == kind else graph.emit("Cast", signed, to=helper.np_dtype_to_tensor_dtype(kind))
