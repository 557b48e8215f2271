"""One pass for all columns: gradients that differ only in the column they start from are computed together.

The reverse pass is written once for each column. Behind a head of dense layers the passes are alike, step for step, and each
would read the same weights again; stacked, every dense layer is one product. Where some passes still are constants and others
already depend on the image, as that of a score made from the other scores, they stand in one tensor too. Steps not covered here
leave the passes apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from model_registry.explain.graph import Graph, attribute

_ARITHMETIC = frozenset({"Mul", "Div", "Add", "Sub"})
_ELEMENTWISE = frozenset(
    {"Sign", "Cast", "Neg", "Not", "Abs", "Exp", "Sqrt", "Reciprocal", "Sigmoid", "Tanh", "Erf", "Where", "And"}
    | {"Greater", "Less", "Equal", *_ARITHMETIC}
)


def columns_stack(graph: Graph, names: Sequence[str], size: int) -> str | None:
    """The added tensors `names`, each (batch or 1, …) of `size` elements, as one tensor (batch or 1, columns, size).

    None where they were not made alike, or by a step that is not covered.
    """
    values = [graph.constant(name) for name in names]
    constants = [value for value in values if value is not None]
    if constants:
        return _constants_stacked(graph, constants, size) if len(constants) == len(values) else _mixed(graph, names, size)
    if len(set(names)) == 1 and _size_of(graph, names[0]) == size:
        return graph.reshape(names[0], [-1, 1, size])
    makers = [node for name in names if (node := graph.added_by(name)) is not None]
    if len(makers) < len(names) or len({_kind(node) for node in makers}) > 1:
        return None
    first = makers[0]
    if first.op_type == "Gemm":
        return _gemm_stacked(graph, makers, size)
    if first.op_type == "Reshape":
        target = graph.constant(first.input[1])
        kept = target is not None and target[0] == -1 and (target[1:] > 0).all() and int(np.prod(target[1:])) == size
        return columns_stack(graph, [node.input[0] for node in makers], size) if kept else None
    if first.op_type in _ARITHMETIC or first.op_type == "Neg":
        operands = [_operand_stacked(graph, [node.input[i] for node in makers], size) for i in range(len(first.input))]
        found = [operand for operand in operands if operand is not None]
        return graph.emit(first.op_type, *found) if len(found) == len(operands) else None
    return None


def _constants_stacked(graph: Graph, values: Sequence[np.ndarray], size: int) -> str | None:
    if any(value.size != size or (value.ndim > 0 and value.shape[0] != 1 and size > 1) for value in values):
        return None
    return graph.add_constant(np.stack([value.reshape(1, size) for value in values], axis=1))


def _mixed(graph: Graph, names: Sequence[str], size: int) -> str | None:
    """Constants in their rows, the others added into theirs: padded rather than multiplied, so that no infinity spreads."""
    values = [graph.constant(name) for name in names]
    kind = next(value.dtype for value in values if value is not None)
    rows = [np.zeros((1, size), dtype=kind) if value is None else value for value in values]
    stacked = _constants_stacked(graph, rows, size)
    for place, name in enumerate(names):
        if stacked is None or values[place] is not None:
            continue
        if _size_of(graph, name) != size:
            return None
        row = graph.reshape(name, [-1, 1, size])
        around = graph.add_integers([0, place, 0, 0, len(names) - place - 1, 0])
        stacked = graph.emit("Add", graph.emit("Pad", row, around), stacked)
    return stacked


def _operand_stacked(graph: Graph, names: Sequence[str], size: int) -> str | None:
    """An operand of all elements, or a single number for each column, which arithmetic spreads."""
    if all((value := graph.constant(name)) is not None and value.size == 1 for name in names):
        return columns_stack(graph, names, 1)
    return columns_stack(graph, names, size)


def _gemm_stacked(graph: Graph, makers: Sequence[onnx.NodeProto], size: int) -> str | None:
    first = makers[0]
    weights = first.input[1]
    if len(first.input) != 2 or attribute(first, "transA", 0) or any(node.input[1] != weights for node in makers):
        return None
    if not graph.has_shape(weights):
        return None
    outer, inner = graph.shape(weights) if attribute(first, "transB", 0) else reversed(graph.shape(weights))
    if outer != size or inner is None:
        return None
    stacked = columns_stack(graph, [node.input[0] for node in makers], inner)
    if stacked is None:
        return None
    attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in first.attribute}
    product = graph.emit("Gemm", graph.reshape(stacked, [-1, inner]), weights, **attributes)
    return graph.reshape(product, [-1, len(makers), size])


def _kind(node: onnx.NodeProto) -> tuple[str, tuple[bytes, ...]]:
    return node.op_type, tuple(sorted(entry.SerializeToString() for entry in node.attribute))


def _size_of(graph: Graph, name: str) -> int | None:
    """How many elements a tensor has behind its first axis, None where that is not known."""
    if graph.has_shape(name):
        sizes = graph.shape(name)
        known = [size for size in sizes[1:] if size is not None]
        return int(np.prod(known)) if len(known) == len(sizes) - 1 else None
    node = graph.added_by(name)
    if node is not None and node.op_type == "Gemm" and graph.has_shape(node.input[1]) and not attribute(node, "transA", 0):
        return graph.shape(node.input[1])[0 if attribute(node, "transB", 0) else 1]
    if node is None or node.op_type not in _ELEMENTWISE:
        return None
    found = [_size_of(graph, source) for source in node.input if source]
    known = [size for size in found if size is not None]
    alike = len(known) == len(found) and set(known) <= {1, max(known, default=1)}
    return max(known) if known and alike else None
