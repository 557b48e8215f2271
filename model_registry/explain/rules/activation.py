"""Rules of activation functions. At a kink the gradient is 0, as in TensorFlow."""

from __future__ import annotations

import math

import onnx

from model_registry.explain.gradient import Contributions, Gradient, Reverse
from model_registry.explain.graph import attribute
from model_registry.explain.rules.registry import rule


def _float_of(reverse: Reverse, condition: str, like: str) -> str:
    return reverse.emit("Cast", condition, to=onnx.helper.np_dtype_to_tensor_dtype(reverse.graph.dtype(like)))


def _times(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient, derivative: str) -> Contributions:
    shape = reverse.shape(node.input[0])
    return {0: reverse.times(gradient, derivative, shape, rank=len(shape))}


def _one_minus(reverse: Reverse, name: str, like: str) -> str:
    return reverse.emit("Sub", reverse.graph.scalar(1.0, like), name)


@rule("Relu")
def relu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """The sign of the output is 1 where it passes and 0 where it does not: one node instead of two."""
    return _times(reverse, node, gradient, reverse.emit("Sign", node.output[0]))


@rule("LeakyRelu", "PRelu")
def leaky_relu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source = node.input[0]
    if reverse.wants(node, 1):
        raise reverse.refuse(node, "the slope depends on the CAM layer")
    one = reverse.graph.scalar(1.0, source)
    slope = node.input[1] if node.op_type == "PRelu" else reverse.graph.scalar(attribute(node, "alpha", 0.01), source)
    positive = reverse.emit("Greater", source, reverse.graph.scalar(0.0, source))
    return _times(reverse, node, gradient, reverse.emit("Where", positive, one, slope))


@rule("Elu", "Selu")
def elu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Below zero y = γα(eˣ − 1), whose derivative is y + γα; above, γ."""
    source = node.input[0]
    selu = node.op_type == "Selu"
    alpha = attribute(node, "alpha", 1.6732632423543772 if selu else 1.0)
    gamma = attribute(node, "gamma", 1.0507009873554805) if selu else 1.0
    positive = reverse.emit("Greater", source, reverse.graph.scalar(0.0, source))
    below = reverse.emit("Add", node.output[0], reverse.graph.scalar(gamma * alpha, source))
    return _times(reverse, node, gradient, reverse.emit("Where", positive, reverse.graph.scalar(gamma, source), below))


@rule("Clip")
def clip(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source = node.input[0]
    inside: str | None = None
    for index, operator in ((1, "Greater"), (2, "Less")):
        if len(node.input) > index and node.input[index]:
            condition = reverse.emit(operator, source, node.input[index])
            inside = condition if inside is None else reverse.emit("And", inside, condition)
    return {0: gradient} if inside is None else _times(reverse, node, gradient, _float_of(reverse, inside, source))


@rule("Sigmoid")
def sigmoid(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    result = node.output[0]
    return _times(reverse, node, gradient, reverse.emit("Mul", result, _one_minus(reverse, result, result)))


@rule("Tanh")
def hyperbolic_tangent(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    result = node.output[0]
    return _times(reverse, node, gradient, _one_minus(reverse, reverse.emit("Mul", result, result), result))


@rule("HardSigmoid")
def hard_sigmoid(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _times(
        reverse, node, gradient, _ramp(reverse, node.input[0], attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5))
    )


@rule("HardSwish")
def hard_swish(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """x·h(x) with h the hard sigmoid of slope 1/6: h + x·h'."""
    source = node.input[0]
    gate = reverse.emit("HardSigmoid", source, alpha=1.0 / 6.0, beta=0.5)
    derivative = reverse.emit("Add", gate, reverse.emit("Mul", source, _ramp(reverse, source, 1.0 / 6.0, 0.5)))
    return _times(reverse, node, gradient, derivative)


def _ramp(reverse: Reverse, source: str, alpha: float, beta: float) -> str:
    """The derivative of a hard sigmoid: alpha where 0 < alpha·x + beta < 1."""
    line = reverse.emit(
        "Add", reverse.emit("Mul", source, reverse.graph.scalar(alpha, source)), reverse.graph.scalar(beta, source)
    )
    above = reverse.emit("Greater", line, reverse.graph.scalar(0.0, source))
    below = reverse.emit("Less", line, reverse.graph.scalar(1.0, source))
    return reverse.emit("Mul", _float_of(reverse, reverse.emit("And", above, below), source), reverse.graph.scalar(alpha, source))


