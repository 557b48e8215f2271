"""Every rule against numerical differentiation: float64 central differences of the reference evaluator, float32 ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from model_registry.explain import NoGradientRule, gradient_model

OPSET = 18
COLUMNS = 2


class Case:
    """A small graph: `features` → the operators under test → a random weighted sum over everything → scores (batch, 2)."""

    def __init__(
        self, name: str, shape: tuple[int, ...], build: Callable[[Case], str], *, opset: int = OPSET, low: float = -2.0
    ) -> None:
        self.name, self.shape, self.opset, self.low = name, shape, opset, low
        self.build = build
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(7)

    def node(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), names, name=f"{op_type}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value: Any, kind: Any = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=kind)
        return name

    def weights(self, *shape: int, low: float = -1.0) -> str:
        return self.const(self.random.uniform(low, 1.0, shape))

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)

    def model(self, kind: type[np.floating[Any]]) -> onnx.ModelProto:
        self.nodes, self.constants, self.random = [], {}, np.random.default_rng(7)
        self.nodes.append(helper.make_node("Mul", ["image", self.const(1.0)], ["features"], name="features"))
        result = self.build(self)
        flat = self.node("Flatten", result, axis=1)
        # the number of elements behind the batch is found by running the part built so far
        answer: Any = ReferenceEvaluator(self._proto(np.float64, flat)).run(None, {"image": self.image(2)})
        size = answer[0].shape[1]
        scores = self.node("MatMul", flat, self.weights(size, COLUMNS))
        self.nodes.append(helper.make_node("Identity", [scores], ["scores"]))
        return self._proto(kind, "scores")

    def image(self, batch: int) -> np.ndarray:
        values = np.random.default_rng(3).permutation(np.linspace(self.low, 2.0, batch * int(np.prod(self.shape))))
        return values.reshape(batch, *self.shape) + 0.0137

    def _proto(self, kind: type[np.floating[Any]], output: str) -> onnx.ModelProto:
        tensor = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        constants = [
            numpy_helper.from_array(value.astype(kind) if value.dtype == np.float64 else value, name)
            for name, value in self.constants.items()
        ]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("image", tensor, ["batch", *self.shape])],
            [helper.make_tensor_value_info(output, tensor, None)],
            constants,
        )
        if output == "scores":
            del graph.output[:]
            graph.output.append(helper.make_tensor_value_info("scores", tensor, ["batch", COLUMNS]))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def unary(op_type: str, **options: Any) -> Case:
    low = options.pop("low", -2.0)
    return Case(op_type.lower(), (2, 3, 4), lambda c: c.node(op_type, "features", **options), low=low)


def reduction(op_type: str, axes: list[int], keepdims: int, *, opset: int = OPSET, low: float = -2.0) -> Case:
    def build(c: Case) -> str:
        if opset >= 18 or op_type == "ReduceSum":
            return c.node(op_type, "features", c.ints(*axes), keepdims=keepdims)
        return c.node(op_type, "features", axes=axes, keepdims=keepdims)

    return Case(f"{op_type}-{axes}-{keepdims}-{opset}".lower(), (3, 4, 5), build, opset=opset, low=low)


def convolution(**attributes: Any) -> Case:
    kernel = attributes.pop("kernel", (3, 3))
    group = attributes.get("group", 1)
    name = "conv-" + "-".join(f"{key}{value}" for key, value in attributes.items()).replace(" ", "")
    return Case(
        name, (4, 7, 6), lambda c: c.node("Conv", "features", c.weights(4, 4 // group, *kernel), c.weights(4), **attributes)
    )


def pool(op_type: str, **attributes: Any) -> Case:
    name = op_type.lower() + "-".join(f"{key}{value}" for key, value in attributes.items()).replace(" ", "")
    return Case(name, (2, 7, 6), lambda c: c.node(op_type, "features", **attributes))


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
    Case("gemm-bias-of-features", (6,), lambda c: c.node("Gemm", c.const(np.eye(2)), c.weights(2, 6), "features", beta=0.5)),
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
    Case("concat", MAP, lambda c: c.node("Concat", "features", c.weights(2, 2, 3, 4), c.node("Exp", "features"), axis=1)),
    Case("concat-negative-axis", MAP, lambda c: c.node("Concat", c.node("Neg", "features"), "features", axis=-1)),
    Case("slice", MAP, lambda c: c.node("Slice", "features", c.ints(1, 0), c.ints(4, -1), c.ints(3, 2))),
    Case("slice-of-an-open-axis", MAP, lambda c: c.node("Slice", "features", c.ints(0, 1), c.ints(2**31 - 1, 2), c.ints(0, 1))),
    Case("slice-with-steps", (2, 5, 4), lambda c: c.node("Slice", "features", c.ints(4), c.ints(-6), c.ints(2), c.ints(-2))),
    Case("pad", MAP, lambda c: c.node("Exp", c.node("Pad", "features", c.ints(0, 0, 1, 2, 0, 1, 0, 1)))),
    Case("gather-one", MAP, lambda c: c.node("Gather", "features", c.const(1, np.int64), axis=2)),
    Case("gather-several", MAP, lambda c: c.node("Gather", "features", c.const([2, 0, 2, -1], np.int64), axis=3)),
    Case(
        "split",
        (4, 3),
        lambda c: c.node("Mul", *c.node("Split", "features", c.ints(1, 3), axis=1, outputs=2)),
    ),
    Case("split-one-piece-unused", (4, 3), lambda c: c.node("Split", "features", c.ints(1, 3), axis=1, outputs=2)[1]),
    Case("channel-shuffle", (6, 2, 2), channel_shuffle),
]  # fmt: skip


def numerical_gradient(case: Case, image: np.ndarray, column: int) -> np.ndarray:
    evaluator = ReferenceEvaluator(case.model(np.float64))

    def evaluate(feed: dict[str, np.ndarray]) -> np.ndarray:
        answer: Any = evaluator.run(None, feed)
        return np.asarray(answer[0])

    step = 1e-3
    result = np.zeros(image.size)
    for index in range(image.size):
        moved = np.zeros(image.size)
        moved[index] = step
        offset = moved.reshape(image.shape)
        upper, lower = (evaluate({"image": image + sign * offset}) for sign in (1, -1))
        result[index] = (upper - lower)[:, column].sum() / (2 * step)
    return result.reshape(image.shape)


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
    with pytest.raises(Exception, match=r"com\.example|rank of tensor"):
        gradient_model(model, scores="scores", target="features")


def test_every_named_operator_has_a_rule() -> None:
    from model_registry.explain.rules import RULES

    covered = {node.op_type for case in CASES for node in (case.model(np.float32).graph.node)}
    untested = set(RULES) - covered - {"Shape", "Size", "Floor", "Ceil", "Round", "Sign", "ArgMax", "ArgMin"}
    assert untested - {"GreaterOrEqual", "Less", "LessOrEqual", "Equal"} == set()
