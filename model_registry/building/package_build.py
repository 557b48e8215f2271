"""An exported model and what is known about it, as a package on disk. Trains, converts and evaluates nothing.

What the manifest says of the graph (shapes, targets, method, tensor names) is read off the export; everything else is given as
facts by whoever knows it: training, the `package` and the `import` command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from model_registry.building.card import card_text
from model_registry.building.errors import FactsInvalid
from model_registry.building.exported import SUSPICION, ExportedModel
from model_registry.building.golden import golden_contents
from model_registry.packaging import Package, package_write
from model_registry.packaging.manifest import Aggregation, Calibration, IntendedUse, Metric, Provenance
from model_registry.packaging.profile import PreprocessingProfile

GOLDEN_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class PackageFacts:
    """What the manifest says that cannot be read off the model. See packaging.manifest for the meaning of each field.

    `suspicion_target` names the map that explains suspicion; None takes “suspicion” where there is such a map, else the only
    suspicion class's. `note` is what the card says beside the manifest's facts.
    """

    name: str
    version: str
    title: str
    classes: tuple[str, ...]
    suspicion_classes: tuple[str, ...]
    threshold: float
    intended_use: IntendedUse
    provenance: Provenance
    operating_point: str = ""
    calibration: Calibration | None = None
    metrics: tuple[Metric, ...] = ()
    aggregation: Aggregation = field(default_factory=Aggregation)
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    output_activation: Literal["softmax", "sigmoid"] = "softmax"
    task: Literal["classification", "segmentation"] = "classification"
    reference_maximum: Mapping[str, float] | None = None
    suspicion_target: str | None = None
    golden_tolerance: float = GOLDEN_TOLERANCE
    note: str = ""


def package_build(
    *,
    folder: Path,
    exported: ExportedModel,
    facts: PackageFacts,
    profile: PreprocessingProfile,
    golden_images: Sequence[tuple[str, bytes]] | None = None,
    card: str | None = None,
    extra_files: Mapping[str, bytes] | None = None,
) -> Package:
    """Write the package into `folder`/NAME-VERSION and return it.

    `golden_images` are (file name, bytes); None draws breasts, one of them as DICOM. `card` is the finished card; None has it
    written from the manifest and `facts.note`. Raises FactsInvalid, GoldenImageRefused, NotRunnable, and as `package_write`.
    """
    manifest_fields(exported=exported, facts=facts, profile=profile, cases=())  # before the work of running the graph
    golden, cases = golden_contents(
        model=exported.explained,
        profile=profile,
        tolerance=facts.golden_tolerance,
        images=golden_images,
        names=exported.tensors,
        input_shape=exported.input_shape,
        classes=facts.classes,
    )
    manifest = manifest_fields(exported=exported, facts=facts, profile=profile, cases=cases)
    text = card if card is not None else card_text(manifest=manifest, note=facts.note)
    contents = {
        **(extra_files or {}),
        "model.onnx": exported.explained.SerializeToString(deterministic=True),
        "MODEL_CARD.md": text.encode(),
        **golden,
    }
    return package_write(folder=folder / f"{facts.name}-{facts.version}", manifest=manifest, contents=contents)


def manifest_fields(
    *, exported: ExportedModel, facts: PackageFacts, profile: PreprocessingProfile, cases: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    """The manifest but for its `files`, as plain values. Raises FactsInvalid where facts and graph disagree."""
    if facts.output_activation != exported.output_activation:
        raise FactsInvalid(f"the graph ends in {exported.output_activation}, the facts say {facts.output_activation}")
    if (facts.task == "segmentation") != (exported.method == "mask"):
        raise FactsInvalid(f"the task is {facts.task}, but the graph's maps are {exported.method}")
    reference = facts.reference_maximum
    if exported.method == "mask":
        reference = dict.fromkeys(exported.targets, 1.0)
    batch_sizes = facts.batch_sizes if exported.batch_sizes is None else exported.batch_sizes
    return {
        "name": facts.name,
        "version": facts.version,
        "title": facts.title,
        "task": facts.task,
        "classes": list(facts.classes),
        "output_activation": facts.output_activation,
        "input_shape": list(exported.input_shape),
        "preprocessing": profile.model_dump(mode="json"),
        "tensors": exported.tensors.model_dump(),
        "explanation": {
            "method": exported.method,
            "targets": list(exported.targets),
            "cam_layer": exported.cam_layer,
            "grid_hw": list(exported.grid_hw),
            "reference_maximum": None if reference is None else dict(reference),
        },
        "suspicion": {
            "classes": list(facts.suspicion_classes),
            "target": suspicion_target(facts=facts, targets=exported.targets),
            "threshold": facts.threshold,
            "operating_point": facts.operating_point,
        },
        "calibration": None if facts.calibration is None else facts.calibration.model_dump(mode="json"),
        "aggregation": facts.aggregation.model_dump(mode="json"),
        "batch_sizes": list(batch_sizes),
        "intended_use": facts.intended_use.model_dump(mode="json"),
        "metrics": [metric.model_dump(mode="json") for metric in facts.metrics],
        "provenance": facts.provenance.model_dump(mode="json"),
        "golden": [dict(case) for case in cases],
    }


def suspicion_target(*, facts: PackageFacts, targets: Sequence[str]) -> str:
    """The map that explains suspicion. Raises FactsInvalid where it is not clear which."""
    if facts.suspicion_target is not None:
        if facts.suspicion_target not in targets:
            raise FactsInvalid(f"there is no map {facts.suspicion_target!r}; there are {', '.join(targets)}")
        return facts.suspicion_target
    if SUSPICION in targets:
        return SUSPICION
    fitting = [target for target in targets if target in facts.suspicion_classes]
    if len(fitting) == 1 or (fitting and facts.task == "segmentation"):
        return fitting[0]
    raise FactsInvalid(f"which map explains suspicion? name one of {', '.join(targets)}")
