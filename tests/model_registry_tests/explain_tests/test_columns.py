"""Passes of several columns in one: the products are shared, and what was made in another way is left apart."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from model_registry.building.graph_edit import output_add, suspicion_score_add
from model_registry.explain import explain_model, gradient_model
from model_registry.explain.columns import columns_stack
from model_registry.explain.graph import Graph
from tests.model_registry_tests.explain_tests.test_means import CLASSES, HIDDEN, classifier, run


def with_suspicion(*between: str) -> onnx.ModelProto:
    """A fourth column made from the three logits, as packages of several suspicious classes have it."""
    model = classifier(*between)
    joined = suspicion_score_add(model, logits="logits", scores="logits", suspicious=[1, 2], others=[0], joined="scores")
    output_add(model, joined, ["n", CLASSES + 1])
    return model


def added(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node if node.name.startswith("explain/"))


def test_all_classes_go_through_a_dense_layer_in_one_product() -> None:
    explained = explain_model(classifier("halve", "max-pool", "last"), target="features").model
    counts = added(explained)
    assert (counts["Gemm"], counts["Concat"], counts["Transpose"]) == (1, 0, 0)


@pytest.mark.parametrize("between", [(), ("halve", "overlapping"), ("halve", "max-pool", "last")])
def test_a_score_made_from_the_others_goes_through_the_dense_layer_with_them(between: tuple[str, ...]) -> None:
    """Its pass depends on the image where the others still are constants; the weights are read once for all four all the same."""
    model = with_suspicion(*between)
    explained = explain_model(model, scores="scores", target="features").model
    counts = added(explained)
    assert counts["Gemm"] == 2  # the last layer's for the fourth column, and one product for all
    assert counts["Concat"] == counts["Transpose"] == 0
    (maps,) = run(explained, ["heatmaps"])
    full = gradient_model(model, scores="scores", target="features")
    features = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, None)
    full.graph.output.append(features)
    activations, *gradients = run(full, ["features", *(f"gradients_{column}" for column in range(CLASSES + 1))])
    for column, gradient in enumerate(gradients):
        weights = np.broadcast_to(gradient, activations.shape).mean(axis=(2, 3), keepdims=True)
        expected = np.maximum((weights * activations).sum(axis=1), 0)
        np.testing.assert_allclose(maps[:, column], expected, atol=1e-5 * expected.max())
        assert expected.max() > 0


def test_an_infinite_pass_stays_in_its_own_row() -> None:
    graph = Graph(classifier())
    constant = graph.add_constant(np.ones((1, HIDDEN), dtype=np.float32))
    infinite = graph.emit("Reciprocal", graph.emit("Sub", "active", "active"))
    stacked = columns_stack(graph, [constant, infinite], HIDDEN)
    assert stacked is not None
    graph.rename(stacked, "stacked")
    graph.model.graph.output.append(onnx.helper.make_tensor_value_info("stacked", onnx.TensorProto.FLOAT, None))
    (found,) = run(graph.finish(), ["stacked"])
    assert found.shape == (3, 2, HIDDEN)
    assert (found[:, 0] == 1).all()
    assert np.isinf(found[:, 1]).all()


def test_constant_factors_one_after_another_become_one() -> None:
    graph = Graph(classifier())
    twice = graph.emit("Mul", graph.emit("Mul", "active", graph.scalar(3.0, "active")), graph.scalar(0.5, "active"))
    node = graph.added_by(twice)
    assert node is not None
    assert node.input[0] == "active"
    assert graph.constant(node.input[1]) == pytest.approx(1.5)
    row, column = (graph.add_constant(np.ones(shape, dtype=np.float32)) for shape in ((1, HIDDEN), (HIDDEN, 1)))
    crossed = graph.added_by(graph.emit("Mul", graph.emit("Mul", "active", row), column))
    assert crossed is not None
    assert graph.added_by(crossed.input[0]) is not None, "their product would be larger than both"


def test_constants_become_one_constant_with_a_row_for_each_column() -> None:
    graph = Graph(classifier())
    names = [graph.add_constant(np.full((1, HIDDEN), column, dtype=np.float32)) for column in range(CLASSES)]
    stacked = columns_stack(graph, names, HIDDEN)
    assert stacked is not None
    value = graph.constant(stacked)
    assert value is not None
    assert value.shape == (1, CLASSES, HIDDEN)
    assert value[0, :, 0].tolist() == [0.0, 1.0, 2.0]


def test_tensors_made_in_different_ways_are_not_stacked() -> None:
    graph = Graph(classifier())
    assert columns_stack(graph, [graph.emit("Sign", "active"), graph.emit("Neg", "active")], HIDDEN) is None
    assert columns_stack(graph, [graph.emit("Erf", "active"), graph.emit("Erf", "hidden")], HIDDEN) is None


def test_a_tensor_of_another_size_than_asked_for_is_not_stacked() -> None:
    graph = Graph(classifier())
    same = graph.emit("Sign", "active")
    assert columns_stack(graph, [same, same], HIDDEN) is not None
    assert columns_stack(graph, [same, same], HIDDEN + 1) is None
