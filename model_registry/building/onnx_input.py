"""The image input of a graph from outside: its layout, its size and its batch, fitted to what a profile makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from model_registry.building.errors import NotRunnable, WrongChannels, WrongInput
from model_registry.building.graph_edit import BATCH, constant_add, inputs_fed, sizes_of, tensor_rename
from model_registry.building.sessions import outputs_run, session_create
from model_registry.explain.graph import Graph, attribute

Layout = Literal["nchw", "nhwc"]
_CASTABLE = {TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8}
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class FittedInput:
    """The graph with a float32 input `name` of fixed size. `fixed_batch` is None where the batch is dynamic."""

    model: onnx.ModelProto
    layout: Layout
    fixed_batch: int | None
    notes: list[str]


def input_fit(model: onnx.ModelProto, *, shape: Sequence[int], layout: Layout, name: str) -> FittedInput:
    """Fit the graph's one image input to a tensor of `shape` in `layout`. The given model may be changed.

    A batch fixed at one is opened where that changes no answer. Raises WrongInput, WrongChannels.
    """
    notes: list[str] = []
    fed = inputs_fed(model)
    if len(fed) != 1:
        raise WrongInput(f"a classifier of images has one input, this graph has {len(fed)}: {[value.name for value in fed]}")
    image = fed[0]
    kind = image.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT and kind not in _CASTABLE:
        raise WrongInput(f"input {image.name!r} takes {TensorProto.DataType.Name(kind)}, not floating-point images")
    sizes = sizes_of(image)
    if len(sizes) != 4:
        raise WrongInput(f"input {image.name!r} has {len(sizes)} axes, not (batch, channels, rows, columns) or channels last")
    found = _layout_find(model, image.name, sizes=sizes, shape=shape, layout=layout)
    wanted = tuple(shape) if found == layout else _turned(shape, layout)
    if found != layout:
        notes.append(f"tensor layout {found}: the graph takes channels {'first' if found == 'nchw' else 'last'}")
    if image.name != name:
        tensor_rename(model, image.name, name)
    for dimension, size in zip(image.type.tensor_type.shape.dim[1:], wanted, strict=True):
        dimension.dim_value = size
    if kind != TensorProto.FLOAT:
        _cast_in_front(model, image, kind)
        notes.append(f"input cast to {TensorProto.DataType.Name(kind).lower()}")
    declared = sizes[0]
    if declared is None:
        image.type.tensor_type.shape.dim[0].dim_param = BATCH
        return FittedInput(model, found, None, notes)
    opened = _batch_open(model, declared)
    if _answers_alike(model, opened, name=name, shape=wanted, batch=declared):
        notes.append(f"batch fixed at {declared} opened")
        return FittedInput(opened, found, None, notes)
    if declared != 1:
        raise WrongInput(f"the batch is fixed at {declared} and cannot be opened; export with a dynamic batch")
    return FittedInput(model, found, declared, notes)


def _turned(shape: Sequence[int], layout: Layout) -> tuple[int, ...]:
    first, second, third = shape
    return (third, first, second) if layout == "nhwc" else (second, third, first)


def _layout_find(
    model: onnx.ModelProto, image: str, *, sizes: Sequence[int | None], shape: Sequence[int], layout: Layout
) -> Layout:
    other: Layout = "nchw" if layout == "nhwc" else "nhwc"
    shapes = {layout: tuple(shape), other: _turned(shape, layout)}
    fitting = [key for key in (layout, other) if all(s in (None, w) for s, w in zip(sizes[1:], shapes[key], strict=True))]
    if len(fitting) == 1:
        return fitting[0]
    read = _layout_read(model, image)
    if fitting:
        return read if read in fitting else layout
    first, last = shapes["nchw"], shapes["nhwc"]
    text = (
        f"the profile makes {last[0]}x{last[1]} pixels with {last[2]} channel{'s' * (last[2] > 1)}, "
        f"the graph takes {'x'.join('open' if size is None else str(size) for size in sizes[1:])}"
    )
    pixels_fit = all(s in (None, w) for s, w in zip(sizes[2:], first[1:], strict=True)) or all(
        s in (None, w) for s, w in zip(sizes[1:3], last[:2], strict=True)
    )
    if pixels_fit:
        raise WrongChannels(f"{text}; choose a profile with that number of channels")
    raise WrongInput(f"{text}; choose a profile of that size")


def _layout_read(model: onnx.ModelProto, image: str) -> Layout | None:
    """What the first layers say: a convolution reads channels first, a transposition to channels first says they stand last."""
    reached = {image}
    for node in model.graph.node:
        if not node.input or node.input[0] not in reached:
            continue
        if node.op_type in ("Conv", "BatchNormalization", "MaxPool", "AveragePool"):
            return "nchw"
        if node.op_type == "Transpose":
            permutation = list(attribute(node, "perm", []))
            return "nhwc" if permutation == [0, 3, 1, 2] else "nchw"
        reached.update(node.output)
    return None


def _cast_in_front(model: onnx.ModelProto, image: onnx.ValueInfoProto, kind: int) -> None:
    inner = f"{image.name}/native"
    for node in model.graph.node:
        for index, source in enumerate(node.input):
            if source == image.name:
                node.input[index] = inner
    model.graph.node.insert(0, helper.make_node("Cast", [image.name], [inner], name=inner, to=kind))
    image.type.tensor_type.elem_type = TensorProto.FLOAT


def _batch_open(model: onnx.ModelProto, fixed: int) -> onnx.ModelProto:
    """The graph with an open batch: written-out batch sizes in reshapes become “as the input has it”."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    graph = Graph(model)
    (image,) = inputs_fed(model)
    dependent = graph.reached_from(image.name)
    for index, node in enumerate(opened.graph.node):
        if node.op_type != "Reshape" or node.input[0] not in dependent or attribute(node, "allowzero", 0):
            continue
        target = graph.constant(node.input[1])
        source = graph.shape(node.input[0]) if graph.has_shape(node.input[0]) else ()
        if target is not None and target.size and target.flat[0] == fixed and source and source[0] == fixed:
            sizes = np.array(target, dtype=np.int64)
            sizes.flat[0] = 0
            node.input[1] = constant_add(opened, f"batch/open_shape_{index}", sizes)
    (value,) = inputs_fed(opened)
    for entry in (value, *opened.graph.output):
        if entry.type.tensor_type.shape.dim:
            entry.type.tensor_type.shape.dim[0].dim_param = BATCH
    del opened.graph.value_info[:]
    return opened


def _answers_alike(model: onnx.ModelProto, opened: onnx.ModelProto, *, name: str, shape: tuple[int, ...], batch: int) -> bool:
    """Whether the opened graph answers twice the batch as the given one answers the halves."""
    images = np.random.default_rng(0).random((2 * batch, *shape), dtype=np.float32)
    try:
        before, after = session_create(model), session_create(opened)
        halves = [outputs_run(before, outputs=None, image=name, batch=half) for half in (images[:batch], images[batch:])]
        whole = outputs_run(after, outputs=None, image=name, batch=images)
    except NotRunnable:  # a graph that cannot run opened stays as it was; one that cannot run at all is refused later
        return False
    for single, joint in zip(zip(*halves, strict=True), whole, strict=True):
        expected = np.concatenate([np.atleast_1d(part) for part in single])
        if expected.shape != joint.shape or not np.allclose(expected, joint, atol=_TOLERANCE, rtol=1e-3):
            return False
    return True
