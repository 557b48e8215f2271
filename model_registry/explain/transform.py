"""The Grad-CAM graph transform: a classifier in, the same classifier with a `heatmaps` output out.

Any ONNX classifier gains class heatmaps in the same run as its scores, in plain ONNX operators, whatever framework made it. The
maps are raw: not scaled, not resized, not coloured. Sources: Selvaraju 2017 (Grad-CAM), Chattopadhay 2018 (Grad-CAM++), Draelos
2020 (HiRes-CAM), Jiang 2021 (LayerCAM), Muhammad 2020 (Eigen-CAM, see explain.eigen). This module loads no files and runs no
session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import helper

from model_registry.explain.columns import columns_stack
from model_registry.explain.eigen import eigen_map
from model_registry.explain.errors import GRADIENT_FREE, ExplainError
from model_registry.explain.gradient import Gradient, gradient_of_score, node_gradient
from model_registry.explain.graph import Graph
from model_registry.explain.means import mean_emit
from model_registry.explain.rules import MEAN_RULES, RULES
from model_registry.explain.target import scores_find, target_find

Method = Literal["grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam"]
METHODS: tuple[Method, ...] = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam")
_SPATIAL = (2, 3)
PROTOBUF_BYTES_MAXIMUM = 2**31 - 1  # the checker takes no more


@dataclass(frozen=True, slots=True)
class ExplainedModel:
    """The extended model and what was chosen: `target` is the CAM layer, `scores` the tensor whose columns are explained.

    `columns` is the number of maps and `grid_hw` their size, None where the graph leaves it open. `is_class_independent` says
    that the one map is the same for every class, which whoever shows it must say too.
    """

    model: onnx.ModelProto
    method: Method
    scores: str
    target: str
    columns: int
    grid_hw: tuple[int | None, int | None]
    added_nodes: int

    @property
    def is_class_independent(self) -> bool:
        return self.method == GRADIENT_FREE


def explain_model(
    model: onnx.ModelProto,
    *,
    scores: str | None = None,
    target: str | None = None,
    method: Method = "grad-cam",
    output: str = "heatmaps",
) -> ExplainedModel:
    """Add the output `heatmaps`, (batch, columns, rows, columns of the CAM layer), ≥ 0, one raw map per column of `scores`.

    The given model is left alone. `scores` must be linear scores (logits) for the map to be Grad-CAM as published. For a single
    column two maps are added, for its negation and for itself: the classes of a lone sigmoid. "eigen-cam" adds one map for all
    classes and needs no rules. Raises NoScores, NoTarget, NoGradientRule (naming operator and node), UnknownShape.
    """
    if method not in METHODS:
        raise ExplainError(f"method {method!r} is not one of {', '.join(METHODS)}")
    graph = Graph(model)
    if graph.has(output):
        raise ExplainError(f"the model already has a tensor named {output!r}")
    scores = scores_find(graph, scores)
    target = target_find(graph, target, scores=scores)
    if target not in graph.producers:
        raise ExplainError("the CAM layer must not be the model's input")
    columns = graph.shape(scores)[1] or 1
    signs = [(0, -1.0), (0, 1.0)] if columns == 1 else [(column, 1.0) for column in range(columns)]
    count = 1 if method == GRADIENT_FREE else len(signs)
    if method == GRADIENT_FREE:
        maps = graph.emit("Reshape", eigen_map(graph, target), _maps_shape(graph, target, count))
    elif method == "grad-cam":
        maps = _weighted_maps(graph, scores, target, signs)
    else:
        maps = _pointwise_maps(graph, scores, target, signs, method)
    graph.rename(maps, output)
    before = len(graph.nodes)
    shape = graph.shape(target)
    batch = graph.shape(scores)[0]
    symbol = graph.model.graph.input[0].type.tensor_type.shape.dim[0].dim_param or "batch"
    kind = helper.np_dtype_to_tensor_dtype(graph.dtype(target))
    sizes = [batch if batch is not None else symbol, count, *shape[2:]]
    graph.model.graph.output.append(helper.make_tensor_value_info(output, kind, sizes))
    finished = graph.finish()
    if finished.ByteSize() < PROTOBUF_BYTES_MAXIMUM:
        onnx.checker.check_model(finished)
    return ExplainedModel(
        model=finished,
        method=method,
        scores=scores,
        target=target,
        columns=count,
        grid_hw=(shape[2], shape[3]),
        added_nodes=len(finished.graph.node) - before,
    )


def gradient_model(model: onnx.ModelProto, *, scores: str, target: str, output: str = "gradients") -> onnx.ModelProto:
    """Add d score / d target for every column, as outputs `gradients_0`, `gradients_1`, …, each of the target's shape.

    The plain derivative that the maps are made of, for saliency and for testing the rules. Raises as `explain_model`.
    """
    graph = Graph(model)
    for column in range(graph.shape(scores)[1] or 1):
        name = f"{output}_{column}"
        graph.rename(_full_gradient(graph, scores, column, target, axes=None), name)
        kind = helper.np_dtype_to_tensor_dtype(graph.dtype(target))
        graph.model.graph.output.append(helper.make_tensor_value_info(name, kind, [None] * len(graph.shape(target))))
    return graph.finish()


def _weighted_maps(graph: Graph, scores: str, target: str, signs: list[tuple[int, float]]) -> str:
    """Grad-CAM: ReLU of the activations' sum over channels, weighted with the spatial means of the gradients."""
    channels = graph.shape(target)[1]
    if channels is None:
        raise ExplainError(f"the number of channels of the CAM layer {target!r} is open")
    nothing = graph.add_constant(np.zeros((1, channels, 1, 1), dtype=graph.dtype(target)))
    means = {column: _mean_gradient(graph, scores, column, target) or nothing for column, _ in signs}
    weights = []
    for column, sign in signs:
        rows = graph.reshape(means[column], [-1, 1, channels])
        weights.append(rows if sign > 0 else graph.emit("Neg", rows))
    if all(graph.constant(name) is not None for name in weights):
        kernel = graph.reshape(graph.emit("Concat", *weights, axis=1), [len(signs), channels, 1, 1])
        return graph.emit("Relu", graph.emit("Conv", target, kernel))
    flat = graph.emit("Reshape", target, graph.add_integers([0, 0, -1]))
    together = columns_stack(graph, list(means.values()), channels) if len(means) == len(signs) else None
    stacked = together or graph.emit("Concat", *_same_batch(graph, weights, target), axis=1)
    maps = graph.emit("Relu", graph.emit("MatMul", stacked, flat))
    return graph.emit("Reshape", maps, _maps_shape(graph, target, len(signs)))


