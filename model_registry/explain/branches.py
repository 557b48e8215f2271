"""Branches whose condition is known before any image: the one that is taken moves into the graph, the other goes.

Exporters write a decision about sizes as an `If`; with the sizes fixed nothing is left to decide. Branches that depend on the
image stay, and are refused where they stand on the way (explain.gradient).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper


def branches_inline(model: onnx.ModelProto, constant: Callable[[str], np.ndarray | None]) -> bool:
    """Replace, in place, every `If` of the main graph whose condition is constant. Returns whether there was one.

    A branch with a name that the graph has too is left: which of the two was meant would have to be guessed.
    """
    taken = {name for node in model.graph.node for name in node.output}
    taken |= {tensor.name for tensor in model.graph.initializer} | {value.name for value in model.graph.input}
    nodes: list[onnx.NodeProto] = []
    changed = False
    for node in model.graph.node:
        branch = _branch(node, constant)
        if branch is None or _names(branch) & taken:
            nodes.append(node)
            continue
        changed = True
        taken |= _names(branch)
        nodes.extend(branch.node)
        model.graph.initializer.extend(branch.initializer)
        pairs = zip(branch.output, node.output, strict=True)
        nodes.extend(helper.make_node("Identity", [inner.name], [outer], name=outer) for inner, outer in pairs if outer)
    if changed:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return changed


def _branch(node: onnx.NodeProto, constant: Callable[[str], np.ndarray | None]) -> onnx.GraphProto | None:
    if node.op_type != "If" or node.domain not in ("", "ai.onnx"):
        return None
    condition = constant(node.input[0])
    if condition is None or condition.size != 1:
        return None
    wanted = "then_branch" if condition.item() else "else_branch"
    branch = next((entry.g for entry in node.attribute if entry.name == wanted), None)
    return branch if branch is not None and len(branch.output) == len(node.output) else None


def _names(branch: onnx.GraphProto) -> set[str]:
    return {name for node in branch.node for name in node.output if name} | {tensor.name for tensor in branch.initializer}
