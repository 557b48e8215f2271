"""The order of a graph's nodes: makers before readers, as ONNX demands and not every converter keeps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import onnx

from model_registry.explain.errors import ExplainError


def nodes_ordered(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The same nodes, in the given order where that is right. Raises ExplainError for a graph that runs in circles."""
    makers = {output: index for index, node in enumerate(nodes) for output in node.output if output}
    sources = [{makers[name] for name in _read(node) if name in makers} for node in nodes]
    if all(source < index for index, found in enumerate(sources) for source in found):
        return list(nodes)
    readers: dict[int, list[int]] = {}
    for index, found in enumerate(sources):
        for source in found:
            readers.setdefault(source, []).append(index)
    missing = [len(found) for found in sources]
    ready = deque(index for index, count in enumerate(missing) if count == 0)
    order: list[int] = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for reader in readers.get(index, ()):
            missing[reader] -= 1
            if missing[reader] == 0:
                ready.append(reader)
    if len(order) < len(nodes):
        raise ExplainError("the graph runs in circles: a node reads what is made from its own result")
    return [nodes[index] for index in order]


def _read(node: onnx.NodeProto) -> list[str]:
    """What a node reads, from inside its branches too."""
    names = list(node.input)
    pending = [graph for entry in node.attribute for graph in (*([entry.g] if entry.HasField("g") else []), *entry.graphs)]
    while pending:
        graph = pending.pop()
        for inner in graph.node:
            names.extend(inner.input)
            pending.extend(g for e in inner.attribute for g in (*([e.g] if e.HasField("g") else []), *e.graphs))
    return names
