"""Rules of arithmetic between tensors, broadcasting included, and of functions of one tensor without parameters."""

from __future__ import annotations

import math

import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.rules.registry import rule


def _operand(reverse: Reverse, node: onnx.NodeProto, index: int, gradient: Gradient) -> Gradient:
    return reverse.unbroadcast(gradient, operand=node.input[index], result=node.output[0])


def _unary(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient, derivative: str) -> Contributions:
    """`derivative` is a tensor of the input's own shape."""
    shape = reverse.shape(node.input[0])
    return {0: reverse.times(gradient, derivative, shape, rank=len(shape))}


@rule("Identity", "Dropout", "Cast", "CastLike")
def same(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    if node.op_type.startswith("Cast") and reverse.graph.dtype(node.input[0]) != reverse.graph.dtype(node.output[0]):
        kind = onnx.helper.np_dtype_to_tensor_dtype(reverse.graph.dtype(node.input[0]))
        return {0: Gradient(reverse.emit("Cast", gradient.name, to=kind), gradient.lazy)}
    return {0: gradient}


@rule(
    "Shape",
    "Size",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Equal",
    "Floor",
    "Ceil",
    "Round",
    "Sign",
    "ArgMax",
    "ArgMin",
)
def flat(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Constant wherever they are differentiable."""
    return {}


@rule("Add", "Sum")
def add(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return {index: _operand(reverse, node, index, gradient) for index in range(len(node.input)) if reverse.wants(node, index)}


@rule("Sub")
def subtract(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    found: Contributions = {}
    if reverse.wants(node, 0):
        found[0] = _operand(reverse, node, 0, gradient)
    if reverse.wants(node, 1):
        found[1] = _operand(reverse, node, 1, reverse.negated(gradient))
    return found


@rule("Mul")
def multiply(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    rank = len(reverse.shape(node.output[0]))
    found: Contributions = {}
    for index in (0, 1):
        if reverse.wants(node, index):
            other = node.input[1 - index]
            found[index] = _operand(reverse, node, index, reverse.times(gradient, other, reverse.shape(other), rank=rank))
    return found


@rule("Div")
def divide(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    denominator = node.input[1]
    rank = len(reverse.shape(node.output[0]))
    inverse = reverse.emit("Reciprocal", denominator)
    scaled = reverse.times(gradient, inverse, reverse.shape(denominator), rank=rank)
    found: Contributions = {}
    if reverse.wants(node, 0):
        found[0] = _operand(reverse, node, 0, scaled)
    if reverse.wants(node, 1):
        through = reverse.times(scaled, node.output[0], reverse.shape(node.output[0]), rank=rank)
        found[1] = _operand(reverse, node, 1, reverse.negated(through))
    return found


@rule("Neg")
def negate(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return {0: reverse.negated(gradient)}


@rule("Pow")
def power(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    base, exponent = node.input
    value = reverse.graph.constant(exponent)
    if value is None or value.size != 1:
        raise reverse.refuse(node, "only a constant scalar exponent is covered")
    number = float(value.reshape(()))
    if number == 1.0:
        return {0: gradient}
    inner = base if number == 2.0 else reverse.emit("Pow", base, reverse.graph.scalar(number - 1.0, base))
    return _unary(reverse, node, reverse.scaled(gradient, number, base), inner)


@rule("Sqrt")
def square_root(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _unary(reverse, node, reverse.scaled(gradient, 0.5, node.input[0]), reverse.emit("Reciprocal", node.output[0]))


@rule("Reciprocal")
def reciprocal(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    squared = reverse.emit("Mul", node.output[0], node.output[0])
    return _unary(reverse, node, reverse.negated(gradient), squared)


@rule("Exp")
def exponential(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _unary(reverse, node, gradient, node.output[0])


@rule("Log")
def logarithm(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _unary(reverse, node, gradient, reverse.emit("Reciprocal", node.input[0]))


@rule("Abs")
def absolute(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _unary(reverse, node, gradient, reverse.emit("Sign", node.input[0]))


@rule("Sin", "Cos")
def sine(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    if node.op_type == "Sin":
        return _unary(reverse, node, gradient, reverse.emit("Cos", node.input[0]))
    return _unary(reverse, node, reverse.negated(gradient), reverse.emit("Sin", node.input[0]))


@rule("Erf")
def error_function(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source = node.input[0]
    bell = reverse.emit("Exp", reverse.emit("Neg", reverse.emit("Mul", source, source)))
    return _unary(reverse, node, reverse.scaled(gradient, 2.0 / math.sqrt(math.pi), source), bell)


@rule("Min", "Max")
def extreme(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The whole gradient goes to the operand that was chosen; of equal ones, to the first, as TensorFlow does."""
    result = node.output[0]
    shape = reverse.shape(result)
    taken: str | None = None
    found: Contributions = {}
    for index, name in enumerate(node.input):
        chosen = reverse.emit("Equal", name, result)
        if taken is not None:
            chosen = reverse.emit("And", chosen, reverse.emit("Not", taken))
        taken = chosen if taken is None else reverse.emit("Or", taken, chosen)
        if reverse.wants(node, index):
            mask = reverse.emit("Cast", chosen, to=onnx.helper.np_dtype_to_tensor_dtype(reverse.graph.dtype(result)))
            found[index] = _operand(reverse, node, index, reverse.times(gradient, mask, shape, rank=len(shape)))
    return found


@rule("Where")
def where(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    condition, result = node.input[0], node.output[0]
    kind = onnx.helper.np_dtype_to_tensor_dtype(reverse.graph.dtype(result))
    shape, rank = reverse.shape(condition), len(reverse.shape(result))
    found: Contributions = {}
    for index, mask in ((1, condition), (2, reverse.emit("Not", condition))):
        if reverse.wants(node, index):
            picked = reverse.times(gradient, reverse.emit("Cast", mask, to=kind), shape, rank=rank)
            found[index] = _operand(reverse, node, index, picked)
    return found