@rule("Gelu")
def gelu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """x·Φ(x) → Φ(x) + x·φ(x), or the same of the tanh approximation of Φ."""
    source = node.input[0]
    emit, scalar = reverse.emit, reverse.graph.scalar
    squared = emit("Mul", source, source)
    if attribute(node, "approximate", "none") == "tanh":
        root, cubic = math.sqrt(2.0 / math.pi), 0.044715
        line = emit("Mul", source, emit("Add", emit("Mul", squared, scalar(root * cubic, source)), scalar(root, source)))
        bent = emit("Tanh", line)
        slope = emit("Add", emit("Mul", squared, scalar(1.5 * root * cubic, source)), scalar(0.5 * root, source))
        density = emit("Mul", _one_minus(reverse, emit("Mul", bent, bent), source), slope)
    else:
        bent = emit("Erf", emit("Mul", source, scalar(math.sqrt(0.5), source)))
        bell = emit("Exp", emit("Mul", squared, scalar(-0.5, source)))
        density = emit("Mul", bell, scalar(1.0 / math.sqrt(2.0 * math.pi), source))
    share = emit("Mul", emit("Add", bent, scalar(1.0, source)), scalar(0.5, source))
    return _times(reverse, node, gradient, emit("Add", share, emit("Mul", source, density)))


@rule("Mish")
def mish(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """x·t with t = tanh(softplus(x)): t + x·(1 − t²)·sigmoid(x)."""
    source = node.input[0]
    bent = reverse.emit("Tanh", reverse.emit("Softplus", source))
    slope = reverse.emit("Mul", _one_minus(reverse, reverse.emit("Mul", bent, bent), source), reverse.emit("Sigmoid", source))
    return _times(reverse, node, gradient, reverse.emit("Add", bent, reverse.emit("Mul", source, slope)))


@rule("Swish")
def swish(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """x·s with s = sigmoid(αx): s + α·y·(1 − s)."""
    source = node.input[0]
    alpha = reverse.graph.scalar(attribute(node, "alpha", 1.0), source)
    gate = reverse.emit("Sigmoid", reverse.emit("Mul", source, alpha))
    rest = reverse.emit("Mul", reverse.emit("Mul", node.output[0], alpha), _one_minus(reverse, gate, source))
    return _times(reverse, node, gradient, reverse.emit("Add", gate, rest))


@rule("ThresholdedRelu")
def thresholded_relu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    source = node.input[0]
    passing = reverse.emit("Greater", source, reverse.graph.scalar(attribute(node, "alpha", 1.0), source))
    return _times(reverse, node, gradient, _float_of(reverse, passing, source))


@rule("Celu")
def celu(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """Below zero y = α(e^(x/α) − 1), whose derivative is y/α + 1; above, 1."""
    source, one = node.input[0], reverse.graph.scalar(1.0, node.input[0])
    scale = reverse.graph.scalar(1.0 / attribute(node, "alpha", 1.0), source)
    below = reverse.emit("Add", reverse.emit("Mul", node.output[0], scale), one)
    positive = reverse.emit("Greater", source, reverse.graph.scalar(0.0, source))
    return _times(reverse, node, gradient, reverse.emit("Where", positive, one, below))


@rule("Softplus")
def softplus(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    return _times(reverse, node, gradient, reverse.emit("Sigmoid", node.input[0]))


@rule("Softsign")
def softsign(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    """x/(1 + |x|) has the derivative (1 − |y|)²."""
    rest = _one_minus(reverse, reverse.emit("Abs", node.output[0]), node.output[0])
    return _times(reverse, node, gradient, reverse.emit("Mul", rest, rest))


@rule("Softmax", "LogSoftmax")
def softmax(reverse: Reverse, node: onnx.NodeProto, gradient: Gradient) -> Contributions:
    result = node.output[0]
    axis = attribute(node, "axis", -1) % len(reverse.shape(result))
    gradient = reverse.dense(gradient, result, axes=[axis])
    if node.op_type == "LogSoftmax":
        total = reverse.graph.reduce("ReduceSum", gradient.name, [axis])
        weighted = reverse.emit("Mul", reverse.emit("Exp", result), total)
        return {0: Gradient(reverse.emit("Sub", gradient.name, weighted))}
    total = reverse.graph.reduce("ReduceSum", reverse.emit("Mul", gradient.name, result), [axis])
    return {0: Gradient(reverse.emit("Mul", result, reverse.emit("Sub", gradient.name, total)))}
