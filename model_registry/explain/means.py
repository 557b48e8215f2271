"""The mean of a gradient without the gradient: a mean over axes is moved back through the nodes that made its argument.

Grad-CAM wants one number per channel, the gradient's spatial mean, yet a head that flattens its features makes a gradient of
their full size. A mean commutes with everything linear along its axes: moved back to a dense layer it becomes a mean of that
layer's weights, worked out once, and what is left to run is hundreds of times smaller. What the mean no longer needs is dropped
from the finished graph. It knows no rules and no methods; where it finds no way it emits the mean itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from model_registry.explain.graph import Graph, attribute

Step = Callable[[Graph, onnx.NodeProto, list[int], int], str | None]


def mean_emit(graph: Graph, name: str, axes: Sequence[int], *, rank: int) -> str:
    """The mean of the added tensor `name`, of that rank, over `axes`, which stay in place at size 1.

    An axis along which the tensor is spread lazily, at size 1, may be among them: its mean is itself.
    """
    wanted = sorted(axes)
    node = graph.added_by(name)
    if wanted == [2, 3] and name in graph.totals:
        total = graph.totals[name]
        return graph.emit("Mul", mean_emit(graph, total.of, wanted, rank=rank), total.ratio)
    step = _STEPS.get(node.op_type) if node is not None else None
    moved = step(graph, node, wanted, rank) if step is not None and node is not None else None
    return graph.reduce("ReduceMean", name, wanted) if moved is None else moved


def _product(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    """A factor that is the same along the axes goes in front of the mean."""
    gradient, factor = node.input
    if not graph.has_shape(factor):
        return None
    shape = graph.shape(factor)
    offset = rank - len(shape)
    if any(axis >= offset and shape[axis - offset] != 1 for axis in axes):
        return None
    return graph.emit(node.op_type, mean_emit(graph, gradient, axes, rank=rank), factor)


def _sum(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    return graph.emit(node.op_type, *(mean_emit(graph, name, axes, rank=rank) for name in node.input))


def _negated(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    return graph.emit("Neg", mean_emit(graph, node.input[0], axes, rank=rank))


def _transposed(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    permutation = list(attribute(node, "perm"))
    mean = mean_emit(graph, node.input[0], [permutation[axis] for axis in axes], rank=rank)
    maker = graph.added_by(mean)
    sizes = graph.constant(maker.input[1]) if maker is not None and maker.op_type == "Reshape" else None
    if maker is not None and sizes is not None and permutation[0] == 0 and sizes[0] == -1 and (sizes != 1).sum() <= 2:
        # with one axis left beside the batch, no element changes places
        return graph.reshape(maker.input[0], [int(sizes[axis]) for axis in permutation])
    return graph.emit("Transpose", mean, perm=permutation)


def _spread(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    """What is the same everywhere is its own mean; it stays spread along the other axes."""
    sizes = graph.constant(node.input[1])
    if sizes is None or sizes.size != rank:
        return None
    mean = mean_emit(graph, node.input[0], axes, rank=rank)
    rest = [1 if axis in axes else int(size) for axis, size in enumerate(sizes)]
    return mean if all(size == 1 for size in rest) else graph.emit("Expand", mean, graph.add_integers(rest))


def _reshaped(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    """Axes that only now appear at size 1 are their own mean; those that a dense layer's outputs unfold into are its weights'."""
    target = graph.constant(node.input[1])
    if target is None or target[0] != -1 or 0 in axes or target.size != rank:
        return None
    sizes = [int(size) for size in target[1:]]
    if all(sizes[axis - 1] == 1 for axis in axes):
        return node.output[0]
    maker = graph.added_by(node.input[0])
    if maker is None or maker.op_type != "Gemm" or len(maker.input) != 2 or attribute(maker, "transA", 0):
        return None
    weights = graph.constant(maker.input[1])
    if weights is None:
        return None
    by_output = weights if attribute(maker, "transB", 0) else weights.T
    if by_output.shape[0] != np.prod(sizes):
        return None
    mean = by_output.reshape(*sizes, -1).mean(axis=tuple(axis - 1 for axis in axes), dtype=np.float64)
    rest = [1 if axis in axes else size for axis, size in enumerate(sizes, start=1)]
    small = graph.add_constant(mean.reshape(-1, by_output.shape[1]).astype(weights.dtype))
    alpha = attribute(maker, "alpha", 1.0)
    return graph.reshape(graph.emit("Gemm", maker.input[0], small, transB=1, alpha=alpha), [-1, *rest])


def _transposed_convolution(graph: Graph, node: onnx.NodeProto, axes: list[int], rank: int) -> str | None:
    """Of a 1x1 convolution without steps: every place is treated alike."""
    if axes != list(range(2, rank)) or not graph.has_shape(node.input[1]):
        return None
    alike = all(size == 1 for size in graph.shape(node.input[1])[2:]) and set(attribute(node, "strides", [1])) == {1}
    if not alike or any(attribute(node, "pads", [0])) or any(attribute(node, "output_padding", [0])):
        return None
    mean = mean_emit(graph, node.input[0], axes, rank=rank)
    return graph.emit("ConvTranspose", mean, node.input[1], group=attribute(node, "group", 1))


_STEPS: dict[str, Step] = {
    "Mul": _product,
    "Div": _product,
    "Add": _sum,
    "Sub": _sum,
    "Neg": _negated,
    "Transpose": _transposed,
    "Expand": _spread,
    "Reshape": _reshaped,
    "ConvTranspose": _transposed_convolution,
}
