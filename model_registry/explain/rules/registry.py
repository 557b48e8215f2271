"""The table from operator to gradient rule, and the two decorators that fill it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx

from model_registry.explain.gradient import Contributions, Gradient, ManyRule, Reverse, Rule

RULES: dict[str, ManyRule] = {}
MEAN_RULES: dict[str, Callable[[Reverse, onnx.NodeProto, Gradient], str | None]] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators whose first output alone carries a gradient."""

    def register(function: Rule) -> Rule:
        def many(reverse: Reverse, node: onnx.NodeProto, gradients: Sequence[Gradient | None]) -> Contributions:
            if any(gradients[1:]):
                raise reverse.refuse(node, "its second output lies on the way to the scores")
            return {} if gradients[0] is None else function(reverse, node, gradients[0])

        RULES.update(dict.fromkeys(operators, many))
        return function

    return register


def rule_for_many(*operators: str) -> Callable[[ManyRule], ManyRule]:
    """Register a rule that takes one gradient, or None, for each output."""

    def register(function: ManyRule) -> ManyRule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return register


def mean_rule(*operators: str) -> Callable[[Callable[[Reverse, onnx.NodeProto, Gradient], str | None]], object]:
    """Register a shortcut to the spatial mean of the gradient of input 0, shape (batch or 1, channels, 1, 1).

    Grad-CAM needs no more than that mean of the last step, and it is often far cheaper than the gradient itself. A shortcut that
    does not cover a node returns None.
    """

    def register(function: Callable[[Reverse, onnx.NodeProto, Gradient], str | None]) -> object:
        MEAN_RULES.update(dict.fromkeys(operators, function))
        return function

    return register
