"""An `If` that is decided before any image is no hindrance; one that is not stays one. Long chains and odd orders are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.explain import ExplainError, NoGradientRule, explain_model
from model_registry.explain.graph import Graph


def classifier(condition: bool | None) -> onnx.ModelProto:
    """Conv → If (half or double) → global pool. `condition` None: decided by the image."""
    branches = {
        name: helper.make_graph(
            [helper.make_node("Mul", ["features", factor], [f"{name}_result"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_result", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.array(value, dtype=np.float32), factor)],
        )
        for name, factor, value in (("then_branch", "half", 0.5), ("else_branch", "double", 2.0))
    }
    decided = [helper.make_node("Constant", [], ["decided"], value=numpy_helper.from_array(np.array(bool(condition))))]
    if condition is None:
        decided = [
            helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "zero"], ["decided"]),
        ]
    nodes = [
        *decided,
        helper.make_node("Conv", ["image", "kernel"], ["features"]),
        helper.make_node("If", ["decided"], ["chosen"], name="choice", **branches),
        helper.make_node("GlobalAveragePool", ["chosen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    weights = {"kernel": np.random.default_rng(0).normal(size=(3, 2, 3, 3)), "zero": np.zeros(())}
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["logits", "heatmaps"], {"image": np.random.default_rng(1).random((2, 2, 8, 8), dtype=np.float32)})


def test_the_branch_that_is_always_taken_is_differentiated() -> None:
    (half, half_maps), (double, double_maps) = (
        run(explain_model(classifier(condition), target="features").model) for condition in (True, False)
    )
    np.testing.assert_allclose(double, 4 * half, rtol=1e-5)
    np.testing.assert_allclose(double_maps, 4 * half_maps, rtol=1e-5)
    assert half_maps.max() > 0


def test_a_branch_that_the_image_decides_is_refused() -> None:
    with pytest.raises(NoGradientRule, match="operator If of node 'choice'"):
        explain_model(classifier(None), target="features")


def test_a_chain_of_copies_longer_than_calls_go_is_followed() -> None:
    model = classifier(True)
    steps = 2_000
    chain = [helper.make_node("Identity", [f"k{step}"], [f"k{step + 1}"]) for step in range(steps)]
    model.graph.node.extend([*chain, helper.make_node("Identity", ["kernel"], ["k0"])])
    value = Graph(model).constant(f"k{steps}")
    assert value is not None
    assert value.shape == (3, 2, 3, 3)


def test_nodes_in_the_wrong_order_are_sorted_and_a_circle_is_refused() -> None:
    model = classifier(True)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert run(explain_model(model, target="features").model)[1].shape == (2, 3, 6, 6)
    model.graph.node.append(helper.make_node("Add", ["late", "kernel"], ["early"]))
    model.graph.node.append(helper.make_node("Identity", ["early"], ["late"]))
    with pytest.raises(ExplainError, match="runs in circles"):
        explain_model(model)