def _same_batch(graph: Graph, weights: list[str], target: str) -> list[str]:
    """Concat wants equal batches: weights that do not depend on the image are spread where others do."""
    batch = graph.emit("Slice", graph.emit("Shape", target), graph.add_integers([0]), graph.add_integers([1]))
    sizes = graph.emit("Concat", batch, graph.add_integers([1, 1]), axis=0)
    return [graph.emit("Expand", name, sizes) for name in weights] if _batches_may_differ(graph, weights) else weights


def _batches_may_differ(graph: Graph, weights: list[str]) -> bool:
    return any(graph.constant(name) is not None for name in weights)


def _maps_shape(graph: Graph, target: str, count: int) -> str:
    rows, columns = graph.shape(target)[2:]
    if rows is not None and columns is not None:
        return graph.add_integers([-1, count, rows, columns])
    spatial = graph.emit("Slice", graph.emit("Shape", target), graph.add_integers([2]), graph.add_integers([4]))
    return graph.emit("Concat", graph.add_integers([-1, count]), spatial, axis=0)


def _mean_gradient(graph: Graph, scores: str, column: int, target: str) -> str | None:
    """The spatial mean of d score / d target, (batch or 1, channels, 1, 1); None where the score does not depend on it."""
    _, last, reverse = gradient_of_score(graph, scores=scores, column=column, target=target, rules=RULES)
    parts: list[str] = []
    full: Gradient | None = None
    for node, outgoing in last:
        shortcut = MEAN_RULES.get(node.op_type)
        if shortcut is not None and outgoing[0] is not None and list(node.input).count(target) == 1 and node.input[0] == target:
            mean = shortcut(reverse, node, outgoing[0])
            if mean is not None:
                parts.append(mean)
                continue
        for index, contribution in node_gradient(reverse, node, outgoing, RULES).items():
            if contribution is not None and node.input[index] == target:
                full = contribution if full is None else reverse.plus(full, contribution)
    if full is not None:
        g = reverse.dense(full, target, axes=[1])
        # along a lazy axis the gradient is the same everywhere, so the mean over what is there is the mean over all
        spread = [axis for axis in _SPATIAL if axis not in g.lazy]
        parts.append(mean_emit(graph, g.name, spread, rank=len(_SPATIAL) + 2) if spread else g.name)
    total: str | None = None
    for part in parts:
        total = part if total is None else graph.emit("Add", total, part)
    return total


