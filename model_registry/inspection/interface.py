"""Whether a graph keeps what its manifest promises: names, element types, numbers of classes and maps, sizes, an open batch.

Works on shapes alone. What a size that stays open really is, only the golden inputs can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
from onnx import TensorProto

from model_registry.inspection.findings import LABEL_COUNT, SHAPES, Finding, Severity
from model_registry.inspection.native import Shape, declared_shape
from model_registry.packaging.manifest import Manifest
from model_registry.packaging.profile import Channels, PreprocessingProfile, Resize

_CHANNELS = {"grey": 1, "grey3": 3, "grey_mask": 2, "grey3_mask": 4}
#: Steps that leave an image's size as it is.
_SAME_SIZE = frozenset({"display", "normalise_percentile", "clahe", "scale", "channels"})


def interface_check(model: onnx.ModelProto, *, manifest: Manifest, inferred: Mapping[str, Shape]) -> Iterator[Finding]:
    """Inputs and outputs against the manifest; `inferred` holds the shapes that follow from the graph, empty where unknown."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in constants}
    outputs = {value.name: value for value in model.graph.output}
    names = manifest.tensors
    wanted: dict[str, Shape] = {
        names.logits: (None, len(manifest.classes)),
        names.probabilities: (None, len(manifest.classes)),
        names.heatmaps: (None, len(manifest.explanation.targets), *manifest.explanation.grid_hw),
    }
    if len({names.image, *wanted}) != 4:
        yield Finding(SHAPES, "the manifest gives two tensors the same name")
    for name in sorted(inputs.keys() - {names.image}):
        yield Finding(SHAPES, "is an input that the manifest does not know; nothing would be fed to it", tensor=name)
    for name in sorted(outputs.keys() - wanted.keys()):
        yield Finding(SHAPES, "is an output that the manifest does not name; nobody reads it", Severity.WARNING, tensor=name)
    for name, role in ((names.image, "input"), *((name, "output") for name in wanted)):
        if name not in (inputs if role == "input" else outputs):
            there = ", ".join(sorted(inputs if role == "input" else outputs)[:10])
            yield Finding(SHAPES, f"the graph has no such {role}; it has {there or 'none'}", tensor=name)
    if names.image in inputs:
        yield from _tensor_check(inputs[names.image], wanted=(None, *manifest.input_shape), inferred=None, manifest=manifest)
    for name, shape in wanted.items():
        if name in outputs:
            yield from _tensor_check(outputs[name], wanted=shape, inferred=inferred.get(name), manifest=manifest)
    yield from _layer_check(model, manifest)


def profile_check(manifest: Manifest) -> Iterator[Finding]:
    """Whether the preprocessing makes what the model takes, as far as its steps say."""
    made = profile_output_shape(manifest.preprocessing)
    if made is None:
        yield Finding(SHAPES, "the profile does not say which size it makes; the golden inputs must show it", Severity.WARNING)
    elif made != manifest.input_shape:
        yield Finding(SHAPES, f"the profile makes {made}, input_shape is {manifest.input_shape}", tensor=manifest.tensors.image)


def profile_output_shape(profile: PreprocessingProfile) -> tuple[int, int, int] | None:
    """Shape of one prepared image in the profile's layout; None when the last step that changes the size leaves it open."""
    size_hw: tuple[int, int] | None = None
    channels = _CHANNELS["grey"]
    for step in profile.steps:
        if isinstance(step, Resize):
            size_hw = step.size_hw
        elif step.step not in _SAME_SIZE:
            size_hw = None
        if isinstance(step, Channels):
            channels = _CHANNELS[step.layout]
    if size_hw is None:
        return None
    return (*size_hw, channels) if profile.tensor_layout == "nhwc" else (channels, *size_hw)


def _tensor_check(value: onnx.ValueInfoProto, *, wanted: Shape, inferred: Shape | None, manifest: Manifest) -> Iterator[Finding]:
    name = value.name
    kind = value.type.tensor_type.elem_type if value.type.HasField("tensor_type") else None
    if kind != TensorProto.FLOAT:
        kind_name = TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else "no tensor"
        yield Finding(SHAPES, f"is {kind_name}, must be FLOAT", tensor=name)
    declared = declared_shape(value)
    found = inferred if inferred is not None else declared
    if found is None:
        yield Finding(SHAPES, "has no declared shape; the golden inputs must show it", Severity.WARNING, tensor=name)
        return
    if len(found) != len(wanted):
        yield Finding(SHAPES, f"has shape {_text(found)}, the manifest means {_text(wanted)}", tensor=name)
        return
    if inferred is not None and declared is not None and not _agree(declared, inferred):
        yield Finding(SHAPES, f"declares {_text(declared)} and computes {_text(inferred)}", tensor=name)
    yield from _batch_check(name, found[0], manifest)
    is_scores = name in (manifest.tensors.logits, manifest.tensors.probabilities)
    said = declared if declared is not None and len(declared) == len(found) else found
    sizes = [size if isinstance(size, int) else other for size, other in zip(found, said, strict=True)][1:]
    if is_scores and isinstance(sizes[0], int) and sizes[0] != wanted[1]:
        yield Finding(LABEL_COUNT, f"has {sizes[0]} scores, the manifest has {wanted[1]} classes", tensor=name)
    elif any(isinstance(size, int) and size != meant for size, meant in zip(sizes, wanted[1:], strict=True)):
        yield Finding(SHAPES, f"has shape {_text(found)}, the manifest means {_text(wanted)}", tensor=name)
    elif any(not isinstance(size, int) for size in sizes):
        detail = f"leaves sizes open, {_text(found)}; the golden inputs must show {_text(wanted)}"
        yield Finding(SHAPES, detail, Severity.WARNING, tensor=name)


def _batch_check(name: str, size: int | str | None, manifest: Manifest) -> Iterator[Finding]:
    if isinstance(size, int) and manifest.batch_sizes != (size,):
        detail = f"has a fixed batch of {size}, batch_sizes are {list(manifest.batch_sizes)}; export with an open batch"
        yield Finding(SHAPES, detail, tensor=name)


def _layer_check(model: onnx.ModelProto, manifest: Manifest) -> Iterator[Finding]:
    layer = manifest.explanation.cam_layer
    made = {output for node in model.graph.node for output in node.output} | {value.name for value in model.graph.input}
    if layer not in made:
        detail = "explanation.cam_layer is no tensor of the graph; nobody can check where the maps are taken"
        yield Finding(SHAPES, detail, Severity.WARNING, tensor=layer)


def _agree(declared: Shape, inferred: Shape) -> bool:
    if len(declared) != len(inferred):
        return False
    return all(
        one == other or not (isinstance(one, int) and isinstance(other, int))
        for one, other in zip(declared, inferred, strict=True)
    )


def _text(shape: Shape) -> str:
    return "(" + ", ".join("open" if size is None else str(size) for size in shape) + ")"
