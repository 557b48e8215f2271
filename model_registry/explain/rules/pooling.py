"""Rules of pooling. Of equal maxima in a window the one ONNX Runtime names takes the gradient; a global maximum is shared."""

from __future__ import annotations

import numpy as np
import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import Total, attribute
from model_registry.explain.means import mean_emit
from model_registry.explain.rules.reduction import maximum_share, mean_spread
from model_registry.explain.rules.registry import mean_rule, rule
from model_registry.explain.rules.window import Window, window_of


def _window(reverse: Reverse, node: onnx.NodeProto) -> Window:
    return window_of(reverse, node, kernel=attribute(node, "kernel_shape"))


@rule("GlobalAveragePool")
def global_average_pool(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return {0: mean_spread(reverse, gradient, source=node.input[0], axes=range(2, len(reverse.shape(node.input[0]))))}


@rule("GlobalMaxPool")
def global_max_pool(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    axes = list(range(2, len(reverse.shape(node.input[0]))))
    return {0: maximum_share(reverse, gradient, source=node.input[0], extreme=node.output[0], axes=axes)}


@rule("AveragePool")
def average_pool(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source, result = node.input[0], node.output[0]
    window = _window(reverse, node)
    g = _shares(reverse, node, gradient, window)
    g = reverse.dense(g, result, axes=range(1, len(reverse.shape(result))))
    channels = reverse.shape(source)[1]
    if channels is None:
        raise reverse.refuse(node, "the number of channels is open")
    ones = reverse.graph.add_constant(np.ones((channels, 1, *window.kernel), dtype=reverse.graph.dtype(source)))
    spread = reverse.emit("ConvTranspose", g.name, ones, group=channels, **window.transposed())
    if _hands_on_all(node):
        whole = reverse.dense(gradient, result, axes=[1])
        reverse.graph.totals[spread] = Total(whole.name, _ratio(reverse, node))
    return {0: Gradient(spread, g.lazy & {0})}


def _shares(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient, window: Window) -> Gradient:
    """What each element under a window receives: the gradient divided by the number of elements averaged."""
    source = node.input[0]
    rank = 2 + len(window.kernel)
    counts = window.counts(padding=bool(attribute(node, "count_include_pad", 0)))
    if (counts == counts.flat[0]).all():
        return reverse.scaled(gradient, 1.0 / float(counts.flat[0]), source)
    factor = reverse.graph.add_constant((1.0 / counts).astype(reverse.graph.dtype(source)))
    return reverse.times(gradient, factor, counts.shape, rank=rank)


@rule("MaxPool")
def max_pool(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Scatter the gradient to where each window found its maximum; where windows overlap, contributions add up."""
    source, result = node.input[0], node.output[0]
    window = _window(reverse, node)
    if not window.is_disjoint and reverse.graph.opset < 16:
        raise reverse.refuse(node, "overlapping windows need opset 16 or later")
    if attribute(node, "storage_order", 0):
        raise reverse.refuse(node, "column-major indices are not covered")
    same = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    indices = reverse.graph.emit("MaxPool", source, outputs=2, **same)
    g = reverse.dense(gradient, result)
    minus_one = reverse.graph.add_integers([-1])
    elements = reverse.emit("ReduceProd", reverse.emit("Shape", source), keepdims=1)
    zero = reverse.graph.add_constant(np.zeros(1, dtype=reverse.graph.dtype(source)))
    reduction = {} if window.is_disjoint else {"reduction": "add"}
    scattered = reverse.emit(
        "ScatterElements",
        reverse.emit("Expand", zero, elements),
        reverse.emit("Reshape", indices, minus_one),
        reverse.emit("Reshape", g.name, minus_one),
        axis=0,
        **reduction,
    )
    result_gradient = reverse.emit("Reshape", scattered, reverse.emit("Shape", source))
    reverse.graph.totals[result_gradient] = Total(g.name, _ratio(reverse, node))
    return {0: Gradient(result_gradient)}


@mean_rule("MaxPool")
def max_pool_mean(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> str | None:
    """Wherever in its window the maximum lies, the whole gradient arrives: the mean needs no indices."""
    return _mean_over_source(reverse, node, gradient)


@mean_rule("AveragePool")
def average_pool_mean(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> str | None:
    """Without counted padding every window hands on its whole gradient."""
    return _mean_over_source(reverse, node, gradient) if _hands_on_all(node) else None


def _hands_on_all(node: onnx.NodeProto) -> bool:
    if attribute(node, "count_include_pad", 0) and any(attribute(node, "pads", [0])):
        return False
    return not attribute(node, "ceil_mode", 0) and attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")


def _mean_over_source(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> str:
    rank = len(reverse.shape(node.output[0]))
    g = reverse.dense(gradient, node.output[0], axes=[1])
    mean = mean_emit(reverse.graph, g.name, range(2, rank), rank=rank)
    return reverse.emit("Mul", mean, _ratio(reverse, node))


def _ratio(reverse: Reverse, node: onnx.NodeProto) -> str:
    """How many windows there are for each element that they slide over."""
    axes = list(range(2, len(reverse.shape(node.output[0]))))
    windows, elements = (reverse.static_count(name, axes) for name in (node.output[0], node.input[0]))
    if windows is not None and elements is not None:
        return reverse.graph.scalar(windows / elements, node.input[0])
    return reverse.emit("Div", *(reverse.axes_count(name, axes) for name in (node.output[0], node.input[0])))
