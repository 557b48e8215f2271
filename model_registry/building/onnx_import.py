"""A classifier from outside, as ONNX → the same graph as a package needs it: named tensors, logits and probabilities, heatmaps.

What it finds out, it says in `notes`; what it cannot, it refuses with the choices. Reads and writes no files, and knows of the
manifest only the tensors' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, inliner, version_converter

from model_registry.building.errors import ExportError, FactsInvalid, NotRunnable, WrongOutput
from model_registry.building.exported import OPSET, SUSPICION, ExportedModel
from model_registry.building.graph_edit import (
    BATCH,
    constant_add,
    inputs_fed,
    node_add,
    opset_of,
    output_add,
    pruned,
    sizes_of,
    suspicion_score_add,
    tensor_vacate,
)
from model_registry.building.onnx_input import input_fit
from model_registry.building.sessions import outputs_run, session_create, session_run
from model_registry.explain import ExplainError, Method, explain_model
from model_registry.explain.graph import OPSET_MINIMUM, Graph, attribute
from model_registry.packaging.manifest import TensorNames

Kind = Literal["logits", "probabilities"]
Activation = Literal["softmax", "sigmoid"]
Layout = Literal["nchw", "nhwc"]
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_TINY = 1e-30
_BATCH_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person said; None leaves it to the graph. Tensor names are those of the given file.

    `scores` is the linear score tensor (batch, labels); `target` the CAM layer; `outputs` what the last values are and
    `activation` what turns them into probabilities, where the graph does not show it.
    """

    scores: str | None = None
    target: str | None = None
    method: Method = "grad-cam"
    outputs: Kind | None = None
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """The export and the tensor layout that the graph takes, which the profile must make."""

    exported: ExportedModel
    tensor_layout: Layout


@dataclass(frozen=True, slots=True)
class _Scores:
    tensor: str
    kind: Kind
    activation: Activation
    columns: int
    note: str


def classifier_import(
    model: onnx.ModelProto,
    *,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
    images: Sequence[np.ndarray],
    tensor_layout: Layout,
    wishes: Wishes | None = None,
) -> ImportedModel:
    """Prepare a classifier whose one input is an image. The given model is left alone.

    `images` are tensors as the profile makes them, in `tensor_layout`: their shape must fit the graph's input, in this or the
    other layout, and the graph is tried on them. Raises WrongInput, WrongChannels, WrongOutput, NotRunnable, FactsInvalid,
    ExplainError.
    """
    wishes = wishes or Wishes()
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise FactsInvalid("at least two different labels are needed")
    if unknown := [label for label in suspicion_classes if label not in classes]:
        raise FactsInvalid(f"suspicion class {unknown[0]!r} is none of the labels {', '.join(classes)}")
    names = TensorNames()
    prepared, notes = _modernised(model)
    renamed = tensor_vacate(prepared, (names.image, names.logits, names.probabilities, names.heatmaps))
    scores_wish, target = (renamed.get(name, name) if name else None for name in (wishes.scores, wishes.target))
    fit = input_fit(prepared, shape=images[0].shape, layout=tensor_layout, name=names.image)
    prepared, layout = fit.model, fit.layout
    notes += fit.notes
    batch = np.stack(images if layout == tensor_layout else [_turned(image, tensor_layout) for image in images])
    found = _scores_find(
        prepared, classes=classes, name=scores_wish, wishes=wishes, batch=batch[:1] if fit.fixed_batch else batch
    )
    notes.append(found.note)
    scores, targets = _ends_add(prepared, found, names=names, classes=classes, suspicion_classes=suspicion_classes)
    graph = Graph(prepared)
    single = graph.dtype(found.tensor) == np.float32
    maps = names.heatmaps if single else f"{names.heatmaps}/native"
    explained = explain_model(prepared, scores=scores, target=target, method=wishes.method, output=maps)
    rows, columns = explained.grid_hw
    if rows is None or columns is None:
        raise ExplainError("the CAM layer's size must be fixed; export with a fixed image size")
    if explained.is_class_independent:
        targets = (SUSPICION,)
    finished = explained.model
    if not single:
        node_add(finished, "Cast", [maps], names.heatmaps, to=TensorProto.FLOAT)
        output_add(finished, names.heatmaps, [None, len(targets), rows, columns])
    ends = [names.logits, names.probabilities]
    plain = pruned(finished, inputs=[names.image], outputs=ends)
    finished = pruned(finished, inputs=[names.image], outputs=[*ends, names.heatmaps])
    batch_sizes = _batch_sizes(finished, names=names, batch=batch, fixed=fit.fixed_batch, notes=notes)
    exported = ExportedModel(
        plain=plain,
        explained=finished,
        cam_layer=explained.target,
        grid_hw=(rows, columns),
        targets=targets,
        method=wishes.method,
        input_shape=(batch.shape[1], batch.shape[2], batch.shape[3]),
        output_activation=found.activation,
        tensors=names,
        batch_sizes=batch_sizes,
        notes=tuple(notes),
    )
    return ImportedModel(exported, layout)


