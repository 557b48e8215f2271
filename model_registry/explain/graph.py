"""Reading and extending an ONNX graph: who makes and uses which tensor, static shapes, constants, and new nodes.

It knows no derivatives (explain.gradient, explain.rules) and no heatmaps (explain.transform). New nodes whose inputs are all
constant are evaluated at once and equal nodes are shared, so a linear head costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from model_registry.explain.branches import branches_inline
from model_registry.explain.errors import ExplainError, UnknownShape
from model_registry.explain.order import nodes_ordered
from model_registry.explain.sizes import Shape, sizes_find

FOLD_ELEMENTS_MAXIMUM = 4_000_000
NOT_FOLDED = frozenset({"ConvTranspose", "MaxPool", "ScatterElements"})  # the reference evaluator lacks groups and padding modes
OPSET_MINIMUM = 13
_COPIES = frozenset({"Identity", "Cast", "DequantizeLinear"})
PREFIX = "explain/"


@dataclass(frozen=True, slots=True)
class Total:
    """The spatial mean of a tensor is that of the tensor `of` times the scalar tensor `ratio`."""

    of: str
    ratio: str


class Graph:
    """A mutable view of a model's main graph. `model` is a private copy that grows as nodes are added.

    Raises ExplainError for an opset below 13, whose reductions and squeezes take their axes differently.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if self.opset < OPSET_MINIMUM:
            raise ExplainError(f"opset {self.opset} is too old; export with opset {OPSET_MINIMUM} or later")
        ordered = nodes_ordered(model.graph.node)
        del self.model.graph.node[:]
        self.model.graph.node.extend(ordered)
        self._read()
        while branches_inline(self.model, self.constant):
            self._read()
        self._shared: dict[Any, str] = {}
        self._added: list[onnx.NodeProto] = []
        self._added_makers: dict[str, onnx.NodeProto] = {}
        self.totals: dict[str, Total] = {}
        self._added_constants: dict[str, np.ndarray] = {}
        self._counter = 0

    def _read(self) -> None:
        self.nodes = list(self.model.graph.node)
        self.producers = {output: node for node in self.nodes for output in node.output if output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                if name:
                    self.consumers.setdefault(name, []).append(node)
        self._initializers = {tensor.name: tensor for tensor in self.model.graph.initializer}
        sizes = sizes_find(self.model)
        self._shapes, self._types = sizes.shapes, sizes.types
        self._constants: dict[str, np.ndarray] = dict(sizes.constants)

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def image_names(self) -> list[str]:
        """Inputs that a caller has to feed."""
        return [value.name for value in self.model.graph.input if value.name not in self._initializers]

    def has(self, name: str) -> bool:
        return name in self.producers or name in self.image_names or name in self._initializers

    def constant(self, name: str) -> np.ndarray | None:
        """The value of a tensor that does not depend on the input, or None.

        Copies and casts are followed by a loop: a file may chain them deeper than calls can be.
        """
        chain: list[onnx.NodeProto] = []
        value = self._constants.get(name)
        source = name
        while value is None:
            if source in self._initializers:
                value = self._constants[source] = numpy_helper.to_array(self._initializers[source])
                break
            node = self.producers.get(source)
            if node is None or len(chain) > len(self.nodes):
                return None
            if node.op_type == "Constant":
                if (tensor := attribute(node, "value")) is None:
                    return None
                value = self._constants[source] = numpy_helper.to_array(tensor)
            elif node.op_type in _COPIES:
                chain.append(node)
                source = node.input[0]
                value = self._constants.get(source)
            else:
                return None
        for node in reversed(chain):
            if node.op_type == "Cast":
                value = value.astype(helper.tensor_dtype_to_np_dtype(attribute(node, "to")))
            elif node.op_type == "DequantizeLinear":
                parameters = [self.constant(parameter) for parameter in node.input[1:]]
                if any(parameter is None for parameter in parameters) or attribute(node, "block_size", 0):
                    return None
                value = _dequantized(value, *parameters, axis=attribute(node, "axis", 1))
            self._constants[node.output[0]] = value
        return value

    def shape(self, name: str) -> Shape:
        """Static sizes, None where open. Raises UnknownShape when not even the rank is known."""
        if (value := self.constant(name)) is not None:
            return value.shape
        if (shape := self._shapes.get(name)) is None:
            raise UnknownShape(f"the rank of tensor {name!r} is not known; run the exporter with static shapes")
        return shape

    def has_shape(self, name: str) -> bool:
        return name in self._shapes or self.constant(name) is not None

    def shape_assume(self, name: str, *, like: str) -> None:
        """Take `name` to have the shape of `like` where inference found none."""
        if not self.has_shape(name):
            self._shapes[name] = self.shape(like)

    def is_float(self, name: str) -> bool:
        if (value := self.constant(name)) is not None:
            return bool(np.issubdtype(value.dtype, np.floating))
        return self._types.get(name, TensorProto.FLOAT) in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)

    def dtype(self, name: str) -> np.dtype:
        """Element type of a floating tensor (float32 when inference leaves it open)."""
        if (value := self.constant(name)) is not None:
            return value.dtype
        return np.dtype(helper.tensor_dtype_to_np_dtype(self._types.get(name, TensorProto.FLOAT)))

    def reached_from(self, name: str) -> set[str]:
        """All floating tensors that depend on `name`, itself included."""
        reached = {name}
        for node in self.nodes:
            if any(source in reached for source in self.sources(node)):
                # whole numbers carry no gradient, except those that stand for the numbers they were rounded from
                rounded = node.op_type == "QuantizeLinear"
                reached.update(output for output in node.output if output and (rounded or self.is_float(output)))
        return reached

    def ancestors(self, name: str, *, without: str | None = None) -> set[str]:
        """All tensors that `name` depends on, itself included, on ways that do not pass `without`."""
        seen: set[str] = set()
        pending = [name]
        while pending:
            tensor = pending.pop()
            if tensor in seen or tensor == without or not tensor:
                continue
            seen.add(tensor)
            if (node := self.producers.get(tensor)) is not None:
                pending.extend(self.sources(node))
        return seen

    def sources(self, node: onnx.NodeProto) -> list[str]:
        """What a node reads: its inputs, and what the branches or bodies inside it take from the graph around them."""
        return [*node.input, *_captured(node)] if any(_has_graph(entry) for entry in node.attribute) else list(node.input)

    def turn(self, name: str, permutation: Sequence[int]) -> str:
        """Put a transposition behind a tensor, and its inverse in front of those who read it. Returns the turned tensor's name.

        Runtimes cancel such pairs. Raises ExplainError where a branch or a loop reads the tensor from inside: it would still see
        the old one, on a way that no gradient takes.
        """
        if any(name in _captured(node) for node in self.nodes):
            raise ExplainError(f"tensor {name!r} is read from inside a branch or a loop and cannot be turned; name another layer")
        turned, back = self._fresh("turned"), self._fresh("turned_back")
        for node in self.nodes:
            for index, source in enumerate(node.input):
                if source == name:
                    node.input[index] = back
        inverse = sorted(range(len(permutation)), key=permutation.__getitem__)
        position = next((index + 1 for index, node in enumerate(self.nodes) if name in node.output), 0)
        pair = ((back, turned, inverse), (turned, name, list(permutation)))
        for made, source, order in pair:
            self.model.graph.node.insert(position, helper.make_node("Transpose", [source], [made], name=made, perm=order))
        self._read()
        return turned

    # --- extending -----------------------------------------------------------------------------------------------

    def add_constant(self, value: np.ndarray) -> str:
        """The name of a tensor with this value; equal values share one name."""
        value = np.asarray(value)
        key = ("constant", value.dtype.str, value.shape, value.tobytes())
        if key not in self._shared:
            name = self._fresh("constant")
            self._shared[key] = name
            self._added_constants[name] = value
            self._constants[name] = value
        return self._shared[key]

    def add_integers(self, values: Iterable[int]) -> str:
        return self.add_constant(np.asarray(list(values), dtype=np.int64))

    def emit(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node, return its last output's name.

        Constants are folded, transpositions and constant factors joined, equal nodes reused.
        """
        if op_type == "Transpose":
            while (maker := self.added_by(inputs[0])) is not None and maker.op_type == "Transpose":
                first = attribute(maker, "perm")
                inputs, attributes = (maker.input[0],), {"perm": [first[axis] for axis in attributes["perm"]]}
            if list(attributes["perm"]) == sorted(attributes["perm"]):
                return inputs[0]
        if op_type == "Mul":
            inputs = self._factors_joined(inputs)
        key = (op_type, inputs, outputs, tuple(sorted((name, _hashable(value)) for name, value in attributes.items())))
        if key in self._shared:
            return self._shared[key]
        folded = self._fold(op_type, inputs, attributes) if outputs == 1 else None
        if folded is not None:
            name = self.add_constant(folded)
        else:
            names = [self._fresh(op_type.lower()) for _ in range(outputs)]
            node = helper.make_node(op_type, list(inputs), names, name=names[-1], **attributes)
            self._added.append(node)
            name = names[-1]
            self._added_makers[name] = node
        self._shared[key] = name
        return name

    def _factors_joined(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """(x·a)·b as x·(a·b) for constants a and b whose product is no larger than they are; half precision might underflow."""
        for outer, rest in (inputs, inputs[::-1]):
            if (first := self.constant(outer)) is None or first.dtype == np.float16:
                continue
            if (maker := self.added_by(rest)) is None or maker.op_type != "Mul":
                continue
            for inner, source in (tuple(maker.input), tuple(maker.input)[::-1]):
                if (second := self.constant(inner)) is not None and _is_no_larger(first, second):
                    return self._factors_joined((source, self.add_constant(first * second)))
        return inputs

    def added_by(self, name: str) -> onnx.NodeProto | None:
        """The added node that makes `name`; None for constants and for what the model itself makes."""
        return self._added_makers.get(name)

    def reduce(self, op_type: str, name: str, axes: Sequence[int], *, keepdims: bool = True) -> str:
        """ReduceSum, ReduceMean, … over `axes`, written as the model's opset wants it."""
        if op_type == "ReduceSum" or self.opset >= 18:
            return self.emit(op_type, name, self.add_integers(axes), keepdims=int(keepdims))
        return self.emit(op_type, name, axes=list(axes), keepdims=int(keepdims))

    def reshape(self, name: str, sizes: Sequence[int]) -> str:
        return self.emit("Reshape", name, self.add_integers(sizes))

    def scalar(self, value: float, like: str) -> str:
        """A rank-0 constant of the element type of tensor `like`."""
        return self.add_constant(np.asarray(value, dtype=self.dtype(like)))

    def rename(self, name: str, output: str) -> None:
        """Make the added tensor `name` available under the name `output`."""
        self._added.append(helper.make_node("Identity", [name], [output], name=PREFIX + output))

    def finish(self) -> onnx.ModelProto:
        """The model with everything that was added and is needed, in topological order."""
        needed = {value.name for value in self.model.graph.output}
        kept: list[onnx.NodeProto] = []
        originals = {name for node in self.nodes for name in node.input}
        for node in reversed(self._added):
            if any(output in needed or output in originals for output in node.output):
                kept.append(node)
                needed.update(node.input)
        self.model.graph.node.extend(reversed(kept))
        self.model.graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self._added_constants.items() if name in needed
        )
        return self.model

    def _fresh(self, kind: str) -> str:
        self._counter += 1
        name = f"{PREFIX}{kind}_{self._counter}"
        return name if not self.has(name) else self._fresh(kind)

    def _fold(self, op_type: str, inputs: tuple[str, ...], attributes: dict[str, Any]) -> np.ndarray | None:
        values = [self.constant(name) for name in inputs]
        if op_type in NOT_FOLDED or any(value is None or value.size > FOLD_ELEMENTS_MAXIMUM for value in values):
            return None
        if op_type == "Expand" and values[1] is not None and np.prod(values[1].astype(float)) > FOLD_ELEMENTS_MAXIMUM:
            return None
        names = [f"x{index}" for index in range(len(inputs))]
        node = helper.make_node(op_type, names, ["y"], **attributes)
        graph = helper.make_graph(
            [node],
            "fold",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                for name, value in zip(names, values, strict=True)
                if value is not None
            ],
            [helper.make_empty_tensor_value_info("y")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        answer: Any = ReferenceEvaluator(model).run(None, dict(zip(names, values, strict=True)))
        result = answer[0]
        return np.asarray(result) if np.size(result) <= FOLD_ELEMENTS_MAXIMUM else None


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value, strings decoded, or `default`."""
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _dequantized(value: np.ndarray, scale: Any, zero_point: Any = None, *, axis: int) -> np.ndarray:
    """(value − zero point) · scale, each one number or one for every place along `axis`."""
    along = [1] * value.ndim
    if scale.ndim and scale.size > 1:
        along[axis] = -1
    offset = np.zeros((), dtype=scale.dtype) if zero_point is None else zero_point.astype(scale.dtype).reshape(along)
    return np.asarray((value.astype(scale.dtype) - offset) * scale.reshape(along))


def _is_no_larger(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the product of the two is as small as the larger of them, and worth working out at once."""
    size = int(np.prod(np.broadcast_shapes(first.shape, second.shape)))
    return size <= min(max(first.size, second.size), FOLD_ELEMENTS_MAXIMUM)


def _has_graph(entry: onnx.AttributeProto) -> bool:
    return entry.HasField("g") or len(entry.graphs) > 0


def _captured(node: onnx.NodeProto) -> list[str]:
    """Every name that is read inside a node's graphs; those made inside never stand outside."""
    names: dict[str, None] = {}
    pending = [graph for entry in node.attribute for graph in ([entry.g] if entry.HasField("g") else list(entry.graphs))]
    while pending:
        graph = pending.pop()
        names.update(dict.fromkeys(output.name for output in graph.output))  # a branch may hand on an outer tensor as it is
        for inner in graph.node:
            names.update(dict.fromkeys(inner.input))
            pending.extend(g for entry in inner.attribute for g in ([entry.g] if entry.HasField("g") else list(entry.graphs)))
    return list(names)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
