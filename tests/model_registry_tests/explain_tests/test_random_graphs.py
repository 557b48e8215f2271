"""Random stacks of operators: small ONNX graphs against numerical differentiation, Keras stacks against TensorFlow's tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_registry.explain import gradient_model
from tests.model_registry_tests.explain_tests.case import COLUMNS, Case, numerical_gradient
from tests.model_registry_tests.thorough import examples

CHANNELS, SIZE = 2, 4
SHAPE = (CHANNELS, SIZE, SIZE)
Step = Callable[[Case, str, str], str]


def unary(op_type: str, **attributes: Any) -> Step:
    return lambda c, x, earlier: c.node(op_type, x, **attributes)


def gated(c: Case, x: str, earlier: str) -> str:
    gate = c.node("Conv", c.node("GlobalAveragePool", x), c.weights(CHANNELS, CHANNELS, 1, 1))
    return c.node("Mul", earlier, c.node("Sigmoid", gate))


def joined(c: Case, x: str, earlier: str) -> str:
    return c.node("Conv", c.node("Concat", x, earlier, axis=1), c.weights(CHANNELS, 2 * CHANNELS, 1, 1))


def split_and_swapped(c: Case, x: str, earlier: str) -> str:
    first, second = c.node("Split", x, c.ints(1, 1), axis=1, outputs=2)
    return c.node("Concat", c.node("Exp", c.node("Tanh", second)), first, axis=1)


def normalized(c: Case, x: str, earlier: str) -> str:
    offset = c.node("Sub", x, c.node("ReduceMean", x, c.ints(2, 3), keepdims=1))
    return c.node("Div", offset, c.node("Add", c.node("Softplus", earlier), c.const(0.5)))


def shifted(c: Case, x: str, earlier: str) -> str:
    return c.node("Pad", c.node("Slice", x, c.ints(1), c.ints(SIZE), c.ints(2)), c.ints(0, 0, 0, 0, 0, 0, 1, 0))


def channels_last_and_back(c: Case, x: str, earlier: str) -> str:
    last = c.node("MatMul", c.node("Transpose", x, perm=[0, 2, 3, 1]), c.weights(CHANNELS, CHANNELS))
    return c.node("Transpose", last, perm=[0, 3, 1, 2])


# without Erf, which the reference evaluator computes in float32 only: too coarse for small steps
STEPS: dict[str, Step] = {
    **{op: unary(op) for op in ("Relu", "LeakyRelu", "Tanh", "Sigmoid", "HardSwish", "Softplus", "Neg", "Mish")},
    "MaxPool": unary("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "AveragePool": unary("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Softmax": unary("Softmax", axis=1),
    "Conv": lambda c, x, earlier: c.node("Conv", x, c.weights(CHANNELS, CHANNELS, 3, 3), pads=[1, 1, 1, 1]),
    "Depthwise": lambda c, x, earlier: c.node("Conv", x, c.weights(CHANNELS, 1, 3, 3), pads=[1, 1, 1, 1], group=CHANNELS),
    "Add": lambda c, x, earlier: c.node("Add", x, earlier),
    "Multiply": lambda c, x, earlier: c.node("Tanh", c.node("Mul", x, earlier)),
    "Scale": lambda c, x, earlier: c.node("Add", c.node("Mul", x, c.weights(CHANNELS, 1, 1)), c.weights(1, SIZE)),
    "Gate": gated,
    "Join": joined,
    "Split": split_and_swapped,
    "Normalize": normalized,
    "Shift": shifted,
    "ChannelsLast": channels_last_and_back,
}


@settings(max_examples=examples(25), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 7)), min_size=2, max_size=7))
def test_the_gradient_of_a_random_graph_matches_numerical_differentiation(plan: list[tuple[str, int]]) -> None:
    """Each step reads the result before it and, where it takes two, any earlier one."""

    def build(c: Case) -> str:
        made = ["features"]
        for name, earlier in plan:
            made.append(STEPS[name](c, made[-1], made[earlier % len(made)]))
        return made[-1]

    case = Case("random", SHAPE, build)
    image = case.image(2)
    extended = gradient_model(case.model(np.float32), scores="scores", target="features")
    session = onnxruntime.InferenceSession(extended.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([f"gradients_{column}" for column in range(COLUMNS)], {"image": image.astype(np.float32)})
    for column in range(COLUMNS):
        # a step so small that no kink of a chain lies within it
        expected = numerical_gradient(case, image, column, step=1e-6)
        actual = np.broadcast_to(np.asarray(found[column]), expected.shape)
        np.testing.assert_allclose(actual, expected, atol=1e-3 * max(float(np.abs(expected).max()), 1e-3))