def _modernised(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A copy without local functions and with an opset that the gradient rules know."""
    copy, notes = onnx.ModelProto(), []
    copy.CopyFrom(model)
    try:
        if copy.functions:
            copy = inliner.inline_local_functions(copy)
            notes.append("local functions written out")
        if 0 < opset_of(copy) < OPSET_MINIMUM:
            notes.append(f"opset {opset_of(copy)} raised to {OPSET}")
            copy = version_converter.convert_version(copy, OPSET)
    except (RuntimeError, ValueError) as error:  # onnx's converters know no narrower one
        raise ExportError(f"the graph cannot be brought to opset {OPSET}: {str(error)[:300]}") from error
    return copy, notes


def _turned(image: np.ndarray, layout: Layout) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0) if layout == "nhwc" else np.moveaxis(image, 0, -1))


def _scores_find(
    model: onnx.ModelProto, *, classes: Sequence[str], name: str | None, wishes: Wishes, batch: np.ndarray
) -> _Scores:
    """The last linear scores, or probabilities where the graph holds nothing else, and what they are."""
    graph = Graph(model)
    columns = len(classes)
    if name is not None:
        if not graph.has(name):
            raise WrongOutput(f"there is no tensor {name!r}")
        start, activation = name, None
    else:
        start = _output_find(graph, columns)
        name, activation = _before_activation(graph, start)
    probed = name
    probed = name
    session, image = _probe_session(model, name), inputs_fed(model)[0].name
    values = _values(session, name, image, batch)
    if values.ndim == 4 and values.shape[2:] == (1, 1):
        name = node_add(model, "Flatten", [name], "scores/flat", axis=1)
        values = values.reshape(len(values), -1)
    elif values.ndim == 1:
        shape = constant_add(model, "scores/column_shape", np.asarray([-1, 1], dtype=np.int64))
        name = node_add(model, "Reshape", [name, shape], "scores/column")
        values = values[:, np.newaxis]
    if values.ndim != 2 or values.shape[1] not in ({columns, 1} if columns == 2 else {columns}):
        raise WrongOutput(f"tensor {start!r} has shape {values.shape}, but there are {columns} labels: {', '.join(classes)}")
    width = values.shape[1]
    if activation is not None:
        kind = "softmax" if width == 1 or activation != "Sigmoid" else "sigmoid"
        return _Scores(name, "logits", kind, width, f"logits before the final {activation}")  # type: ignore[arg-type]
    within = bool((values >= 0).all() and (values <= 1).all()) and _stays_within(session, probed, image, batch)
    sums_to_one = width > 1 and within and bool(np.allclose(values.sum(axis=1), 1, atol=1e-4))
    if wishes.outputs == "probabilities" or (wishes.outputs is None and sums_to_one):
        kind = wishes.activation or ("softmax" if sums_to_one or width == 1 else "sigmoid")
        return _Scores(name, "probabilities", kind, width, f"{start!r} holds probabilities; logits are their logarithms")
    if wishes.outputs is None and within:
        raise WrongOutput(
            f"tensor {start!r} lies between 0 and 1 on every image tried: probabilities or scores? Say --outputs probabilities, "
            "or --outputs logits"
        )
    kind = "softmax" if width == 1 else wishes.activation or "softmax"
    note = f"{start!r} holds linear scores; {'sigmoid' if width == 1 or kind == 'sigmoid' else 'softmax'} added"
    return _Scores(name, "logits", kind, width, note)


def _output_find(graph: Graph, columns: int) -> str:
    widths = {columns, 1} if columns == 2 else {columns}
    outputs = [value for value in graph.model.graph.output if value.type.tensor_type.elem_type in _FLOATS]
    fitting = []
    for value in outputs:
        sizes = graph.shape(value.name) if graph.has_shape(value.name) else tuple(sizes_of(value))
        flat = sizes[:2] if len(sizes) == 4 and sizes[2:] == (1, 1) else sizes
        if (len(flat) == 2 and (flat[1] is None or flat[1] in widths)) or (len(flat) == 1 and columns == 2):
            fitting.append(value.name)
    if not fitting and len(outputs) == 1:
        fitting = [outputs[0].name]  # its size is only known at run time
    if len(fitting) != 1:
        there = ", ".join(f"{value.name} {sizes_of(value)}" for value in graph.model.graph.output)
        raise WrongOutput(f"{len(fitting)} outputs could hold one score for each of {columns} labels; name one of {there}")
    return str(fitting[0])


def _before_activation(graph: Graph, name: str) -> tuple[str, str | None]:
    """The tensor in front of a final softmax or sigmoid, and which of them it was."""
    while (node := graph.producers.get(name)) is not None:
        if node.op_type in ("Identity", "Cast"):
            name = node.input[0]
        elif node.op_type in ("Softmax", "LogSoftmax") and attribute(node, "axis", -1) in (1, -1):
            return str(node.input[0]), str(node.op_type)
        elif node.op_type == "Sigmoid":
            return str(node.input[0]), "Sigmoid"
        else:
            break
    return name, None


def _probe_session(model: onnx.ModelProto, name: str) -> onnxruntime.InferenceSession:
    """A session that also hands out an inner tensor. Raises NotRunnable."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    if all(value.name != name for value in probe.graph.output):
        probe.graph.output.append(onnx.ValueInfoProto(name=name))
    return session_create(probe)


def _values(session: onnxruntime.InferenceSession, name: str, image: str, batch: np.ndarray) -> np.ndarray:
    """What a tensor holds for these images, as float32."""
    (values,) = outputs_run(session, outputs=[name], image=image, batch=batch)
    return values.astype(np.float32)


def _stays_within(session: onnxruntime.InferenceSession, name: str, image: str, batch: np.ndarray) -> bool:
    """Whether images no camera makes leave the tensor in [0, 1]: they drive linear scores out of it, and probabilities not."""
    for factor in (-50.0, 50.0, 1000.0):
        try:
            values = _values(session, name, image, np.float32(factor) * (batch[:1] - batch.mean()))
        except NotRunnable:  # beyond its arithmetic: this image shows nothing
            continue
        if (values < 0).any() or (values > 1).any():
            return False
    return True


def _ends_add(
    model: onnx.ModelProto,
    found: _Scores,
    *,
    names: TensorNames,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
) -> tuple[str, tuple[str, ...]]:
    """Append logits and probabilities. Returns the tensor the maps explain and their targets."""
    kind = Graph(model).dtype(found.tensor)
    linear = found.tensor
    if kind != np.float32:
        linear = node_add(model, "Cast", [linear], "scores/float", to=TensorProto.FLOAT)
    del model.graph.output[:]
    if found.kind == "probabilities":
        floor = constant_add(model, "scores/floor", np.asarray(_TINY, dtype=np.float32))
        logarithm = node_add(model, "Log", [node_add(model, "Max", [linear, floor], "scores/kept")], "scores/log")
        if found.columns == 1 or found.activation == "sigmoid":
            one = constant_add(model, "scores/one", np.asarray(1, dtype=np.float32))
            rest = node_add(model, "Max", [node_add(model, "Sub", [one, linear], "scores/rest"), floor], "scores/rest_kept")
            linear = node_add(model, "Sub", [logarithm, node_add(model, "Log", [rest], "scores/rest_log")], "scores/odds")
        else:
            linear = logarithm
    explained, targets = linear, tuple(classes)
    if found.columns == 1:
        zero = node_add(model, "Sub", [linear, linear], "scores/zero")
        node_add(model, "Concat", [zero, linear], names.logits, axis=1)
    else:
        node_add(model, "Identity", [linear], names.logits)
        if found.activation == "softmax" and 1 < len(suspicion_classes) < len(classes):
            chosen = [list(classes).index(label) for label in suspicion_classes]
            others = [index for index in range(len(classes)) if index not in chosen]
            explained = suspicion_score_add(
                model, logits=linear, scores=linear, suspicious=chosen, others=others, joined="scores/joined"
            )
            targets = (*targets, SUSPICION)
    if found.activation == "sigmoid":
        node_add(model, "Sigmoid", [names.logits], names.probabilities)
    else:
        node_add(model, "Softmax", [names.logits], names.probabilities, axis=-1)
    for name in (names.logits, names.probabilities):
        output_add(model, name, [BATCH, len(classes)])
    return explained, targets


def _batch_sizes(
    model: onnx.ModelProto, *, names: TensorNames, batch: np.ndarray, fixed: int | None, notes: list[str]
) -> tuple[int, ...] | None:
    """None where the finished graph answers a batch as it answers its images alone: run, not believed."""
    if fixed is not None:
        return (fixed,)
    session = session_create(model)
    alone = [session_run(session, names=names, batch=batch[index : index + 1]) for index in range(len(batch))]
    try:
        together = session_run(session, names=names, batch=batch)
    except NotRunnable:
        together = None
    if together is not None and all(
        np.allclose(np.concatenate(single), joint, atol=_BATCH_TOLERANCE * max(1.0, float(np.abs(joint).max())), rtol=0)
        for single, joint in zip(zip(*alone, strict=True), together, strict=True)
    ):
        notes.append("batch dynamic: images together answer as alone")
        return None
    notes.append("one image at a time: in a batch the graph answers differently, or not at all")
    return (1,)
