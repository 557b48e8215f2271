"""Everything that is checked of one model file, in order: cheap and safe first, ONNX's own native checks last.

Runs in whatever process calls it; isolation puts it into one of its own. Makes no session and never imports the engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from model_registry.inspection.findings import CORRUPT, NOT_FINITE, SHAPES, TOO_LARGE, Finding, ModelFacts, Severity
from model_registry.inspection.interface import interface_check
from model_registry.inspection.limits import InspectionLimits
from model_registry.inspection.native import Shape, declared_shape, shapes_infer, validity_check
from model_registry.inspection.operators import domain_of, operators_check
from model_registry.inspection.structure import structure_check
from model_registry.inspection.tensors import tensors_check
from model_registry.inspection.walk import model_names, model_nodes, model_tensors
from model_registry.packaging.manifest import Manifest


def size_check(path: Path, limits: InspectionLimits) -> Finding | None:
    """From the file's status alone: no byte of it is read."""
    try:
        if not path.is_file():
            return Finding(CORRUPT, f"{path.name} is not a file")
        size = path.stat().st_size
    except OSError as error:
        return Finding(CORRUPT, f"{path.name} cannot be read: {error.strerror}")
    if size > limits.model_bytes:
        return Finding(TOO_LARGE, f"{path.name} has {size} bytes; {limits.model_bytes} are accepted")
    return Finding(CORRUPT, f"{path.name} is empty") if size == 0 else None


def model_checks(
    path: Path, *, manifest: Manifest | None, limits: InspectionLimits, facts_found: Callable[[ModelFacts], None]
) -> Iterator[Finding]:
    """Yield what is found, at most `findings_of_a_code` of a kind. `manifest` None: the file alone is judged."""
    counts: Counter[tuple[str, Severity]] = Counter()
    for finding in _checks(path, manifest=manifest, limits=limits, facts_found=facts_found):
        counts[finding.code, finding.severity] += 1
        if counts[finding.code, finding.severity] <= limits.findings_of_a_code:
            yield finding


def _checks(
    path: Path, *, manifest: Manifest | None, limits: InspectionLimits, facts_found: Callable[[ModelFacts], None]
) -> Iterator[Finding]:
    if unreadable := size_check(path, limits):
        yield unreadable
        return
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.model_bytes + 1)
        model = onnx.ModelProto.FromString(data)
        del data
    except OSError as error:
        yield Finding(CORRUPT, f"{path.name} cannot be read: {error.strerror}")
        return
    except (DecodeError, ValueError) as error:
        yield Finding(CORRUPT, f"{path.name} is not an ONNX file, or one that is damaged or cut short: {error}")
        return
    if not model.graph.node or not model.opset_import:
        yield Finding(CORRUPT, f"{path.name} is not an ONNX file, or a damaged one: it holds no graph")
        return
    is_bomb = False
    for finding in structure_check(model, limits):
        is_bomb = True
        yield finding
    if is_bomb:
        return
    if undecoded := next((text for text in model_names(model) if isinstance(text, bytes)), None):
        yield Finding(CORRUPT, f"a name in {path.name} is not UTF-8: {undecoded!r}")
        return
    facts_found(_facts(model))
    listed = None if manifest is None else frozenset(entry.path for entry in manifest.files)
    folder = path.resolve().parent
    is_native_safe = True
    for finding in (*operators_check(model), *tensors_check(model, folder=folder, limits=limits, listed=listed)):
        is_native_safe = is_native_safe and finding.code in (NOT_FINITE, SHAPES)
        yield finding
    inferred: dict[str, Shape] = {}
    if is_native_safe:  # ONNX's own checks open external files, trust declared sizes, and would only say the same again
        yield from validity_check(path)
        inferred, contradictions = shapes_infer(model, limits)
        yield from contradictions
    if manifest is not None:
        yield from interface_check(model, manifest=manifest, inferred=inferred)


def _facts(model: onnx.ModelProto) -> ModelFacts:
    constants = {tensor.name for tensor in model.graph.initializer}
    operators = Counter(
        f"{domain_of(node.domain)}:{node.op_type}" if domain_of(node.domain) else node.op_type for node in model_nodes(model)
    )
    parameters = 0
    files: set[str] = set()
    for tensor in model_tensors(model):
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
            count = 1
            for size in tensor.dims:
                count *= max(size, 0)
            parameters += count
        if tensor.data_location == TensorProto.EXTERNAL:
            files.update(entry.value for entry in tensor.external_data if entry.key == "location")
    return ModelFacts(
        ir_version=model.ir_version,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        opsets={domain_of(entry.domain) or "ai.onnx": entry.version for entry in model.opset_import},
        operators=dict(sorted(operators.items())),
        inputs={value.name: list(declared_shape(value) or ()) for value in model.graph.input if value.name not in constants},
        outputs={value.name: list(declared_shape(value) or ()) for value in model.graph.output},
        nodes=sum(operators.values()),
        parameters=parameters,
        external_files=sorted(files),
    )