def _pointwise_maps(graph: Graph, scores: str, target: str, signs: list[tuple[int, float]], method: Method) -> str:
    """The methods that look at the gradient of every cell."""
    maps = []
    for column, sign in signs:
        gradients = _full_gradient(graph, scores, column, target)
        signed = gradients if sign > 0 else graph.emit("Neg", gradients)
        maps.append(_pointwise_map(graph, signed, target, method))
    return graph.emit("Concat", *maps, axis=1)


def _full_gradient(graph: Graph, scores: str, column: int, target: str, *, axes: tuple[int, ...] | None = (1, *_SPATIAL)) -> str:
    _, last, reverse = gradient_of_score(graph, scores=scores, column=column, target=target, rules=RULES)
    total: Gradient | None = None
    for node, outgoing in last:
        for index, contribution in node_gradient(reverse, node, outgoing, RULES).items():
            if contribution is not None and node.input[index] == target:
                total = contribution if total is None else reverse.plus(total, contribution)
    if total is None:
        return graph.emit("Mul", target, graph.scalar(0.0, target))
    return reverse.dense(total, target, axes=axes).name


def _pointwise_map(graph: Graph, gradients: str, target: str, method: Method) -> str:
    if method == "hires-cam":
        weighted = graph.emit("Mul", gradients, target)
    elif method == "layer-cam":
        weighted = graph.emit("Mul", graph.emit("Relu", gradients), target)
    else:
        weighted = graph.emit("Mul", _plus_plus_weights(graph, gradients, target), target)
    return graph.emit("Relu", graph.reduce("ReduceSum", weighted, [1]))


def _plus_plus_weights(graph: Graph, gradients: str, target: str) -> str:
    """Grad-CAM++ for the exponential of the score: α = g² / (2g² + ΣA·g³), weight = Σ α·ReLU(g) over the cells."""
    squared = graph.emit("Mul", gradients, gradients)
    summed = graph.reduce("ReduceSum", target, _SPATIAL)
    lower = graph.emit(
        "Add",
        graph.emit("Mul", squared, graph.scalar(2.0, target)),
        graph.emit("Mul", summed, graph.emit("Mul", squared, gradients)),
    )
    empty = graph.emit("Equal", lower, graph.scalar(0.0, target))
    safe = graph.emit("Where", empty, graph.scalar(1.0, target), lower)
    alpha = graph.emit("Div", squared, safe)
    return graph.reduce("ReduceSum", graph.emit("Mul", alpha, graph.emit("Relu", gradients)), _SPATIAL)
