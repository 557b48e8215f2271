"""Rules of reductions over axes."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule


def _axes(reverse: Reverse, node: onnx.NodeProto) -> list[int]:
    """The reduced axes, from the attribute or from the second input, counted from the front."""
    rank = len(reverse.shape(node.input[0]))
    axes = attribute(node, "axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        constant = reverse.graph.constant(node.input[1])
        if constant is None:
            raise reverse.refuse(node, "its axes are computed at run time")
        axes = [int(axis) for axis in constant.ravel()]
    if not axes:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(axis % rank for axis in axes)


def _kept(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient, axes: Sequence[int]) -> Gradient:
    """The gradient with the reduced axes back in place, at size 1; they count as lazy."""
    if attribute(node, "keepdims", 1):
        return Gradient(gradient.name, gradient.lazy | set(axes))
    rank = len(reverse.shape(node.input[0]))
    remaining = [axis for axis in range(rank) if axis not in axes]
    name = reverse.emit("Unsqueeze", gradient.name, reverse.graph.add_integers(axes))
    return Gradient(name, frozenset({remaining[axis] for axis in gradient.lazy} | set(axes)))


def _result_kept(reverse: Reverse, node: onnx.NodeProto, axes: Sequence[int]) -> str:
    if attribute(node, "keepdims", 1):
        return node.output[0]
    return reverse.emit("Unsqueeze", node.output[0], reverse.graph.add_integers(axes))


def mean_spread(reverse: Reverse, gradient: Gradient, *, source: str, axes: Sequence[int]) -> Gradient:
    """The gradient of a mean over `axes`, given with those axes at size 1: the same share everywhere, so it stays lazy."""
    count = reverse.static_count(source, axes)
    if count is None:
        share = reverse.emit("Div", gradient.name, reverse.axes_count(source, axes))
    else:  # a factor rather than a divisor: in half precision the number of elements may be infinite
        share = reverse.emit("Mul", gradient.name, reverse.graph.scalar(1.0 / count, source))
    return reverse.like(Gradient(share, gradient.lazy | set(axes)), source)


def maximum_share(reverse: Reverse, gradient: Gradient, *, source: str, extreme: str, axes: Sequence[int]) -> Gradient:
    """The gradient of a maximum over `axes`; elements equal to it share it, as in TensorFlow's reduce_max."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(reverse.graph.dtype(source))
    mask = reverse.emit("Cast", reverse.emit("Equal", source, extreme), to=kind)
    share = reverse.emit("Div", gradient.name, reverse.graph.reduce("ReduceSum", mask, axes))
    shape = reverse.shape(source)
    # the share has the mask's size along every axis that is not reduced, so nothing is lazy after the product
    return reverse.like(reverse.times(Gradient(share), mask, shape, rank=len(shape)), source)


@rule("ReduceMean")
def reduce_mean(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    axes = _axes(reverse, node)
    if not axes:
        return {0: gradient}
    return {0: mean_spread(reverse, _kept(reverse, node, gradient, axes), source=node.input[0], axes=axes)}


@rule("ReduceSum")
def reduce_sum(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    axes = _axes(reverse, node)
    return {0: reverse.like(_kept(reverse, node, gradient, axes), node.input[0]) if axes else gradient}


@rule("ReduceMax", "ReduceMin")
def reduce_extreme(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    axes = _axes(reverse, node)
    kept = _kept(reverse, node, gradient, axes)
    return {0: maximum_share(reverse, kept, source=node.input[0], extreme=_result_kept(reverse, node, axes), axes=axes)}


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Each element's share is e^(x − y)."""
    axes = _axes(reverse, node)
    kept = _kept(reverse, node, gradient, axes)
    shares = reverse.emit("Exp", reverse.emit("Sub", node.input[0], _result_kept(reverse, node, axes)))
    shape = reverse.shape(node.input[0])
    return {0: reverse.times(kept, shares, shape, rank=len(shape))}


@rule("ReduceL1")
def reduce_absolutes(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    kept = _kept(reverse, node, gradient, _axes(reverse, node))
    shape = reverse.shape(node.input[0])
    return {0: reverse.times(kept, reverse.emit("Sign", node.input[0]), shape, rank=len(shape))}


@rule("ReduceSumSquare", "ReduceL2")
def reduce_squares(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    axes = _axes(reverse, node)
    source = node.input[0]
    kept = _kept(reverse, node, gradient, axes)
    if node.op_type == "ReduceL2":
        kept = Gradient(reverse.emit("Div", kept.name, _result_kept(reverse, node, axes)), frozenset(axes))
    else:
        kept = reverse.scaled(kept, 2.0, source)
    shape = reverse.shape(source)
    return {0: reverse.times(kept, source, shape, rank=len(shape))}
