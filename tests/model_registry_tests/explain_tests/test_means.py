"""The mean of a gradient is taken where it is cheap: what runs is small, and the numbers are those of the full gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.explain import explain_model, gradient_model
from model_registry.explain.graph import Graph
from model_registry.explain.means import mean_emit

CHANNELS, ROWS, COLUMNS, HIDDEN, CLASSES = 4, 12, 10, 6, 3
IMAGE = np.random.default_rng(5).normal(size=(3, 2, ROWS, COLUMNS)).astype(np.float32)


def classifier(*between: str) -> onnx.ModelProto:
    """Conv → `between` → Flatten → Gemm → Relu → Gemm: the head that makes a gradient of the map's full size."""
    random = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {"kernel": random.normal(size=(CHANNELS, 2, 3, 3)), "factor": random.normal(size=(4, 1, 1))}
    weights |= {"narrow": random.normal(size=(CHANNELS, CHANNELS, 1, 1)), "half": np.array(0.5)}
    made: dict[str, tuple[str, list[str], dict[str, Any]]] = {
        "scale": ("Mul", ["factor"], {}),
        "halve": ("Div", ["half"], {}),
        "shift": ("Add", ["factor"], {}),
        "narrow": ("Conv", ["narrow"], {}),
        "max-pool": ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        "overlapping": ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2]}),
        "average-pool": ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}),
        "last": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    }
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["features"], pads=[1, 1, 1, 1])]
    name = "features"
    for step in between:
        operator, extra, attributes = made[step]
        nodes.append(helper.make_node(operator, [name, *extra], [f"after_{len(nodes)}"], **attributes))
        name = f"after_{len(nodes) - 1}"
    size = ROWS * COLUMNS * CHANNELS
    if "max-pool" in between:
        size //= 4
    if "overlapping" in between:
        size = 5 * 4 * CHANNELS
    weights |= {"wide": random.normal(size=(size, HIDDEN)), "dense": random.normal(size=(HIDDEN, CLASSES))}
    nodes += [
        helper.make_node("Flatten", [name], ["flat"]),
        helper.make_node("MatMul", ["flat", "wide"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "dense"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, ROWS, COLUMNS])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, names: list[str]) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, {"image": IMAGE})


BETWEEN = [
    (),
    ("last",),
    ("max-pool",),
    ("overlapping", "last"),
    ("scale", "max-pool"),
    ("average-pool", "halve"),
    ("halve", "shift", "narrow", "max-pool", "last"),
]


@pytest.mark.parametrize("between", BETWEEN, ids=lambda steps: "-".join(steps) or "flatten")
def test_the_maps_equal_those_of_the_full_gradient_and_nothing_of_the_maps_size_is_scattered(between: tuple[str, ...]) -> None:
    model = classifier(*between)
    explained = explain_model(model, target="features").model
    (maps,) = run(explained, ["heatmaps"])
    shown = onnx.ModelProto()
    shown.CopyFrom(gradient_model(model, scores="logits", target="features"))
    shown.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [None] * 4))
    *gradients, features = run(shown, [f"gradients_{column}" for column in range(CLASSES)] + ["features"])
    weights = np.stack(gradients, axis=1).mean(axis=(3, 4))
    expected = np.maximum(np.einsum("nkc,ncij->nkij", weights, features), 0)
    np.testing.assert_allclose(maps, expected, atol=1e-5 * expected.max())
    assert expected.max() > 0
    added = [node for node in explained.graph.node if node.name.startswith("explain/")]
    assert not {node.op_type for node in added} & {"ScatterElements", "MaxPool", "ConvTranspose"} - (
        {"ConvTranspose"} if "narrow" in between else set()
    )
    sizes = [int(np.prod(tensor.dims)) for tensor in explained.graph.initializer if tensor.name.startswith("explain/")]
    assert max(sizes) <= HIDDEN * CHANNELS, "the wide layer's weights are averaged over their places before anything runs"
    assert all("wide" not in node.input for node in added)


def test_a_mean_that_cannot_be_moved_is_taken_where_it_stands() -> None:
    graph = Graph(classifier())
    squared = graph.emit("Tanh", "features")
    mean = mean_emit(graph, squared, (2, 3), rank=4)
    node = graph.added_by(mean)
    assert node is not None
    assert (node.op_type, node.input[0]) == ("ReduceMean", squared)


def test_a_factor_that_varies_along_the_axes_stays_inside_the_mean() -> None:
    graph = Graph(classifier())
    product = graph.emit("Mul", graph.emit("Tanh", "features"), "features")
    node = graph.added_by(mean_emit(graph, product, (2, 3), rank=4))
    assert node is not None
    assert (node.op_type, node.input[0]) == ("ReduceMean", product)
