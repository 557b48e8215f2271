"""Rules of operators that normalise with statistics of the values themselves: layer, instance and local response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule


@rule("LayerNormalization")
def layer_normalization(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    rank = len(reverse.shape(node.input[0]))
    axes = range(attribute(node, "axis", -1) % rank, rank)
    _statistics_are_fixed(reverse, node)
    return {0: _through_statistics(reverse, node, gradient, axes, node.input[1])}


@rule("InstanceNormalization")
def instance_normalization(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    rank = len(reverse.shape(node.input[0]))
    _statistics_are_fixed(reverse, node)
    scale = reverse.graph.reshape(node.input[1], [1, -1, *[1] * (rank - 2)])
    return {0: _through_statistics(reverse, node, gradient, range(2, rank), scale)}


def _statistics_are_fixed(reverse: Reverse, node: onnx.NodeProto) -> None:
    if any(reverse.wants(node, index) for index in (1, 2)):
        raise reverse.refuse(node, "its scale or offset depends on the CAM layer")


def _through_statistics(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient, axes: Sequence[int], scale: str) -> Gradient:
    """With x̂ = (x − mean)/σ: (g − mean(g) − x̂·mean(g·x̂))/σ, g already scaled."""
    source = node.input[0]
    emit, reduce = reverse.emit, reverse.graph.reduce
    axes = list(axes)
    offset = emit("Sub", source, reduce("ReduceMean", source, axes))
    variance = reduce("ReduceMean", emit("Mul", offset, offset), axes)
    epsilon = reverse.graph.scalar(attribute(node, "epsilon", 1e-5), source)
    inverse = emit("Reciprocal", emit("Sqrt", emit("Add", variance, epsilon)))
    normal = emit("Mul", offset, inverse)
    g = emit("Mul", reverse.dense(gradient, node.output[0]).name, scale)
    along = emit("Mul", normal, reduce("ReduceMean", emit("Mul", g, normal), axes))
    rest = emit("Sub", emit("Sub", g, reduce("ReduceMean", g, axes)), along)
    return Gradient(emit("Mul", rest, inverse))


@rule("LRN")
def local_response(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """y = x·s^−β, s = bias + α/n·Σx² over n neighbouring channels, the sum being a 1x1 convolution with a band matrix."""
    source = node.input[0]
    channels = reverse.shape(source)[1]
    if channels is None:
        raise reverse.refuse(node, "the number of channels is open")
    emit, scalar = reverse.emit, reverse.graph.scalar
    size, alpha = attribute(node, "size"), attribute(node, "alpha", 1e-4)
    beta, bias = attribute(node, "beta", 0.75), attribute(node, "bias", 1.0)
    distance = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    band = ((distance >= -((size - 1) // 2)) & (distance <= size // 2)).astype(reverse.graph.dtype(source))
    spatial = [1] * (len(reverse.shape(source)) - 2)
    forward, backward = (reverse.graph.add_constant(m.reshape(channels, channels, *spatial)) for m in (band, band.T.copy()))
    squares = emit("Conv", emit("Mul", source, source), forward)
    strength = emit("Add", emit("Mul", squares, scalar(alpha / size, source)), scalar(bias, source))
    g = reverse.dense(gradient, node.output[0]).name
    direct = emit("Mul", g, emit("Pow", strength, scalar(-beta, source)))
    shared = emit("Mul", emit("Mul", g, source), emit("Pow", strength, scalar(-beta - 1.0, source)))
    spread = emit("Mul", emit("Conv", shared, backward), scalar(2.0 * alpha * beta / size, source))
    return {0: Gradient(emit("Sub", direct, emit("Mul", source, spread)))}
