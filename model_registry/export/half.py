"""Chosen nodes of a graph in half precision, all others in float32, with a cast wherever a tensor passes between the two.

onnxruntime's own converter rounds every tensor between two nodes that were to stay in float32, which breaks the very exponentials
they were kept for; so the few lines that are needed stand here.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper

from model_registry.building.graph_edit import constant_add, pruned
from model_registry.explain.graph import Graph

# they name a type of their own, or make values from nothing
_TYPED = frozenset(
    {"Cast", "CastLike", "Constant", "ConstantOfShape", "EyeLike", "Range", "RandomNormal", "RandomUniform", "If", "Loop", "Scan"}
)
# inputs that stay float32 in every precision
_SINGLE_INPUTS = {"Resize": (1, 2)}
_LARGEST = float(np.finfo(np.float16).max)


def nodes_halve(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """A copy whose nodes called `names` compute in float16. Inputs, outputs and all other nodes stay float32.

    Nodes with a weight beyond half precision's range stay float32 too.
    """
    graph = Graph(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    chosen = {
        node.output[0]
        for node in graph.nodes
        if node.name in names and node.op_type not in _TYPED and not node.domain and _fits(graph, node)
    }
    halves: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    outputs = {value.name for value in model.graph.output}
    for node in result.graph.node:
        if not node.output or node.output[0] not in chosen:
            nodes.append(node)
            continue
        for index, source in enumerate(node.input):
            if not source or index in _SINGLE_INPUTS.get(node.op_type, ()) or not _is_single(graph, source):
                continue
            if source not in halves:
                halves[source] = f"{source}/half"
                if (value := graph.constant(source)) is not None:
                    constant_add(result, halves[source], value.astype(np.float16))
                else:
                    nodes.append(_cast(source, halves[source], TensorProto.FLOAT16))
            node.input[index] = halves[source]
        nodes.append(node)
        for index, made in enumerate(node.output):
            if made and _is_single(graph, made):
                halves[made] = f"{made}/half"
                node.output[index] = halves[made]
                readers = graph.consumers.get(made, [])
                if made in outputs or any(reader.output[0] not in chosen for reader in readers):
                    nodes.append(_cast(halves[made], made, TensorProto.FLOAT))
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    del result.graph.value_info[:]
    return pruned(
        result, inputs=[value.name for value in model.graph.input], outputs=[value.name for value in model.graph.output]
    )


def _is_single(graph: Graph, name: str) -> bool:
    return graph.is_float(name) and graph.dtype(name) == np.float32


def _fits(graph: Graph, node: onnx.NodeProto) -> bool:
    values = [graph.constant(name) for name in node.input if name]
    return all(v is None or v.dtype != np.float32 or not v.size or float(np.abs(v).max()) <= _LARGEST for v in values)


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}/cast", to=kind)
