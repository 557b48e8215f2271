"""Graphs that are small on disk and enormous once opened: too many nodes, nested too deeply, functions that call one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import onnx

from model_registry.inspection.findings import CORRUPT, TOO_LARGE, Finding
from model_registry.inspection.limits import InspectionLimits
from model_registry.inspection.walk import graphs_below, model_nodes, model_tensors, nodes_below

FunctionKey = tuple[str, str, str]


def structure_check(model: onnx.ModelProto, limits: InspectionLimits) -> Iterator[Finding]:
    """Yields errors only. After one of them the graph is not looked at any further."""
    nodes = sum(1 for _ in model_nodes(model))
    if nodes > limits.nodes:
        yield Finding(TOO_LARGE, f"the graph has {nodes} nodes; {limits.nodes} are accepted")
    tensors = sum(1 for _ in model_tensors(model))
    if tensors > limits.tensors:
        yield Finding(TOO_LARGE, f"the graph holds {tensors} tensors; {limits.tensors} are accepted")
    depth = max(depth for _, depth in graphs_below(model.graph))
    if depth > limits.nesting:
        yield Finding(TOO_LARGE, f"graphs stand in graphs {depth} deep; {limits.nesting} is accepted")
    yield from _functions_check(model, limits)


def node_key(node: onnx.NodeProto) -> FunctionKey:
    """By which a node finds the model-local function it calls, if there is one."""
    return ("" if node.domain == "ai.onnx" else node.domain, node.op_type, node.overload)


def function_keys(model: onnx.ModelProto) -> dict[FunctionKey, onnx.FunctionProto]:
    return {(entry.domain, entry.name, entry.overload): entry for entry in model.functions}


def _functions_check(model: onnx.ModelProto, limits: InspectionLimits) -> Iterator[Finding]:
    """The engine writes functions out, so twenty that each call the next one twice are a million nodes."""
    functions = function_keys(model)
    if len(functions) != len(model.functions):
        yield Finding(CORRUPT, "two functions of the model have the same name")
        return
    calls = {key: Counter(node_key(node) for node in nodes_below(entry.node)) for key, entry in functions.items()}
    try:
        order = list(TopologicalSorter({key: set(called) & set(functions) for key, called in calls.items()}).static_order())
    except CycleError as error:
        names = " → ".join(str(key[1])[:60] for key in error.args[1][:10])
        yield Finding(CORRUPT, f"functions call one another in a circle: {names}")
        return
    sizes: dict[FunctionKey, int] = {}
    for key in order:
        sizes[key] = sum(count * sizes.get(called, 1) for called, count in calls[key].items())
    expanded = sum(sizes.get(node_key(node), 1) for node in nodes_below(model.graph.node))
    if expanded > limits.expanded_nodes:
        yield Finding(TOO_LARGE, f"written out, the graph has {expanded:.3g} nodes; {limits.expanded_nodes} are accepted")
