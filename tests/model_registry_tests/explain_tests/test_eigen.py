"""Eigen-CAM against a singular value decomposition, on known activations, and as the way out that it is meant to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from model_registry.explain import NoGradientRule, explain_model

CHANNELS, ROWS, COLUMNS = 5, 6, 7


def classifier(head: list[onnx.NodeProto], *, kind: int = onnx.TensorProto.FLOAT, opset: int = 17) -> onnx.ModelProto:
    """`features` is the image itself; `head` leads from `pooled` (batch, channels, 1, 1) to `flat`, then a dense layer of 3."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    identity = np.eye(CHANNELS, dtype=dtype).reshape(CHANNELS, CHANNELS, 1, 1)
    dense = np.random.default_rng(0).normal(size=(CHANNELS, 3)).astype(dtype)
    nodes = [
        helper.make_node("Conv", ["image", "identity"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        *head,
        helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", kind, ["n", CHANNELS, ROWS, COLUMNS])],
        [helper.make_tensor_value_info("probabilities", kind, ["n", 3])],
        [numpy_helper.from_array(identity, "identity"), numpy_helper.from_array(dense, "dense")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


PLAIN = [helper.make_node("Flatten", ["pooled"], ["flat"])]


def run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Any = session.run(["heatmaps"], {"image": image})
    return np.asarray(found[0])


def by_decomposition(activations: np.ndarray) -> np.ndarray:
    """The projection on the first left singular vector of (channels, cells), with the sign of the mean activation."""
    maps = []
    for cells in activations.reshape(len(activations), CHANNELS, -1):
        projection = np.linalg.svd(cells)[0][:, 0] @ cells
        maps.append(np.maximum(projection * (-1 if projection @ cells.mean(axis=0) < 0 else 1), 0))
    return np.stack(maps).reshape(len(activations), 1, ROWS, COLUMNS)


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_the_map_is_the_projection_on_the_first_principal_direction(opset: int) -> None:
    random = np.random.default_rng(1)
    # one strong pattern in many channels on top of noise, with both signs, at very different scales
    pattern = random.normal(size=(4, 1, ROWS, COLUMNS)) * np.array([2.0, -1.0, 0.5, 1.0, 3.0]).reshape(1, CHANNELS, 1, 1)
    scales = np.array([1e-3, 1.0, 1e3, -1.0]).reshape(4, 1, 1, 1)
    activations = ((pattern + 0.3 * random.normal(size=(4, CHANNELS, ROWS, COLUMNS))) * scales).astype(np.float32)
    maps = run(explain_model(classifier(PLAIN, opset=opset), method="eigen-cam", target="features").model, activations)
    expected = by_decomposition(activations.astype(np.float64))
    for found, wanted in zip(maps, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4 * wanted.max())


def test_half_precision_keeps_its_type_and_its_map() -> None:
    activations = np.abs(np.random.default_rng(2).normal(size=(2, CHANNELS, ROWS, COLUMNS))).astype(np.float16) * np.float16(100)
    model = explain_model(classifier(PLAIN, kind=onnx.TensorProto.FLOAT16), method="eigen-cam", target="features").model
    maps = run(model, activations)
    expected = by_decomposition(activations.astype(np.float64))
    assert maps.dtype == np.float16
    np.testing.assert_allclose(maps, expected, atol=2e-3 * expected.max())


def test_where_nothing_is_active_the_map_is_blank() -> None:
    maps = run(
        explain_model(classifier(PLAIN), method="eigen-cam", target="features").model,
        np.zeros((2, CHANNELS, ROWS, COLUMNS), dtype=np.float32),
    )
    assert (maps == 0).all()


def test_there_is_one_map_for_all_classes_and_it_says_so() -> None:
    explained = explain_model(classifier(PLAIN), method="eigen-cam", target="features")
    assert (explained.columns, explained.is_class_independent) == (1, True)
    assert not explain_model(classifier(PLAIN), target="features").is_class_independent


def test_a_head_without_gradient_rules_is_offered_eigen_cam_and_it_works() -> None:
    """A custom operator, of which not even the shape is known: the graph is explained, though no machine here could run it."""
    model = classifier([helper.make_node("Routing", ["pooled"], ["flat"], domain="com.example", name="caps")])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(NoGradientRule, match=r"operator com\.example\.Routing of node 'caps'.*method 'eigen-cam'") as caught:
        explain_model(model)
    assert caught.value.fallback == "eigen-cam"
    explained = explain_model(model, method=caught.value.fallback)
    assert (explained.target, explained.columns, explained.grid_hw) == ("features", 1, (ROWS, COLUMNS))
    heatmaps = explained.model.graph.output[-1]
    assert [dim.dim_value or dim.dim_param for dim in heatmaps.type.tensor_type.shape.dim] == ["n", 1, ROWS, COLUMNS]
