"""Passes of several columns in one: the products are shared, and what was made in another way is left apart."""

from __future__ import annotations

import numpy as np

from model_registry.explain import explain_model
from model_registry.explain.columns import columns_stack
from model_registry.explain.graph import Graph
from tests.model_registry_tests.explain_tests.test_means import CLASSES, HIDDEN, classifier


def test_all_classes_go_through_a_dense_layer_in_one_product() -> None:
    explained = explain_model(classifier("halve", "max-pool", "last"), target="features").model
    added = [node.op_type for node in explained.graph.node if node.name.startswith("explain/")]
    assert added.count("Gemm") == 1
    assert "Concat" not in added
    assert "Transpose" not in added


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
