"""Rules of linear operators: Gemm, MatMul, Conv and batch normalisation with fixed statistics."""

from __future__ import annotations

import numpy as np
import onnx

from model_registry.explain.errors import UnknownShape
from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import mean_rule, rule
from model_registry.explain.rules.window import window_of


@rule("Gemm")
def gemm(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Y = α·A'·B' + β·C."""
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    swap_a, swap_b = attribute(node, "transA", 0), attribute(node, "transB", 0)
    first, second = node.input[:2]
    found: Contributions = {}
    if reverse.wants(node, 0):
        g = reverse.dense(gradient, node.output[0], axes=[1, *([0] if swap_a else [])])
        if swap_a:
            found[0] = Gradient(reverse.emit("Gemm", second, g.name, transA=swap_b, transB=1, alpha=alpha))
        else:
            found[0] = Gradient(reverse.emit("Gemm", g.name, second, transB=1 - swap_b, alpha=alpha), g.lazy)
    if reverse.wants(node, 1):
        g = reverse.dense(gradient, node.output[0])
        inputs = (g.name, first) if swap_b else (first, g.name)
        swaps = {"transA": 1, "transB": swap_a} if swap_b else {"transA": 1 - swap_a, "transB": 0}
        found[1] = Gradient(reverse.emit("Gemm", *inputs, alpha=alpha, **swaps))
    if reverse.wants(node, 2):
        g = reverse.scaled(gradient, beta, node.output[0])
        found[2] = reverse.unbroadcast(g, operand=node.input[2], result=node.output[0])
    return found


@rule("MatMul")
def matmul(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    first, second = node.input
    result = node.output[0]
    ranks = len(reverse.shape(first)), len(reverse.shape(second))
    if min(ranks) < 2:
        raise reverse.refuse(node, "a vector operand is not covered")
    rank = max(ranks)
    found: Contributions = {}
    if reverse.wants(node, 0):
        if ranks == (2, 2):
            g = reverse.dense(gradient, result, axes=[1])
            found[0] = Gradient(reverse.emit("Gemm", g.name, second, transB=1), g.lazy)
        else:
            g = reverse.dense(gradient, result, axes=[rank - 1])
            lazy = g.lazy if ranks[1] == 2 else g.lazy & {rank - 2}
            product = Gradient(reverse.emit("MatMul", g.name, _swapped(reverse, second, ranks[1])), lazy)
            found[0] = _stack_sum(reverse, product, operand=first, result=result)
    if reverse.wants(node, 1):
        g = reverse.dense(gradient, result, axes=[rank - 2])
        lazy = g.lazy & {rank - 1}
        product = Gradient(reverse.emit("MatMul", _swapped(reverse, first, ranks[0]), g.name), lazy)
        found[1] = _stack_sum(reverse, product, operand=second, result=result)
    return found


def _swapped(reverse: Reverse, name: str, rank: int) -> str:
    return reverse.emit("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])


def _stack_sum(reverse: Reverse, gradient: Gradient, *, operand: str, result: str) -> Gradient:
    """Undo the broadcasting of the leading (stack) axes of a matrix product."""
    small, large = reverse.shape(operand), reverse.shape(result)
    missing = len(large) - len(small)
    spread = [axis for axis in range(len(large) - 2) if axis < missing or (small[axis - missing] == 1 and large[axis] != 1)]
    if spread:
        if gradient.lazy & set(spread):
            raise UnknownShape(f"the stack axes of {result!r} are broadcast; export with explicit shapes")
        gradient = Gradient(reverse.graph.reduce("ReduceSum", gradient.name, spread), gradient.lazy)
    if missing:
        name = reverse.emit("Squeeze", gradient.name, reverse.graph.add_integers(range(missing)))
        gradient = Gradient(name, frozenset(axis - missing for axis in gradient.lazy if axis >= missing))
    return reverse.like(gradient, operand)


@rule("Conv")
def convolution(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The transposed convolution with the same weights; it may stay lazy along the batch only."""
    if reverse.wants(node, 1):
        raise reverse.refuse(node, "its weights depend on the CAM layer")
    result = node.output[0]
    g = reverse.dense(gradient, result, axes=range(1, len(reverse.shape(result))))
    window = window_of(reverse, node, kernel=reverse.shape(node.input[1])[2:])
    name = reverse.emit("ConvTranspose", g.name, node.input[1], group=attribute(node, "group", 1), **window.transposed())
    return {0: Gradient(name, g.lazy & {0})}


@mean_rule("Conv")
def convolution_mean(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> str | None:
    """For a 1x1 convolution the mean commutes with the weights: average first, on far fewer numbers."""
    shape = reverse.shape(node.input[1])
    plain = (
        attribute(node, "group", 1) == 1
        and set(attribute(node, "strides", [1])) == {1}
        and set(attribute(node, "pads", [0])) == {0}
    )
    if not plain or reverse.wants(node, 1) or any(size != 1 for size in shape[2:]):
        return None
    averaged = reverse.graph.reduce("ReduceMean", gradient.name, range(2, len(shape)))
    g = reverse.dense(Gradient(averaged, gradient.lazy & {1}), node.output[0], axes=[1])
    channels_out, channels_in = shape[:2]
    weights = reverse.graph.reshape(node.input[1], [channels_out or -1, channels_in or -1])
    product = reverse.emit("MatMul", reverse.graph.reshape(g.name, [-1, channels_out or -1]), weights)
    return reverse.graph.reshape(product, [-1, channels_in or -1, *[1] * (len(shape) - 2)])


@rule("BatchNormalization")
def batch_normalization(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    if attribute(node, "training_mode", 0):
        raise reverse.refuse(node, "it is in training mode")
    rank = len(reverse.shape(node.input[0]))
    scale, variance = node.input[1], node.input[4]
    epsilon = reverse.graph.add_constant(np.asarray(attribute(node, "epsilon", 1e-5), dtype=reverse.graph.dtype(variance)))
    factor = reverse.emit("Div", scale, reverse.emit("Sqrt", reverse.emit("Add", variance, epsilon)))
    factor = reverse.graph.reshape(factor, [1, -1, *[1] * (rank - 2)])
    channels = reverse.shape(scale)[0]
    return {0: reverse.times(gradient, factor, (1, channels, *[1] * (rank - 2)), rank=rank)}
