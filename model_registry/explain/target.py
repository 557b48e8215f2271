"""Which tensor to explain and where: the score tensor behind a softmax or sigmoid, and the CAM layer in front of the head."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx

from model_registry.explain.errors import NoScores, NoTarget
from model_registry.explain.graph import Graph, attribute

CHANNEL_FIRST = frozenset({"Conv", "ConvTranspose", "BatchNormalization", "MaxPool", "AveragePool", "DepthToSpace", "Resize"})
CHANNEL_FIRST_READERS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "LRN", "SpaceToDepth"})
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
LAYOUT_KEEPING = frozenset(
    {
        *(
            "Relu",
            "LeakyRelu",
            "PRelu",
            "Elu",
            "Selu",
            "Clip",
            "Sigmoid",
            "Tanh",
            "HardSigmoid",
            "HardSwish",
            "Softplus",
            "Softsign",
        ),
        *("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Neg", "Exp", "Sqrt", "Pow", "Abs", "Erf", "Where"),
        *("Identity", "Dropout", "Cast", "Concat", "Pad", "Slice", "Gelu", "QuantizeLinear", "DequantizeLinear"),
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tensor that could be the CAM layer. `is_complete`: every way from the image to the scores leads through it."""

    name: str
    is_complete: bool


def scores_find(graph: Graph, name: str | None) -> str:
    """The tensor (batch, columns) whose columns are explained: before a final softmax or sigmoid, unless named.

    Raises NoScores when it does not exist or has another form.
    """
    if name is None:
        outputs = [value.name for value in graph.model.graph.output]
        fitting = [output for output in outputs if graph.has_shape(output) and len(graph.shape(output)) == 2]
        if len(fitting) != 1:
            raise NoScores(f"the model has {len(fitting)} outputs of form (batch, scores); name one of {outputs}")
        name = fitting[0]
        while (node := graph.producers.get(name)) is not None and node.op_type in (
            "Softmax",
            "LogSoftmax",
            "Sigmoid",
            "Identity",
        ):
            graph.shape_assume(node.input[0], like=name)  # behind an operator that shape inference does not know
            name = node.input[0]
    if not graph.has(name):
        raise NoScores(f"there is no tensor {name!r}")
    shape = graph.shape(name)
    if len(shape) != 2 or shape[1] is None:
        raise NoScores(f"tensor {name!r} has shape {shape}, not (batch, number of scores)")
    return name


def target_find(graph: Graph, name: str | None, *, scores: str) -> str:
    """The CAM layer, shape (batch, channels, rows, columns).

    Without a name: the last channel-first tensor larger than 1x1 through which every way from the image to the scores leads.
    Where there is none, as when a mask of the breast reaches the head past the network: the last with more channels than there
    are scores (not a map of the scores themselves) past which no way leads through a convolution. A named tensor in channel-last
    layout stands for the channel-first tensor it was transposed from, or is turned in the graph. Raises NoTarget.
    """
    if name is not None:
        if not graph.has(name):
            raise NoTarget(f"there is no tensor {name!r}")
        name = _channel_first(graph, name)
        if len(graph.shape(name)) != 4:
            raise NoTarget(f"tensor {name!r} has shape {graph.shape(name)}, not (batch, channels, rows, columns)")
        if name not in graph.ancestors(scores):
            raise NoTarget(f"the scores {scores!r} do not depend on tensor {name!r}")
        return name
    found = targets_list(graph, scores=scores)
    for candidate in found:
        if candidate.is_complete:
            return candidate.name
    columns = graph.shape(scores)[1] or 1
    for candidate in found:
        if (graph.shape(candidate.name)[1] or 0) > columns and not _is_bypassed(graph, candidate.name, scores):
            return _before_copies(graph, candidate.name)
    raise NoTarget("no layer with a spatial map lies on every way from the image to the scores; name one")


def targets_list(graph: Graph, *, scores: str) -> list[Candidate]:
    """Every channel-first tensor larger than 1x1 that the scores depend on, the one nearest to the scores first."""
    on_the_way = graph.ancestors(scores)
    images = set(graph.image_names)
    return [
        Candidate(tensor, is_complete=not graph.ancestors(scores, without=tensor) & images)
        for tensor in reversed(_channel_first_tensors(graph))
        if tensor in on_the_way and _is_map(graph, tensor)
    ]


