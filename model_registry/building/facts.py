"""The facts of a package that no graph says of itself: from a FACTS.yaml, from the options of `import`, from a form.

name: density-net
version: 1.0.0
title: Density, four classes
classes: [a, b, c, d]                  # in training order
profile: rgb-224                       # a name, or a JSON file beside this one
suspicion: {classes: [d], threshold: 0.5, operating_point: "…", target: d}
intended_use: {statement: "…", views: [MLO], acquisitions: [digital], not_validated: ["…"]}
provenance: {training_data: "…", training_command: "…", licence: "…"}
# and, where there is reason to: explanation, calibration, aggregation, batch_sizes, metrics, reference_maximum, targets,
# note, golden (files beside this one), family (for a file of weights alone)
"""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import onnx
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from model_registry.building.errors import FactsInvalid
from model_registry.building.exported import ExportedModel
from model_registry.building.package_build import PackageFacts
from model_registry.explain import Method
from model_registry.packaging.manifest import Aggregation, Calibration, IntendedUse, Label, Metric, Provenance, Slug
from model_registry.packaging.named_profiles import ProfileError, profile_read
from model_registry.packaging.profile import PreprocessingProfile

GOLDEN_BYTES_MAXIMUM = 256 << 20
NOT_EVALUATED = (
    "Nothing was evaluated here: the model came from outside, and neither its figures nor its training were checked. The golden "
    "inputs prove that this package answers everywhere as it did when it was made, not that the answers are right."
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SuspicionFacts(_Section):
    """As the manifest's; `target` None takes the map “suspicion”, or the only suspicion class's."""

    classes: tuple[Label, ...] = Field(min_length=1)
    threshold: float = Field(default=0.5, ge=0, le=1)
    operating_point: str = "Not chosen on data: 0.5 by default"
    target: Label | None = None


class ExplanationFacts(_Section):
    """`scores` and `target` are tensors of the graph, for a plain classifier; a model of the zoo names its own."""

    method: Method = "grad-cam"
    scores: str | None = None
    target: str | None = None
    outputs: Literal["logits", "probabilities"] | None = None
    activation: Literal["softmax", "sigmoid"] | None = None


class ProvenanceFacts(_Section):
    """As the manifest's, without what is counted and dated here."""

    training_data: str
    licence: str
    training_command: str = "not known"
    architecture: str = "not stated"
    citation: str = ""
    seed: int | None = None


class FamilyFacts(_Section):
    """The zoo family that a file of weights belongs to. `options` are the family's own (`head`, `width`, `dropout`)."""

    name: str
    activation: Literal["softmax", "sigmoid"] = "softmax"
    input_shape: tuple[int, int, int] | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class Facts(_Section):
    """See the module's text. `targets` names the maps of a zoo model whose scores are not one per class."""

    name: Slug
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.-][A-Za-z0-9.-]+)?$")] = "1.0.0"
    title: str
    classes: tuple[Label, ...] = Field(min_length=2)
    profile: str
    suspicion: SuspicionFacts
    intended_use: IntendedUse
    provenance: ProvenanceFacts
    task: Literal["classification", "segmentation"] = "classification"
    explanation: ExplanationFacts = ExplanationFacts()
    calibration: Calibration | None = None
    aggregation: Aggregation = Aggregation()
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    metrics: tuple[Metric, ...] = ()
    reference_maximum: dict[str, float] | None = None
    targets: tuple[Label, ...] | None = None
    golden: tuple[str, ...] = ()
    family: FamilyFacts | None = None
    note: str = ""

    @field_validator("classes")
    @classmethod
    def _differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("labels must differ from one another")
        return classes


def facts_from(fields: Any, *, source: str) -> Facts:
    """Check fields. Raises FactsInvalid."""
    try:
        return Facts.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'facts'}: {e['msg']}" for e in error.errors()[:20])
        raise FactsInvalid(f"{source}: {problems}") from error


def profile_of(facts: Facts, *, folder: Path) -> PreprocessingProfile:
    """The named profile, or the file beside the facts. Raises FactsInvalid."""
    try:
        return profile_read(folder / facts.profile if facts.profile.endswith(".json") else facts.profile)
    except ProfileError as error:
        raise FactsInvalid(str(error)) from error


def golden_files(paths: Sequence[Path]) -> list[tuple[str, bytes]] | None:
    """Contents of the given golden inputs, None where none were given. Raises FactsInvalid."""
    found = []
    for path in paths:
        try:
            with path.open("rb") as stream:
                data = stream.read(GOLDEN_BYTES_MAXIMUM + 1)
        except OSError as error:
            raise FactsInvalid(f"{path} cannot be read: {error.strerror}") from error
        if len(data) > GOLDEN_BYTES_MAXIMUM:
            raise FactsInvalid(f"{path.name} is larger than {GOLDEN_BYTES_MAXIMUM} bytes")
        found.append((path.name, data))
    return found or None


def package_facts(*, facts: Facts, exported: ExportedModel, parameters: int, packages: Sequence[str]) -> PackageFacts:
    """What the manifest needs besides the graph. `packages` are those whose versions made the graph."""
    provenance = Provenance(
        **facts.provenance.model_dump(),
        parameters=parameters,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        software={package: importlib.metadata.version(package) for package in packages},
    )
    # with a method that knows no class there is one map only
    target = facts.suspicion.target if facts.suspicion.target in exported.targets or len(exported.targets) > 1 else None
    notes = [facts.note, *(f"Found in the graph: {note}." for note in exported.notes)]
    if not facts.metrics:
        notes.insert(0, NOT_EVALUATED)
    return PackageFacts(
        name=facts.name,
        version=facts.version,
        title=facts.title,
        classes=facts.classes,
        suspicion_classes=facts.suspicion.classes,
        threshold=facts.suspicion.threshold,
        operating_point=facts.suspicion.operating_point,
        intended_use=facts.intended_use,
        provenance=provenance,
        calibration=facts.calibration,
        metrics=facts.metrics,
        aggregation=facts.aggregation,
        batch_sizes=facts.batch_sizes,
        output_activation=exported.output_activation,
        task=facts.task,
        reference_maximum=facts.reference_maximum,
        suspicion_target=target,
        note="\n\n".join(note for note in notes if note),
    )


def parameters_count(model: onnx.ModelProto) -> int:
    """Numbers in the graph's floating-point weights: its parameters and the constants an exporter wrote beside them."""
    total = 0
    for tensor in model.graph.initializer:
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE):
            size = 1
            for dimension in tensor.dims:
                size *= dimension
            total += size
    return total
