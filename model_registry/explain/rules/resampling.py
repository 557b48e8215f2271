"""Rules of operators that change the grid: Resize, ConvTranspose, DepthToSpace, SpaceToDepth and Tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from model_registry.explain.errors import UnknownShape
from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule
from model_registry.explain.rules.window import spatial_sizes

_NOT_ALONG_ONE_AXIS = frozenset({"axes", "keep_aspect_ratio_policy"})


@rule("Resize")
def resize(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Every mode is linear and works axis by axis: the product with each axis' transposed matrix."""
    source, result = node.input[0], node.output[0]
    before, after = reverse.shape(source), reverse.shape(result)
    if attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        raise reverse.refuse(node, "cutting out a region of interest is not covered")
    scales = _scales(reverse, node, len(before))
    g = gradient
    for axis, (small, large, scale) in enumerate(zip(before, after, scales, strict=True)):
        if scale == 1.0 or (small == large and scale is None):  # the batch, of open size, keeps it
            continue
        if small is None or large is None:
            raise UnknownShape(f"the size of tensor {source!r} along axis {axis} is open; export with a fixed image size")
        g = reverse.dense(g, result, axes=[axis])
        matrix = _matrix(reverse, node, small, large, scale).astype(reverse.graph.dtype(source))
        if matrix.shape != (large, small):
            raise reverse.refuse(node, "its sizes do not follow from its scales")
        g = Gradient(_product_along(reverse, g.name, axis, matrix, len(before)), g.lazy)
    return {0: reverse.like(g, source)}


def _scales(reverse: Reverse, node: onnx.NodeProto, rank: int) -> list[float | None]:
    """The scale along each axis, None where the sizes say it."""
    scales: list[float | None] = [None] * rank
    if len(node.input) > 2 and node.input[2]:
        given = reverse.graph.constant(node.input[2])
        if given is None:
            raise reverse.refuse(node, "its scales are computed at run time")
        axes = attribute(node, "axes") or range(rank)
        for axis, scale in zip(axes, given.ravel(), strict=False):
            scales[axis % rank] = float(scale)
    return scales


def _matrix(reverse: Reverse, node: onnx.NodeProto, size: int, new_size: int, scale: float | None) -> np.ndarray:
    """(new size, old size): the resize of every unit vector along one axis, with the node's own mode and rounding."""
    attributes = {
        entry.name: helper.get_attribute_value(entry) for entry in node.attribute if entry.name not in _NOT_ALONG_ONE_AXIS
    }
    if scale is None:
        inputs, kind, wish = ["x", "", "", "wish"], TensorProto.INT64, np.array([size, new_size], dtype=np.int64)
    else:
        inputs, kind, wish = ["x", "", "wish"], TensorProto.FLOAT, np.array([1.0, scale], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Resize", inputs, ["y"], **attributes)],
        "resize",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, size]),
            helper.make_tensor_value_info("wish", kind, [2]),
        ],
        [helper.make_empty_tensor_value_info("y")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", reverse.graph.opset)])
    feed = {"x": np.eye(size, dtype=np.float32), "wish": wish}
    answer: Any = ReferenceEvaluator(model).run(None, feed)
    return np.asarray(answer[0]).T


def _product_along(reverse: Reverse, name: str, axis: int, matrix: np.ndarray, rank: int) -> str:
    if axis == rank - 1:
        return reverse.emit("MatMul", name, reverse.graph.add_constant(matrix))
    if axis == rank - 2:
        return reverse.emit("MatMul", reverse.graph.add_constant(np.ascontiguousarray(matrix.T)), name)
    order = [a for a in range(rank) if a != axis] + [axis]
    product = reverse.emit("MatMul", reverse.emit("Transpose", name, perm=order), reverse.graph.add_constant(matrix))
    return reverse.emit("Transpose", product, perm=[order.index(a) for a in range(rank)])


@rule("ConvTranspose")
def convolution_transposed(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The convolution with the same weights."""
    if reverse.wants(node, 1):
        raise reverse.refuse(node, "its weights depend on the CAM layer")
    if attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID") or attribute(node, "output_shape"):
        raise reverse.refuse(node, "automatic padding is not covered")
    result = node.output[0]
    g = reverse.dense(gradient, result, axes=range(1, len(reverse.shape(result))))
    kept = {
        entry.name: helper.get_attribute_value(entry)
        for entry in node.attribute
        if entry.name in ("strides", "pads", "dilations", "group", "kernel_shape")
    }
    return {0: Gradient(reverse.emit("Conv", g.name, node.input[1], **kept), g.lazy & {0})}


@rule("DepthToSpace", "SpaceToDepth")
def depth_and_space(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Each moves elements back to where the other took them from."""
    result = node.output[0]
    block = attribute(node, "blocksize")
    g = reverse.dense(gradient, result, axes=[1, 2, 3])
    if node.op_type == "SpaceToDepth":
        return {0: Gradient(reverse.emit("DepthToSpace", g.name, blocksize=block, mode="DCR"), g.lazy)}
    if attribute(node, "mode", "DCR") == "DCR":
        return {0: Gradient(reverse.emit("SpaceToDepth", g.name, blocksize=block), g.lazy)}
    channels, (rows, columns) = reverse.shape(result)[1], spatial_sizes(reverse, node.input[0])
    if channels is None:
        raise reverse.refuse(node, "the number of channels is open")
    blocks = reverse.graph.reshape(g.name, [-1, channels, rows, block, columns, block])
    moved = reverse.emit("Transpose", blocks, perm=[0, 1, 3, 5, 2, 4])
    return {0: Gradient(reverse.graph.reshape(moved, [-1, channels * block * block, rows, columns]), g.lazy)}


@rule("Tile")
def tile(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The copies' gradients add up."""
    repeats = reverse.graph.constant(node.input[1])
    if repeats is None:
        raise reverse.refuse(node, "its repeats are computed at run time")
    source, result = node.input[0], node.output[0]
    shape = reverse.shape(source)
    g = gradient
    for axis, count in enumerate(int(value) for value in repeats):
        if count == 1:
            continue
        size = shape[axis]
        if size is None:
            raise UnknownShape(f"the size of tensor {source!r} along axis {axis} is open")
        g = reverse.dense(g, result, axes=[axis])
        pieces = reverse.emit("Reshape", g.name, _split_axis(reverse, g, result, axis, (count, size), done=shape[:axis]))
        summed = reverse.graph.reduce("ReduceSum", pieces, [axis], keepdims=False)
        g = Gradient(summed, g.lazy)
    return {0: reverse.like(g, source)}


def _split_axis(
    reverse: Reverse, gradient: Gradient, result: str, axis: int, parts: tuple[int, int], *, done: tuple[int | None, ...]
) -> str:
    """Sizes for a Reshape that splits one axis in two; axes in `done` have their source's size already, 0 copies one in front."""
    behind = [1 if a in gradient.lazy else size for a, size in enumerate(reverse.shape(result)) if a > axis]
    if any(size is None for size in behind):
        raise UnknownShape(f"the sizes of tensor {result!r} are open behind axis {axis}")
    return reverse.graph.add_integers([*[0] * len(done), *parts, *(size for size in behind if size is not None)])