def _is_bypassed(graph: Graph, tensor: str, scores: str) -> bool:
    """Whether something that a convolution found reaches the scores on a way past the tensor."""
    past = graph.ancestors(scores, without=tensor)
    reached = set(graph.image_names)
    for node in graph.nodes:
        if any(name in reached for name in graph.sources(node)):
            made = [output for output in node.output if output in past]
            if made and node.op_type in ("Conv", "ConvTranspose"):
                return True
            reached.update(made)
    return False


def _before_copies(graph: Graph, tensor: str) -> str:
    """The tensor that a transposition and its inverse, as tf2onnx writes them in pairs, only copy."""
    while (node := graph.producers.get(tensor)) is not None and node.op_type == "Transpose":
        first = graph.producers.get(node.input[0])
        if first is None or first.op_type != "Transpose":
            break
        inner, outer = (list(attribute(one, "perm", [])) for one in (first, node))
        if [inner[axis] for axis in outer] != sorted(inner):
            break
        tensor = first.input[0]
    return tensor


def _is_map(graph: Graph, tensor: str) -> bool:
    if not graph.has_shape(tensor) or not graph.is_float(tensor) or len(shape := graph.shape(tensor)) != 4:
        return False
    return all(size is None or size > 1 for size in shape[2:])


def _channel_first(graph: Graph, name: str) -> str:
    """The channel-first tensor that a named one stands for: itself, the one it was transposed from, or itself turned.

    Shape alone does not tell rows from channels: what the graph does with the tensor has to. Raises NoTarget where nothing does.
    """
    tensor = name
    while (node := graph.producers.get(tensor)) is not None and node.op_type in ("Identity", "Transpose"):
        if node.op_type == "Transpose":
            if list(attribute(node, "perm", [])) == TO_LAST:
                return node.input[0]
            break
        tensor = node.input[0]
    if len(graph.shape(name)) != 4 or name in _channel_first_tensors(graph):
        return name
    is_first = _is_channel_first(graph, name)
    if is_first is None:
        raise NoTarget(
            f"nothing in the graph says whether tensor {name!r} holds its channels first or last; name one that a convolution, "
            "a pool or a transposition makes or reads"
        )
    return name if is_first else graph.turn(name, TO_FIRST)


def _is_channel_first(graph: Graph, name: str) -> bool | None:
    """What the operators before the tensor, else those behind it, take it for; None where they do not say."""
    pending, seen = [name], {name}
    while pending:
        node = graph.producers.get(pending.pop())
        if node is None:
            continue
        if node.op_type in CHANNEL_FIRST:
            return True
        if node.op_type == "Transpose" and (permutation := list(attribute(node, "perm", []))) in (TO_FIRST, TO_LAST):
            return permutation == TO_FIRST
        if node.op_type in LAYOUT_KEEPING:
            pending.extend(source for source in _maps_among(graph, node.input) if source not in seen)
            seen.update(node.input)
    pending, seen = [name], {name}
    while pending:
        tensor = pending.pop()
        for node in graph.consumers.get(tensor, []):
            if node.op_type in CHANNEL_FIRST | CHANNEL_FIRST_READERS and node.input[0] == tensor:
                return True
            if node.op_type == "Transpose" and (permutation := list(attribute(node, "perm", []))) in (TO_FIRST, TO_LAST):
                return permutation == TO_LAST
            if node.op_type.startswith("Reduce") and (axes := _axes(graph, node)) in ({1, 2}, {2, 3}):
                return axes == {2, 3}
            if node.op_type in LAYOUT_KEEPING:
                pending.extend(made for made in _maps_among(graph, node.output) if made not in seen)
                seen.update(node.output)
    return None


def _maps_among(graph: Graph, names: Iterable[str]) -> list[str]:
    return [name for name in names if name and graph.has_shape(name) and len(graph.shape(name)) == 4]


def _axes(graph: Graph, node: onnx.NodeProto) -> set[int]:
    """The axes of a reduction of a map, empty where they are not known before any image."""
    given = attribute(node, "axes")
    if given is None and len(node.input) > 1 and (value := graph.constant(node.input[1])) is not None:
        given = value.ravel()
    return {int(axis) % 4 for axis in given} if given is not None else set()


def _channel_first_tensors(graph: Graph) -> list[str]:
    """Tensors known to be (batch, channels, rows, columns), in the order in which the graph makes them."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        inherits = node.op_type in LAYOUT_KEEPING and any(name in found for name in node.input)
        back = (
            node.op_type == "Transpose"
            and list(attribute(node, "perm", [])) == TO_FIRST
            and node.input[0] not in graph.image_names
        )
        if node.op_type in CHANNEL_FIRST or inherits or back:
            found.update(dict.fromkeys(output for output in node.output if output))
    return list(found)
