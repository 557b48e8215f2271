"""Rules of operators that move elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from model_registry.explain.errors import UnknownShape
from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule, rule_for_many

UNBOUNDED = 2**31 - 1  # how exporters write "to the end" of an axis of open size


def _integers(reverse: Reverse, node: onnx.NodeProto, index: int, name: str) -> list[int] | None:
    """Integers that stand in an attribute in old opsets and in an input in new ones. Raises when computed at run time."""
    if len(node.input) > index and node.input[index]:
        constant = reverse.graph.constant(node.input[index])
        if constant is None:
            raise reverse.refuse(node, f"its {name} are computed at run time")
        return [int(value) for value in constant.ravel()]
    value = attribute(node, name)
    return None if value is None else list(value)


def _size(reverse: Reverse, node: onnx.NodeProto, tensor: str, axis: int) -> int:
    size = reverse.shape(tensor)[axis]
    if size is None:
        raise UnknownShape(f"node {node.name or node.output[0]!r} cuts tensor {tensor!r} along axis {axis}, whose size is open")
    return size


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Back to the old sizes. A batch axis that stays in front stays lazy."""
    source, result = node.input[0], node.output[0]
    before, after = reverse.shape(source), reverse.shape(result)
    rest_before = [size for size in before[1:] if size is not None]
    rest_after = [size for size in after[1:] if size is not None]
    static = len(rest_before) + 1 == len(before) and len(rest_after) + 1 == len(after)
    if static and int(np.prod(rest_before)) == int(np.prod(rest_after)):
        g = reverse.dense(gradient, result, axes=range(1, len(after)))
        return {0: Gradient(reverse.graph.reshape(g.name, [-1, *rest_before]), g.lazy)}
    g = reverse.dense(gradient, result)
    return {0: Gradient(reverse.emit("Reshape", g.name, reverse.emit("Shape", source)))}


