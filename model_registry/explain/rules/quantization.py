"""Rules of quantised graphs in QDQ form: rounding is passed straight through, saturation is not."""

from __future__ import annotations

import numpy as np
import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule

_KINDS = frozenset({"uint8", "int8", "uint16", "int16"})


@rule("QuantizeLinear")
def quantize(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Rounding's own derivative is 0 almost everywhere and would say that nothing matters: the gradient passes as if unrounded.

    What lies outside the range is cut off and takes none. Quantisers drop a ReLU in front of a range that begins at 0, so a cut
    at 0 is often the activation itself, and exact; elsewhere it leaves half a step for rounding.
    """
    source = node.input[0]
    scale, zero = reverse.graph.constant(node.input[1]), _zero_point(reverse, node)
    if scale is None or zero is None:
        raise reverse.refuse(node, "its scale or zero point is computed at run time")
    if str(zero.dtype) not in _KINDS:
        raise reverse.refuse(node, f"whole numbers of kind {zero.dtype} are not covered")
    shape = [1] * len(reverse.shape(source))
    if scale.size > 1:
        shape[attribute(node, "axis", 1)] = scale.size
    limits, step, offset = np.iinfo(zero.dtype), scale.astype(np.float64), zero.astype(np.float64)
    kind = reverse.graph.dtype(source)
    first, last = limits.min - offset, limits.max - offset
    bounds = (np.where(first == 0, first, first - 0.5) * step, np.where(last == 0, last, last + 0.5) * step)
    lower, upper = (reverse.graph.add_constant(bound.astype(kind).reshape(shape if bound.size > 1 else ())) for bound in bounds)
    inside = reverse.emit("And", reverse.emit("Greater", source, lower), reverse.emit("Less", source, upper))
    mask = reverse.emit("Cast", inside, to=onnx.helper.np_dtype_to_tensor_dtype(kind))
    return {0: reverse.times(gradient, mask, reverse.shape(source), rank=len(shape))}


@rule("DequantizeLinear")
def dequantize(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The gradient of a whole number stands for that of the number it was rounded from."""
    if any(reverse.wants(node, index) for index in range(1, len(node.input))):
        raise reverse.refuse(node, "its scale depends on the CAM layer")
    return {0: gradient}


def _zero_point(reverse: Reverse, node: onnx.NodeProto) -> np.ndarray | None:
    if len(node.input) > 2 and node.input[2]:
        return reverse.graph.constant(node.input[2])
    return np.zeros((), dtype=onnx.helper.tensor_dtype_to_np_dtype(attribute(node, "output_dtype", 0) or onnx.TensorProto.UINT8))
