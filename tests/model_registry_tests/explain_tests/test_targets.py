"""A CAM layer named by hand in channel-last order, which shape alone cannot tell from channel-first."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.explain import ExplainError, NoTarget, explain_model, gradient_model

CLASSES = 3
IMAGE = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)


def classifier(sizes: tuple[int, int, int], *, reader: str, extra: str = "") -> onnx.ModelProto:
    """Dense → Reshape to (rows, columns, channels) = "cam" → `reader` (and `extra`) → scores, as in Keras."""
    rows, columns, channels = sizes
    random = np.random.default_rng(4)
    weights: dict[str, np.ndarray] = {
        "wide": random.normal(size=(6, rows * columns * channels)),
        "kernel": random.normal(size=(2, channels, 3, 3)),
        "dense": random.normal(size=(2 * rows * columns, CLASSES)),
        "pooled": random.normal(size=(channels, CLASSES)),
        "flat": random.normal(size=(rows * columns * channels, CLASSES)),
    }
    whole = {"shape": np.array([-1, rows, columns, channels]), "vector": np.array([-1, channels]), "yes": np.array(True)}
    nodes = [
        helper.make_node("MatMul", ["image", "wide"], ["spread"]),
        helper.make_node("Relu", ["spread"], ["active"]),
        helper.make_node("Reshape", ["active", "shape"], ["cam"]),
    ]
    ways = {
        "convolution": [
            helper.make_node("Tanh", ["cam"], ["bent"]),
            helper.make_node("Transpose", ["bent"], ["first"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["first", "kernel"], ["found"], pads=[1, 1, 1, 1]),
            helper.make_node("Flatten", ["found"], ["row"]),
            helper.make_node("MatMul", ["row", "dense"], ["by-convolution"]),
        ],
        "mean": [
            helper.make_node("ReduceMean", ["cam"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["mean", "pooled"], ["by-mean"]),
        ],
        "flatten": [helper.make_node("Flatten", ["cam"], ["all"]), helper.make_node("MatMul", ["all", "flat"], ["by-flatten"])],
        "branch": [helper.make_node("If", ["open"], ["chosen"], then_branch=branch("cam"), else_branch=branch("cam"))],
    }
    nodes += [node for way in (reader, extra) if way for node in ways[way]]
    parts = [f"by-{way}" for way in (reader, extra) if way and way != "branch"]
    nodes += [helper.make_node("Sum", parts, ["logits"])]
    if "branch" in (reader, extra):
        nodes.insert(0, helper.make_node("Greater", ["image", "limit"], ["above"]))
        nodes.insert(1, helper.make_node("ReduceMax", ["above_float"], ["top"], keepdims=0))
        nodes.insert(1, helper.make_node("Cast", ["above"], ["above_float"], to=TensorProto.FLOAT))
        nodes.insert(3, helper.make_node("Cast", ["top"], ["open"], to=TensorProto.BOOL))
        nodes[-1] = helper.make_node("Add", [parts[0], "chosen"], ["logits"])
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [
            *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()),
            *(numpy_helper.from_array(value, name) for name, value in whole.items()),
            numpy_helper.from_array(np.array(0.0, dtype=np.float32), "limit"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def branch(tensor: str) -> onnx.GraphProto:
    nodes = [helper.make_node("ReduceMean", [tensor], ["inner"], axes=[1, 2, 3], keepdims=0)]
    nodes.append(helper.make_node("Unsqueeze", ["inner", "axis"], ["result"]))
    axis = numpy_helper.from_array(np.array([1]), "axis")
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)], [axis])


def run(model: onnx.ModelProto, names: list[str]) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, {"image": IMAGE})


@pytest.mark.parametrize("sizes", [(4, 6, 5), (5, 5, 5)])
@pytest.mark.parametrize(
    ("reader", "extra"), [("convolution", ""), ("mean", ""), ("convolution", "flatten"), ("flatten", "mean")]
)
def test_a_named_tensor_in_channel_last_order_is_turned_and_not_misread(
    sizes: tuple[int, int, int], reader: str, extra: str
) -> None:
    model = classifier(sizes, reader=reader, extra=extra)
    explained = explain_model(model, target="cam")
    assert explained.grid_hw == sizes[:2]
    logits, maps = run(explained.model, ["logits", "heatmaps"])
    shown = gradient_model(model, scores="logits", target="cam")
    shown.graph.output.append(helper.make_tensor_value_info("cam", TensorProto.FLOAT, [None] * 4))
    before, cam, *gradients = run(shown, ["logits", "cam", *(f"gradients_{column}" for column in range(CLASSES))])
    np.testing.assert_allclose(logits, before, rtol=1e-5)
    for column, gradient in enumerate(gradients):
        weights = np.broadcast_to(gradient, cam.shape).mean(axis=(1, 2), keepdims=True)
        expected = np.maximum((weights * cam).sum(axis=3), 0)
        np.testing.assert_allclose(maps[:, column], expected, atol=1e-5 * expected.max())
        assert expected.max() > 0


def test_a_tensor_whose_layout_nothing_tells_is_refused() -> None:
    with pytest.raises(NoTarget, match=r"model:no_cam_layer: nothing in the graph says whether tensor 'cam' holds its channels"):
        explain_model(classifier((4, 6, 5), reader="flatten"), target="cam")


def test_a_tensor_that_a_branch_reads_from_inside_is_not_turned() -> None:
    with pytest.raises(ExplainError, match="read from inside a branch"):
        explain_model(classifier((4, 6, 5), reader="convolution", extra="branch"), target="cam")
