"""Static shapes and the integers that follow from them.

Exporters write sizes as arithmetic on Shape (take the channels, halve them, cut there). Where the sizes are known, so are the
results, and with them further shapes; both are worked out in turns until nothing new is found. Only small tensors are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from model_registry.explain.errors import UnknownShape

Shape = tuple[int | None, ...]

ELEMENTS_MAXIMUM = 256  # a tensor that says sizes, not weights
ROUNDS_MAXIMUM = 64
_ARITHMETIC = frozenset(
    (
        *(
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Neg",
            "Min",
            "Max",
            "Mod",
            "Floor",
            "Ceil",
            "Cast",
            "Concat",
            "Gather",
            "Slice",
            "Squeeze",
        ),
        *("Unsqueeze", "Reshape", "Transpose", "ConstantOfShape", "Equal", "Where", "Identity", "Range", "ReduceProd"),
    )
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes (None where a size is open) and element types by tensor name, and the values of small constant tensors."""

    shapes: dict[str, Shape]
    types: dict[str, int]
    constants: dict[str, np.ndarray]


def sizes_find(model: onnx.ModelProto) -> Sizes:
    """Raises UnknownShape where inference finds a contradiction."""
    light = _without_weights(model)
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in light.graph.initializer}
    given = set(known)
    shapes, types = _shapes_infer(light)
    for _ in range(ROUNDS_MAXIMUM):
        found = _constants_find(light, shapes, known)
        if not found:
            break
        known.update(found)
        kept = [node for node in light.graph.node if not any(output in found for output in node.output)]
        del light.graph.node[:]
        light.graph.node.extend(kept)
        light.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in found.items())
        shapes, types = _shapes_infer(light)
    return Sizes(shapes, types, {name: value for name, value in known.items() if name not in given})


def _constants_find(model: onnx.ModelProto, shapes: dict[str, Shape], known: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What can be worked out now: Constant nodes, Shape of a static tensor, single sizes of one that is open, arithmetic."""
    found: dict[str, np.ndarray] = {}
    makers = {output: node for node in model.graph.node for output in node.output}

    def value(name: str) -> np.ndarray | None:
        return known.get(name) if name in known else found.get(name)

    for node in model.graph.node:
        result: np.ndarray | None = None
        if len(node.output) != 1 or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "Shape" and not node.attribute:
            shape = shapes.get(node.input[0], (None,))
            result = None if None in shape else np.array(shape, dtype=np.int64)
        elif node.op_type == "Constant":
            tensors = [entry.t for entry in node.attribute if entry.name == "value"]
            result = numpy_helper.to_array(tensors[0]) if tensors and np.prod(tensors[0].dims) <= ELEMENTS_MAXIMUM else None
        elif node.op_type == "Gather" and (maker := makers.get(node.input[0])) is not None and maker.op_type == "Shape":
            result = _size_of(maker, value(node.input[1]), shapes)
        elif node.op_type in _ARITHMETIC:
            values = [value(name) for name in node.input if name]
            if values and all(v is not None for v in values):
                result = _evaluated(node, dict(zip(filter(None, node.input), values, strict=True)), model)
        if result is not None and result.size <= ELEMENTS_MAXIMUM:
            found[node.output[0]] = result
    return found


def _size_of(maker: onnx.NodeProto, indices: np.ndarray | None, shapes: dict[str, Shape]) -> np.ndarray | None:
    shape = shapes.get(maker.input[0])
    if indices is None or shape is None or maker.attribute or not all(-len(shape) <= i < len(shape) for i in indices.ravel()):
        return None
    chosen = [shape[int(index)] for index in indices.ravel()]
    return None if None in chosen else np.array(chosen, dtype=np.int64).reshape(indices.shape)


def _evaluated(node: onnx.NodeProto, values: dict[str, Any], model: onnx.ModelProto) -> np.ndarray | None:
    """The node's result, or None where these values do not fit it: the graph is then left as it is."""
    if node.op_type in ("ConstantOfShape", "Range"):
        count = np.prod(values[node.input[0]]) if node.op_type == "ConstantOfShape" else values[node.input[1]]
        if not 0 <= count <= ELEMENTS_MAXIMUM:
            return None
    graph = helper.make_graph(
        [node],
        "size",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in values.items()],
        [helper.make_empty_tensor_value_info(node.output[0])],
    )
    try:
        answer: Any = ReferenceEvaluator(helper.make_model(graph, opset_imports=list(model.opset_import))).run(None, values)
    except (ValueError, IndexError, TypeError, RuntimeError, ArithmeticError):
        return None
    return np.asarray(answer[0])


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with large weights turned into inputs of their type: nothing to copy, and no limit of 2 GB."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    light.graph.name = model.graph.name
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(light.graph, field).extend(getattr(model.graph, field))
    named = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims) <= ELEMENTS_MAXIMUM:
            light.graph.initializer.append(tensor)
        elif tensor.name not in named:
            light.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return light


def _shapes_infer(model: onnx.ModelProto) -> tuple[dict[str, Shape], dict[str, int]]:
    try:
        inferred = shape_inference.infer_shapes(_without_weights(model), data_prop=True)
    except (shape_inference.InferenceError, ValueError) as error:
        raise UnknownShape(f"shape inference failed: {error}") from error
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        types[value.name] = kind.elem_type
        if kind.HasField("shape"):
            shapes[value.name] = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    return shapes, types
