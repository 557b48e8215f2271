"""Small edits of ONNX graphs that exporting and importing share: names, outputs, and the nodes that end a classifier.

Knows no framework, no manifest and no gradients (explain).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BATCH = "batch"


def tensor_rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a tensor of the main graph everywhere, subgraphs included."""
    if old != new:
        _rename_in(model.graph, old, new)


def _rename_in(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
        for entry in node.attribute:
            for inner in ([entry.g] if entry.HasField("g") else []) + list(entry.graphs):
                _rename_in(inner, old, new)
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        if value.name == old:
            value.name = new


def tensor_vacate(model: onnx.ModelProto, names: Iterable[str]) -> dict[str, str]:
    """Rename tensors that happen to bear one of `names`, so that the name is free. Returns old → new."""
    renamed: dict[str, str] = {}
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    taken |= {value.name for value in (*model.graph.input, *model.graph.output, *model.graph.initializer)}
    for name in names:
        if name in taken:
            fresh = next(candidate for index in range(len(taken) + 1) if (candidate := f"{name}/inner{index}") not in taken)
            tensor_rename(model, name, fresh)
            taken.add(fresh)
            renamed[name] = fresh
    return renamed


def inputs_fed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that a caller has to feed: those without an initial value."""
    given = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in given]


def sizes_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """Declared sizes, None where open."""
    return [size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim]


def outputs_drop(model: onnx.ModelProto, *names: str) -> None:
    """Take tensors off the list of outputs; they stay in the graph."""
    kept = [value for value in model.graph.output if value.name not in names]
    dropped = [value for value in model.graph.output if value.name in names]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    model.graph.value_info.extend(dropped)


def output_add(model: onnx.ModelProto, name: str, sizes: Sequence[int | str | None], kind: int = TensorProto.FLOAT) -> None:
    model.graph.output.append(helper.make_tensor_value_info(name, kind, list(sizes)))


def constant_add(model: onnx.ModelProto, name: str, value: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def node_add(model: onnx.ModelProto, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
    """Append a node named as its output."""
    model.graph.node.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
    return output


def suspicion_score_add(
    model: onnx.ModelProto, *, logits: str, scores: str, suspicious: Sequence[int], others: Sequence[int], joined: str
) -> str:
    """Append the column “suspicion” to `scores`: the log-odds log Σ e^suspicious − log Σ e^others of softmax logits."""
    halves = []
    for part, indices in (("suspicious", suspicious), ("others", others)):
        chosen = constant_add(model, f"{joined}/{part}_indices", np.asarray(indices, dtype=np.int64))
        columns = node_add(model, "Gather", [logits, chosen], f"{joined}/{part}_logits", axis=1)
        # axes moved from attribute to input with opset 18
        axes: dict[str, Any] = {"keepdims": 1}
        inputs = [columns]
        if opset_of(model) >= 18:
            inputs.append(constant_add(model, f"{joined}/{part}_axes", np.asarray([1], dtype=np.int64)))
        else:
            axes["axes"] = [1]
        halves.append(node_add(model, "ReduceLogSumExp", inputs, f"{joined}/{part}_sum", **axes))
    odds = node_add(model, "Sub", halves, f"{joined}/log_odds")
    return node_add(model, "Concat", [scores, odds], joined, axis=1)


def opset_of(model: onnx.ModelProto) -> int:
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def pruned(model: onnx.ModelProto, *, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """Only what the outputs need. The model's own shapes of tensors stay where they are known."""
    needed: set[str] = set()
    producers = {output: node for node in model.graph.node for output in node.output if output}
    pending = list(outputs)
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        if (node := producers.get(name)) is not None:
            pending.extend(source for source in _sources(node) if source)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    nodes = [node for node in graph.node if any(output in needed for output in node.output)]
    kept_outputs = {value.name: value for value in graph.output}
    for field, kept in (
        ("node", nodes),
        ("initializer", [tensor for tensor in graph.initializer if tensor.name in needed]),
        ("sparse_initializer", [tensor for tensor in graph.sparse_initializer if tensor.values.name in needed]),
        ("value_info", [value for value in graph.value_info if value.name in needed and value.name not in outputs]),
        ("input", [value for value in graph.input if value.name in inputs]),
        ("output", [kept_outputs[name] for name in outputs]),
    ):
        copies = [type(item)() for item in kept]
        for copy, item in zip(copies, kept, strict=True):
            copy.CopyFrom(item)
        del getattr(graph, field)[:]
        getattr(graph, field).extend(copies)
    return result


def _sources(node: onnx.NodeProto) -> list[str]:
    """What a node reads, subgraphs included; a name a subgraph makes itself does no harm here."""
    names = list(node.input)
    for entry in node.attribute:
        for inner in ([entry.g] if entry.HasField("g") else []) + list(entry.graphs):
            names.extend(value.name for value in inner.output)
            for child in inner.node:
                names.extend(_sources(child))
    return names
