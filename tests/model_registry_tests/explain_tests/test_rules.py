"""Every rule against numerical differentiation: float64 central differences of the reference evaluator, float32 ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from model_registry.explain import NoGradientRule, gradient_model
from tests.model_registry_tests.explain_tests.case import (
    COLUMNS,
    OPSET,
    Case,
    convolution,
    numerical_gradient,
    pool,
    reduction,
    unary,
)


def product_with_pooled(c: Case) -> str:
    """Squeeze and excitation: the map times a gate made from its own mean."""
    pooled = c.node("GlobalAveragePool", "features")
    gate = c.node("Sigmoid", c.node("Conv", pooled, c.weights(2, 2, 1, 1)))
    return c.node("Mul", "features", gate)


def attention(c: Case) -> str:
    """A batched product of two tensors that both depend on the features."""
    rows = c.node("Mul", c.node("Reshape", "features", c.ints(0, 3, 20)), c.const(0.2))
    other = c.node("Transpose", rows, perm=[0, 2, 1])
    return c.node("Softmax", c.node("MatMul", rows, other), axis=-1)


def stable_log_sum_exp(c: Case) -> str:
    top = c.node("ReduceMax", "features", c.ints(2, 3), keepdims=1)
    total = c.node("ReduceSum", c.node("Exp", c.node("Sub", "features", top)), c.ints(2, 3), keepdims=1)
    return c.node("Add", top, c.node("Log", total))


def where_above_half(c: Case) -> str:
    return c.node("Where", c.node("Greater", "features", c.const(0.5)), "features", c.node("Exp", "features"))


def batch_normalization(c: Case) -> str:
    statistics = (c.weights(3), c.weights(3), c.weights(3), c.weights(3, low=0.1))
    return c.node("BatchNormalization", "features", *statistics, epsilon=1e-3)


def channel_shuffle(c: Case) -> str:
    groups = c.node("Transpose", c.node("Reshape", "features", c.ints(-1, 2, 3, 2, 2)), perm=[0, 2, 1, 3, 4])
    return c.node("Reshape", groups, c.ints(-1, 6, 2, 2))


def resized(*, size: tuple[int, int] | None = None, scale: tuple[float, float] = (2.0, 2.0), **attributes: Any) -> Case:
    """By sizes where given, else by scales, of a map of 4 x 5."""
    opset = attributes.pop("opset", OPSET)
    name = "-".join(["resize", str(size or scale), *map(str, attributes.values())]).replace(" ", "")

    def build(c: Case) -> str:
        if size is not None and opset >= 18:
            return c.node("Resize", "features", "", "", c.ints(*size), axes=[2, 3], **attributes)
        return c.node("Resize", "features", "", c.const([1, 1, *scale], np.float32), **attributes)

    return Case(name, (2, 4, 5), build, opset=opset)


def normalized_layer(c: Case) -> str:
    return c.node("LayerNormalization", "features", c.weights(3, 4), c.weights(3, 4), axis=-2)


def transposed_convolution(**attributes: Any) -> Case:
    group = attributes.get("group", 1)
    name = "conv-transpose-" + "-".join(map(str, attributes.values())).replace(" ", "")
    return Case(
        name, (4, 4, 3), lambda c: c.node("ConvTranspose", "features", c.weights(4, 6 // group, 3, 3), c.weights(6), **attributes)
    )


def power_of(exponent: float) -> Case:
    return Case(f"power-{exponent}", MAP, lambda c: c.node("Pow", "features", c.const(exponent)), low=0.3)


MAP = (2, 3, 4)
CASES = [
    *(unary(op) for op in ("Identity", "Neg", "Exp", "Abs", "Erf", "Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh")),
    *(unary(op) for op in ("Softplus", "Softsign", "HardSigmoid", "HardSwish", "Dropout")),
    *(unary(op, low=0.2) for op in ("Log", "Sqrt", "Reciprocal")),
    unary("HardSigmoid", alpha=0.7, beta=0.1),
    *(unary("Softmax", axis=axis) for axis in (1, -1)),
    unary("LogSoftmax", axis=1),
    Case("add-channel-bias", MAP, lambda c: c.node("Add", "features", c.weights(2, 1, 1))),
    Case("add-to-itself", MAP, lambda c: c.node("Add", "features", "features")),
    Case("sum-of-three", MAP, lambda c: c.node("Sum", "features", c.node("Exp", "features"), c.weights(1))),
    Case("subtract-from-constant", MAP, lambda c: c.node("Sub", c.weights(2, 3, 1), "features")),
    Case("subtract-own-mean", MAP, lambda c: c.node("Sub", "features", c.node("ReduceMean", "features", c.ints(2), keepdims=1))),
    Case("multiply-squared", MAP, lambda c: c.node("Mul", "features", "features")),
    Case("multiply-channel-scale", MAP, lambda c: c.node("Mul", c.weights(1, 2, 1, 1), "features")),
    Case("squeeze-and-excitation", (2, 5, 4), product_with_pooled),
    Case("divide-by-constant", MAP, lambda c: c.node("Div", "features", c.const([[[2.0]], [[-3.0]]]))),
    Case("divide-by-itself", MAP, lambda c: c.node("Div", c.node("Exp", "features"), "features"), low=0.3),
    Case(
        "divide-by-broadcast-sum",
        MAP,
        lambda c: c.node("Div", "features", c.node("ReduceSum", "features", c.ints(1, 2, 3), keepdims=1)),
        low=0.3,
    ),
    *(power_of(exponent) for exponent in (1.0, 2.0, 3.0, 0.5, -1.5)),
    Case("maximum-with-constant", MAP, lambda c: c.node("Max", "features", c.const(0.3), c.weights(3, 4))),
    Case("minimum-of-two-features", MAP, lambda c: c.node("Min", c.node("Neg", "features"), "features")),
    Case("where", MAP, where_above_half),
    Case("clip-both", MAP, lambda c: c.node("Clip", "features", c.const(-0.5), c.const(1.1))),
    Case("clip-above", MAP, lambda c: c.node("Clip", "features", "", c.const(1.1))),
    Case("prelu", MAP, lambda c: c.node("PRelu", "features", c.weights(2, 1, 1))),
    Case("cast", MAP, lambda c: c.node("CastLike", c.node("Cast", "features", to=onnx.TensorProto.DOUBLE), "features")),
    Case("matmul-last-axis", MAP, lambda c: c.node("MatMul", "features", c.weights(4, 5))),
    Case("matmul-constant-first", MAP, lambda c: c.node("MatMul", c.weights(5, 3), "features")),
    Case("matmul-stack-broadcast", MAP, lambda c: c.node("MatMul", "features", c.weights(2, 4, 3))),
    Case("matmul-two-dimensions", (6,), lambda c: c.node("MatMul", c.node("Relu", "features"), c.weights(6, 5))),
    Case("attention", (3, 4, 5), attention),
    Case("gemm", (6,), lambda c: c.node("Gemm", "features", c.weights(6, 5), c.weights(5), alpha=0.7, beta=1.3)),
    Case("gemm-transposed", (6,), lambda c: c.node("Gemm", "features", c.weights(5, 6), transB=1)),
    Case("gemm-bias", (6,), lambda c: c.node("Gemm", c.const(np.eye(2)), c.weights(2, 6), "features", beta=0.5), batch=2),
    convolution(),
    convolution(pads=[1, 1, 1, 1]),
    convolution(pads=[0, 1, 2, 1], strides=[2, 2]),
    convolution(strides=[3, 2]),
    convolution(dilations=[2, 2], pads=[2, 2, 2, 2]),
    convolution(group=4, pads=[1, 1, 1, 1]),
    convolution(group=2),
    convolution(auto_pad="SAME_UPPER", strides=[2, 2]),
    convolution(auto_pad="SAME_LOWER", strides=[2, 2]),
    convolution(auto_pad="VALID", strides=[2, 2]),
    convolution(kernel=(1, 1)),
    convolution(kernel=(1, 1), strides=[2, 2]),
    Case(
        "batch-normalization",
        (3, 4, 5),
        batch_normalization,
    ),
    pool("GlobalAveragePool"),
    pool("GlobalMaxPool"),
    pool("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
    pool("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    pool("AveragePool", kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
    pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    pool("MaxPool", kernel_shape=[3, 3], strides=[2, 2]),
    pool("MaxPool", kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1]),
    pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    pool("MaxPool", kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    *(
        reduction(op, axes, keep, opset=opset)
        for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceLogSumExp", "ReduceSumSquare", "ReduceL2")
        for axes, keep, opset in (([2, 3], 0, 18), ([-1], 1, 18), ([1, 3], 0, 17))
    ),
    Case("log-sum-exp-made-stable", (2, 3, 4), stable_log_sum_exp),
    Case("reshape", (2, 3, 4), lambda c: c.node("Exp", c.node("Reshape", "features", c.ints(0, 4, 6)))),
    Case("reshape-moves-batch", MAP, lambda c: c.node("Reshape", c.node("Reshape", "features", c.ints(-1, 4)), c.ints(-1, 24))),
    Case("flatten", (2, 3, 4), lambda c: c.node("Flatten", "features")),
    Case(
        "squeeze-unsqueeze",
        (2, 3, 4),
        lambda c: c.node("Squeeze", c.node("Unsqueeze", c.node("Exp", "features"), c.ints(1, -1)), c.ints(1)),
    ),
    Case("transpose", (2, 3, 4), lambda c: c.node("MatMul", c.node("Transpose", "features", perm=[0, 2, 3, 1]), c.weights(2, 3))),
    Case("expand", (2, 1, 4), lambda c: c.node("Expand", "features", c.ints(1, 2, 3, 4))),
    Case("join", MAP, lambda c: c.node("Concat", "features", c.weights(2, 1, 3, 4), c.node("Exp", "features"), axis=1), batch=2),
    Case("concat-negative-axis", MAP, lambda c: c.node("Concat", c.node("Neg", "features"), "features", axis=-1)),
    Case("slice", MAP, lambda c: c.node("Slice", "features", c.ints(1, 0), c.ints(4, -1), c.ints(3, 2))),
    Case("slice-of-an-open-axis", MAP, lambda c: c.node("Slice", "features", c.ints(0, 1), c.ints(2**31 - 1, 2), c.ints(0, 1))),
    Case("slice-with-steps", (2, 5, 4), lambda c: c.node("Slice", "features", c.ints(4), c.ints(-6), c.ints(2), c.ints(-2))),
    Case("pad", MAP, lambda c: c.node("Exp", c.node("Pad", "features", c.ints(0, 0, 1, 2, 0, 1, 0, 1)))),
    Case("gather-one", MAP, lambda c: c.node("Gather", "features", c.const(1, np.int64), axis=2)),
    Case("gather-table", MAP, lambda c: c.node("Gather", "features", c.const([[2, 0], [2, -1], [1, 1]], np.int64), axis=3)),
    Case("gather-several", MAP, lambda c: c.node("Gather", "features", c.const([2, 0, 2, -1], np.int64), axis=3)),
    Case(
        "split",
        (4, 3),
        lambda c: c.node("Mul", *c.node("Split", "features", c.ints(1, 3), axis=1, outputs=2)),
    ),
    Case("split-one-piece-unused", (4, 3), lambda c: c.node("Split", "features", c.ints(1, 3), axis=1, outputs=2)[1]),
    Case("channel-shuffle", (6, 2, 2), channel_shuffle),
    *(unary(op) for op in ("Sin", "Cos", "Mish", "Celu", "ThresholdedRelu")),
    unary("Celu", alpha=0.6),
    unary("Gelu", opset=20),
    unary("Gelu", opset=20, approximate="tanh"),
    unary("Swish", opset=24),
    unary("Swish", opset=24, alpha=1.7),
    *(reduction("ReduceL1", axes, keep, opset=opset) for axes, keep, opset in (([2, 3], 0, 18), ([1, 3], 0, 17))),
    *(reduction("ReduceMean", axes, keep) for axes, keep in (([2, 3], 1), ([-2], 0))),
    pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=1),
    pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1),
    pool("AveragePool", kernel_shape=[2, 3], dilations=[2, 1], pads=[1, 1, 0, 1], opset=19),
    pool("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
    pool("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]),
    pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2], opset=13),
    resized(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    resized(mode="nearest", scale=(1.5, 0.6)),
    resized(mode="linear"),
    resized(mode="linear", size=(7, 9), coordinate_transformation_mode="align_corners"),
    resized(mode="linear", size=(3, 8), coordinate_transformation_mode="pytorch_half_pixel"),
    resized(mode="linear", scale=(2.0, 1.0), opset=13),
    resized(mode="cubic", size=(6, 5)),
    resized(mode="linear", size=(2, 3), antialias=1),
    transposed_convolution(),
    transposed_convolution(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    transposed_convolution(strides=[2, 1], pads=[0, 1, 1, 0]),
    transposed_convolution(dilations=[2, 1]),
    Case("depth-to-space", (8, 2, 3), lambda c: c.node("DepthToSpace", "features", blocksize=2)),
    Case("depth-to-space-columns-first", (8, 2, 3), lambda c: c.node("DepthToSpace", "features", blocksize=2, mode="CRD")),
    Case("space-to-depth", (2, 4, 6), lambda c: c.node("SpaceToDepth", "features", blocksize=2)),
    Case("tile", MAP, lambda c: c.node("Exp", c.node("Tile", "features", c.ints(1, 2, 1, 3)))),
    Case("layer-normalization", MAP, normalized_layer),
    Case("instance-normalization", MAP, lambda c: c.node("InstanceNormalization", "features", c.weights(2), c.weights(2))),
    Case("local-response-narrow", (6, 2, 3), lambda c: c.node("LRN", "features", size=5, alpha=0.9, beta=0.6, bias=1.2), batch=6),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule_matches_numerical_differentiation(case: Case) -> None:
    image = case.image(2)
    extended = gradient_model(case.model(np.float32), scores="scores", target="features")
    session = onnxruntime.InferenceSession(extended.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([f"gradients_{column}" for column in range(COLUMNS)], {"image": image.astype(np.float32)})
    for column in range(COLUMNS):
        expected = numerical_gradient(case, image, column)
        # a gradient that is the same for the whole batch may stay at batch 1
        np.testing.assert_allclose(
            np.broadcast_to(found[column], expected.shape), expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max()
        )
        assert np.abs(expected).max() > 0.01


def test_an_operator_without_a_rule_is_named_with_its_node() -> None:
    case = Case("cumsum", (3,), lambda c: c.node("CumSum", "features", c.const(1, np.int64)))
    with pytest.raises(NoGradientRule, match=r"CumSum of node 'CumSum_1'") as caught:
        gradient_model(case.model(np.float32), scores="scores", target="features")
    assert caught.value.code == "model:no_gradient_rule"


def test_a_custom_operator_is_named_with_its_domain() -> None:
    case = Case("custom", (3,), lambda c: c.node("Relu", "features"))
    model = case.model(np.float32)
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(NoGradientRule, match=r"com\.example\.Relu of node 'Relu_1'"):
        gradient_model(model, scores="scores", target="features")


def test_every_named_operator_has_a_rule() -> None:
    from model_registry.explain.rules import RULES

    covered = {node.op_type for case in CASES for node in (case.model(np.float32).graph.node)}
    covered |= {"QuantizeLinear", "DequantizeLinear"}  # not differentiable as they stand: test_reduced_precision.py
    untested = set(RULES) - covered - {"Shape", "Size", "Floor", "Ceil", "Round", "Sign", "ArgMax", "ArgMin"}
    assert untested - {"GreaterOrEqual", "Less", "LessOrEqual", "Equal"} == set()