@rule("Transpose")
def transpose(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    rank = len(reverse.shape(node.input[0]))
    permutation = list(attribute(node, "perm", list(reversed(range(rank)))))
    back = [permutation.index(axis) for axis in range(rank)]
    return {
        0: Gradient(reverse.emit("Transpose", gradient.name, perm=back), frozenset(permutation[axis] for axis in gradient.lazy))
    }


@rule("Expand")
def expand(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return {0: reverse.unbroadcast(gradient, operand=node.input[0], result=node.output[0])}


def _cut(reverse: Reverse, name: str, axis: int, start: int, stop: int) -> str:
    integers = reverse.graph.add_integers
    return reverse.emit("Slice", name, integers([start]), integers([stop]), integers([axis]))


@rule("Concat")
def concat(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    result = node.output[0]
    axis = attribute(node, "axis") % len(reverse.shape(result))
    lazy = axis in gradient.lazy
    found: Contributions = {}
    start = 0
    for index, name in enumerate(node.input):
        size = _size(reverse, node, name, axis)
        if reverse.wants(node, index):
            found[index] = gradient if lazy else Gradient(_cut(reverse, gradient.name, axis, start, start + size), gradient.lazy)
        start += size
    return found


@rule_for_many("Split")
def split(reverse: Reverse, node: onnx.NodeProto, gradients: Sequence[Gradient | None]) -> Contributions:
    axis = attribute(node, "axis", 0) % len(reverse.shape(node.input[0]))
    pieces = []
    if not all(node.output):
        raise reverse.refuse(node, "one of its pieces has no name")
    for output, gradient in zip(node.output, gradients, strict=True):
        if gradient is None:  # a piece that the scores do not use
            pieces.append(reverse.emit("Mul", output, reverse.graph.scalar(0.0, output)))
        else:
            pieces.append(reverse.dense(gradient, output).name)
    return {0: Gradient(reverse.emit("Concat", *pieces, axis=axis))}


@rule("Slice")
def slice_(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Zeros around a plain cut; a product with the selection matrix where steps leave gaps."""
    source, result = node.input[0], node.output[0]
    rank = len(reverse.shape(source))
    starts, ends = _integers(reverse, node, 1, "starts") or [], _integers(reverse, node, 2, "ends") or []
    axes = [axis % rank for axis in (_integers(reverse, node, 3, "axes") or range(len(starts)))]
    steps = _integers(reverse, node, 4, "steps") or [1] * len(starts)
    g = gradient
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if (start, step) == (0, 1) and end >= UNBOUNDED:
            continue
        g = reverse.dense(g, result, axes=[axis])
        size = _size(reverse, node, source, axis)
        chosen = range(size)[start:end:step]
        g = Gradient(_spread(reverse, g.name, axis, chosen, size, rank, source), g.lazy)
    return {0: g}


@rule("Gather")
def gather(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source, result = node.input[0], node.output[0]
    rank = len(reverse.shape(source))
    axis = attribute(node, "axis", 0) % rank
    indices = reverse.graph.constant(node.input[1])
    if indices is None:
        raise reverse.refuse(node, "its indices are computed at run time")
    size = _size(reverse, node, source, axis)
    g = gradient
    if indices.ndim == 0:
        name = reverse.emit("Unsqueeze", g.name, reverse.graph.add_integers([axis]))
        g = Gradient(name, frozenset(a + (a >= axis) for a in g.lazy))
    elif indices.ndim == 1:
        g = reverse.dense(g, result, axes=[axis])
    else:
        sizes = [indices.size if a == axis else reverse.shape(source)[a] for a in range(1, rank)]
        known = [count for count in sizes if count is not None]
        if axis == 0 or len(known) < len(sizes):
            raise reverse.refuse(node, "a table of indices is covered along an axis behind the first, and at fixed sizes")
        g = reverse.dense(g, result, axes=range(1, rank - 1 + indices.ndim))
        g = Gradient(reverse.graph.reshape(g.name, [-1, *known]), g.lazy)
    chosen = [int(index) % size for index in indices.ravel()]
    return {0: Gradient(_spread(reverse, g.name, axis, chosen, size, rank, source), g.lazy)}


def _spread(reverse: Reverse, name: str, axis: int, chosen: Sequence[int], size: int, rank: int, like: str) -> str:
    """Put element i of `axis` at place chosen[i] of an axis of that size; elsewhere zeros, and equal places add up."""
    first = chosen[0] if len(chosen) else 0
    if list(chosen) == list(range(size)):
        return name
    if len(chosen) and list(chosen) == list(range(first, first + len(chosen))):
        pads = [0] * 2 * rank
        pads[axis], pads[rank + axis] = first, size - first - len(chosen)
        return reverse.emit("Pad", name, reverse.graph.add_integers(pads))
    selection = np.zeros((len(chosen), size), dtype=reverse.graph.dtype(like))
    selection[np.arange(len(chosen)), list(chosen)] = 1
    order = [a for a in range(rank) if a != axis] + [axis]
    last = reverse.emit("Transpose", name, perm=order)
    placed = reverse.emit("MatMul", last, reverse.graph.add_constant(selection))
    return reverse.emit("Transpose", placed, perm=[order.index(a) for a in range(rank)])


@rule("Pad")
def pad(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    if attribute(node, "mode", "constant") != "constant":
        raise reverse.refuse(node, "only constant padding is covered")
    pads = _integers(reverse, node, 1, "pads") or []
    source, result = node.input[0], node.output[0]
    rank = len(reverse.shape(source))
    axes = [axis % rank for axis in (_integers(reverse, node, 3, "axes") or range(rank))]
    g = gradient
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        if before == after == 0:
            continue
        if min(before, after) < 0:
            raise reverse.refuse(node, "negative padding is not covered")
        g = reverse.dense(g, result, axes=[axis])
        size = _size(reverse, node, source, axis)
        g = Gradient(_cut(reverse, g.name, axis, before, before + size), g.lazy)
    return {0: reverse.like(g, source)}
