"""Every node and tensor of a model, those of subgraphs and functions included. Reads the structure; touches no data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
from onnx import TensorProto


def attribute_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The branches and bodies inside a node."""
    graphs: list[onnx.GraphProto] = []
    for entry in node.attribute:
        graphs.extend(entry.graphs)
        if entry.HasField("g"):
            graphs.append(entry.g)
    return graphs


def graphs_below(graph: onnx.GraphProto) -> Iterator[tuple[onnx.GraphProto, int]]:
    """The graph itself (depth 0) and every graph inside it with its depth."""
    pending = [(graph, 0)]
    while pending:
        current, depth = pending.pop()
        yield current, depth
        pending.extend((inner, depth + 1) for node in current.node for inner in attribute_graphs(node))


def nodes_below(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """These nodes and those of every graph inside them."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        for graph in attribute_graphs(node):
            pending.extend(graph.node)


def model_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from nodes_below(model.graph.node)
    for function in model.functions:
        yield from nodes_below(function.node)


def sparse_tensors(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    for graph in _all_graphs(model):
        yield from graph.sparse_initializer
    for node in model_nodes(model):
        for entry in node.attribute:
            yield from entry.sparse_tensors
            if entry.HasField("sparse_tensor"):
                yield entry.sparse_tensor


def model_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Weights, constants, and the parts of sparse tensors."""
    for graph in _all_graphs(model):
        yield from graph.initializer
    for node in model_nodes(model):
        for entry in node.attribute:
            yield from entry.tensors
            if entry.HasField("t"):
                yield entry.t
    for sparse in sparse_tensors(model):
        yield from (sparse.values, sparse.indices)


def model_names(model: onnx.ModelProto) -> Iterator[str | bytes]:
    """Every name in a model. The parser gives text that is not UTF-8 as bytes, whatever its types promise."""
    yield from (model.producer_name, model.producer_version)
    imports = [*model.opset_import, *(entry for function in model.functions for entry in function.opset_import)]
    yield from (entry.domain for entry in imports)
    for function in model.functions:
        yield from (function.name, function.domain, function.overload, *function.input, *function.output)
    for node in model_nodes(model):
        yield from (node.name, node.op_type, node.domain, node.overload, *node.input, *node.output)
        yield from (entry.name for entry in node.attribute)
    for tensor in model_tensors(model):
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)
    for graph in _all_graphs(model):
        yield graph.name
        for value in (*graph.input, *graph.output):
            yield value.name
            yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def _all_graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    yield from (graph for graph, _ in graphs_below(model.graph))
    for function in model.functions:
        for node in function.node:
            for inner in attribute_graphs(node):
                yield from (graph for graph, _ in graphs_below(inner))
