"""The checks of ONNX itself, written in C++: the validity of every node, and the shapes that follow from the graph.

On a hostile file they may crash or grow without end, so they come last and only ever run in a process of their own (isolation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, checker, helper, shape_inference

from model_registry.inspection.findings import CORRUPT, SHAPES, TOO_LARGE, Finding
from model_registry.inspection.limits import InspectionLimits

KEPT_ELEMENTS = 1024  # a tensor that says sizes, not weights

Shape = tuple[int | str | None, ...]


def validity_check(path: Path) -> Iterator[Finding]:
    """Whether ONNX holds the file for a model: names, types, attributes, order of nodes."""
    try:
        checker.check_model(str(path))
    except (checker.ValidationError, ValueError, RuntimeError) as error:
        yield Finding(CORRUPT, f"not a valid ONNX model: {_first_line(error)}")


def shapes_infer(model: onnx.ModelProto, limits: InspectionLimits) -> tuple[dict[str, Shape], list[Finding]]:
    """Shapes of all tensors as the graph makes them, whatever its outputs declare, and what contradicts itself on the way."""
    light = _without_weights(model)
    for output in light.graph.output:
        output.type.tensor_type.ClearField("shape")
    del light.graph.value_info[:]
    findings: list[Finding] = []
    try:
        inferred = shape_inference.infer_shapes(light, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
        findings.append(Finding(SHAPES, f"the graph contradicts itself: {_first_line(error)}"))
        return {}, findings
    shapes: dict[str, Shape] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        shape = declared_shape(value)
        if shape is None:
            continue
        shapes[value.name] = shape
        sizes = [size for size in shape if isinstance(size, int)]
        if math.prod(sizes) * _item_bytes(value.type.tensor_type.elem_type) > limits.tensor_bytes:
            detail = f"the graph makes a tensor of {shape} from one image, beyond {limits.tensor_bytes} bytes"
            findings.append(Finding(TOO_LARGE, detail, tensor=value.name))
    return shapes, findings


def declared_shape(value: onnx.ValueInfoProto) -> Shape | None:
    """Sizes, the name of one that is open, or None where it has no name. None for unknown rank or no tensor at all."""
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None) for dim in value.type.tensor_type.shape.dim
    )


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with large weights turned into inputs of their type: inference needs their sizes, not their numbers."""
    light = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    light.graph.name = model.graph.name or "graph"
    for field in ("node", "input", "output"):
        getattr(light.graph, field).extend(getattr(model.graph, field))
    named = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= KEPT_ELEMENTS and tensor.data_location != TensorProto.EXTERNAL:
            light.graph.initializer.append(tensor)
        elif tensor.name not in named:
            light.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    for sparse in model.graph.sparse_initializer:
        name, kind = sparse.values.name, sparse.values.data_type
        light.graph.input.append(helper.make_tensor_value_info(name, kind, list(sparse.dims)))
    return light


def _item_bytes(data_type: int) -> int:
    try:
        return int(helper.tensor_dtype_to_np_dtype(data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        return 1


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3]) or type(error).__name__
