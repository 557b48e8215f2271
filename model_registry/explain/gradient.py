"""Reverse-mode differentiation of one score with respect to one tensor, written as ONNX nodes.

A gradient may be *lazy* along axes where it is the same everywhere: there it has size 1 and broadcasts. Behind a global pool that
keeps the whole reverse pass at the size of a vector; behind a linear head it even stays a constant. Rules live in explain.rules.
This module knows no methods such as Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from model_registry.explain.errors import NoGradientRule
from model_registry.explain.graph import Graph
from model_registry.explain.sizes import Shape


@dataclass(frozen=True, slots=True)
class Gradient:
    """The tensor `name` holds d score / d value. It has the value's rank, and size 1 along each of the `lazy` axes."""

    name: str
    lazy: frozenset[int] = frozenset()


Contributions = dict[int, Gradient | None]
Rule = Callable[["Reverse", onnx.NodeProto, Gradient], Contributions]
ManyRule = Callable[["Reverse", onnx.NodeProto, Sequence[Gradient | None]], Contributions]


class Reverse:
    """The reverse pass of one score: what rules use to read the forward graph and to write the gradient's nodes."""

    def __init__(self, graph: Graph, *, differentiable: set[str]) -> None:
        self.graph = graph
        self.differentiable = differentiable

    def wants(self, node: onnx.NodeProto, index: int) -> bool:
        """Whether input `index` of the node is there and depends on the tensor we differentiate by."""
        return index < len(node.input) and node.input[index] in self.differentiable

    def shape(self, name: str) -> Shape:
        return self.graph.shape(name)

    def emit(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        return self.graph.emit(op_type, *inputs, **attributes)

    def refuse(self, node: onnx.NodeProto, why: str) -> NoGradientRule:
        """The error of a rule that does not cover what the node asks for."""
        return NoGradientRule(f"operator {node.op_type} of node {node.name or node.output[0]!r}: {why}")

    def like(self, gradient: Gradient, value: str) -> Gradient:
        """The same gradient, with axes of static size 1 no longer counted as lazy."""
        shape = self.shape(value)
        return Gradient(gradient.name, frozenset(axis for axis in gradient.lazy if shape[axis] != 1))

    def dense(self, gradient: Gradient, value: str, *, axes: Iterable[int] | None = None) -> Gradient:
        """Spread the gradient to its value's full size along `axes` (default: all)."""
        shape = self.shape(value)
        wanted = {axis % len(shape) for axis in (range(len(shape)) if axes is None else axes)} & gradient.lazy
        if not wanted:
            return gradient
        sizes = [shape[axis] if axis in wanted else 1 for axis in range(len(shape))]
        if all(size is not None for size in sizes):
            return Gradient(
                self.emit("Expand", gradient.name, self.graph.add_integers(s for s in sizes if s is not None)),
                gradient.lazy - wanted,
            )
        return Gradient(self.emit("Expand", gradient.name, self.emit("Shape", value)), frozenset())

    def times(self, gradient: Gradient, factor: str, shape: Shape, *, rank: int) -> Gradient:
        """Elementwise product with a tensor of that shape; `rank` is the gradient's, and at least the factor's."""
        offset = rank - len(shape)
        lazy = frozenset(axis for axis in gradient.lazy if axis < offset or shape[axis - offset] == 1)
        return Gradient(self.emit("Mul", gradient.name, factor), lazy)

    def scaled(self, gradient: Gradient, factor: float, like: str) -> Gradient:
        if factor == 1.0:
            return gradient
        return Gradient(self.emit("Mul", gradient.name, self.graph.scalar(factor, like)), gradient.lazy)

    def negated(self, gradient: Gradient) -> Gradient:
        return Gradient(self.emit("Neg", gradient.name), gradient.lazy)

    def plus(self, first: Gradient, second: Gradient) -> Gradient:
        return Gradient(self.emit("Add", first.name, second.name), first.lazy & second.lazy)

    def unbroadcast(self, gradient: Gradient, *, operand: str, result: str) -> Gradient:
        """The gradient of an operand that was broadcast to the result: sums over the axes it was spread along.

        Where both sizes are open they are taken to be equal, as the batch's are.
        """
        small, large = self.shape(operand), self.shape(result)
        missing = len(large) - len(small)
        spread = [axis for axis in range(len(large)) if axis < missing or (small[axis - missing] == 1 and large[axis] != 1)]
        if spread:
            gradient = self.dense(gradient, result, axes=spread)
            gradient = Gradient(self.graph.reduce("ReduceSum", gradient.name, spread), gradient.lazy - set(spread))
        if missing:
            gradient = Gradient(
                self.emit("Squeeze", gradient.name, self.graph.add_integers(range(missing))),
                frozenset(axis - missing for axis in gradient.lazy if axis >= missing),
            )
        return self.like(gradient, operand)

    def static_count(self, name: str, axes: Sequence[int]) -> float | None:
        """How many elements lie along `axes`, or None where a size is open."""
        shape = self.shape(name)
        sizes = [size for axis in axes if (size := shape[axis]) is not None]
        return float(np.prod(sizes, dtype=np.float64)) if len(sizes) == len(axes) else None

    def axes_count(self, name: str, axes: Sequence[int]) -> str:
        """How many elements lie along `axes` of a tensor, as a scalar of its element type; open sizes are read at run time."""
        if (count := self.static_count(name, axes)) is not None:
            return self.graph.scalar(count, name)
        chosen = self.emit("Gather", self.emit("Shape", name), self.graph.add_integers(axes))
        product = self.emit("ReduceProd", chosen, keepdims=0)
        return self.emit("Cast", product, to=onnx.helper.np_dtype_to_tensor_dtype(self.graph.dtype(name)))


def gradient_of_score(
    graph: Graph, *, scores: str, column: int, target: str, rules: dict[str, ManyRule]
) -> tuple[dict[str, Gradient], list[tuple[onnx.NodeProto, list[Gradient | None]]], Reverse]:
    """Walk back from column `column` of `scores` (batch, columns) to the nodes that read `target`.

    Returns the gradients of all tensors strictly between, the nodes that read the target with the gradients of their outputs,
    and the pass itself, so that the caller decides how to close the last step (all of it, or only its spatial mean).
    A score that does not depend on the target gives no such nodes. Raises NoGradientRule naming operator and node.
    """
    reached = graph.reached_from(target)
    used = graph.ancestors(scores, without=target) | {target}
    between = reached & used
    for node in graph.nodes:  # first, since behind an unknown operator shapes are unknown too, which says less
        if any(name in between for name in graph.sources(node)) and any(name in between for name in node.output):
            _rule_of(node, rules)
    reverse = Reverse(graph, differentiable=between)
    columns = graph.shape(scores)[1]
    seed = np.zeros((1, columns or 1), dtype=graph.dtype(scores))
    seed[0, column] = 1
    gradients: dict[str, Gradient] = {scores: reverse.like(Gradient(graph.add_constant(seed), frozenset({0})), scores)}
    last: list[tuple[onnx.NodeProto, list[Gradient | None]]] = []
    for node in reversed(graph.nodes):
        outgoing = [gradients.get(output) for output in node.output]
        if target in node.output or not any(outgoing) or not any(name in between for name in node.input):
            continue
        if target in node.input:
            last.append((node, outgoing))
        if all(name == target or name not in between for name in node.input):
            continue
        for index, contribution in node_gradient(reverse, node, outgoing, rules).items():
            name = node.input[index]
            if contribution is None or name not in between or name == target:
                continue
            constant = graph.constant(contribution.name)
            if constant is not None and not constant.any():
                continue
            known = gradients.get(name)
            gradients[name] = contribution if known is None else reverse.plus(known, contribution)
    return gradients, last, reverse


def node_gradient(
    reverse: Reverse, node: onnx.NodeProto, outgoing: Sequence[Gradient | None], rules: dict[str, ManyRule]
) -> Contributions:
    """The contributions of one node to the gradients of its inputs, by input index."""
    return _rule_of(node, rules)(reverse, node, outgoing)


def _rule_of(node: onnx.NodeProto, rules: dict[str, ManyRule]) -> ManyRule:
    rule = rules.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rule is None:
        operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise NoGradientRule(f"operator {operator} of node {node.name or node.output[0]!r} has no gradient rule")
    return rule
