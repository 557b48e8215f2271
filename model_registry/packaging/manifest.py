"""The manifest of a model package: everything a worker must know to serve the model, and everyone else to judge it.

`manifest.json` lists every other file of the package with its digest, so the digest of the manifest's own bytes pins the whole
package. Classes stand in training order and nowhere else in the system is that order written down.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from model_registry.packaging.profile import PreprocessingProfile

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class FileEntry(_Frozen):
    """A file of the package: path relative to the package folder, its digest and size in bytes."""

    path: str
    sha256: Digest
    size_bytes: int = Field(ge=0)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if (
            not parts
            or path.startswith("/")
            or ".." in parts
            or "\\" in path
            or not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", path)
        ):
            raise ValueError("must be a plain relative path inside the package")
        return path


class TensorNames(_Frozen):
    """Names in the ONNX graph. `image` (N, …) float32 in; out: `logits` (N, classes) before the softmax or sigmoid,
    `probabilities` (N, classes), `heatmaps` (N, targets, rows, columns) ≥ 0, raw."""

    image: str = "image"
    logits: str = "logits"
    probabilities: str = "probabilities"
    heatmaps: str = "heatmaps"


class Explanation(_Frozen):
    """The maps inside the graph. `targets` names the channels of `heatmaps`, in order: classes, or the suspicion score.

    Method "mask" belongs to task "segmentation": the maps are the model's own answer, a probability in [0, 1] for every place
    and lesion class; `cam_layer` is then the tensor that holds them and `reference_maximum` is 1 for every target.

    `cam_layer` is the graph tensor the maps are taken at. `reference_maximum` gives, for each target, the raw value drawn
    with the hottest colour (a high percentile over the training images), so that a weak map looks weak; without it the
    image's own maximum over all targets is used, and the page says so.
    """

    method: Literal["grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam", "mask"] = "grad-cam"
    targets: tuple[Label, ...]
    cam_layer: str
    grid_hw: tuple[int, int]
    reference_maximum: dict[str, float] | None = None


class Suspicion(_Frozen):
    """One score for worklists and readers: the sum of the probabilities of `classes`.

    `target` names the heatmap that explains it. `threshold` is the operating point above which a view counts as suspicious
    and `operating_point` says in words how it was chosen.
    """

    classes: tuple[Label, ...]
    target: Label
    threshold: float = Field(ge=0, le=1)
    operating_point: str = ""


class Calibration(_Frozen):
    """calibrated = softmax(logits / temperature) (sigmoid for a single logit). `fitted_on` says on which predictions."""

    method: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=0)
    fitted_on: str


class Aggregation(_Frozen):
    """How views become a breast and breasts a study. Applied to calibrated suspicion and to class probabilities alike.

    "mean" averages probabilities; "max_suspicion" takes the probabilities of the member with the highest suspicion.
    """

    image_to_breast: Literal["mean", "max_suspicion"] = "mean"
    breast_to_study: Literal["mean", "max_suspicion"] = "max_suspicion"


class IntendedUse(_Frozen):
    """What the model was made for. Views and acquisitions outside it are still run, and marked with a caution."""

    statement: str
    views: tuple[str, ...] = ()
    acquisitions: tuple[Literal["film", "digital"], ...] = ()
    not_validated: tuple[str, ...] = ()
    research_only: bool = True


class Metric(_Frozen):
    """A measured figure with its 95 % interval and how it was measured, e.g. "5-fold cross-validation by woman"."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    method: str


class Provenance(_Frozen):
    """Where the weights come from and how to make them again."""

    architecture: str
    training_data: str
    training_command: str
    citation: str = ""
    licence: str
    parameters: int = Field(ge=0)
    seed: int | None = None
    created: str
    software: dict[str, str] = Field(default_factory=dict)


class GoldenCase(_Frozen):
    """An input file of the package and what the model must answer for it, from file bytes to scores.

    `image` is a file through the whole preprocessing; `expected` is an .npz with arrays `logits` (classes,),
    `probabilities` (classes,) and `heatmaps` (targets, rows, columns). It may name its `classes`, which are then held against
    the manifest's.
    """

    image: str
    expected: str
    tolerance: float = 1e-3


class Manifest(_Frozen):
    """See the module's text. With task "segmentation" a mask of lesion probabilities takes the heatmaps' place everywhere."""

    format_version: Literal[1] = 1
    name: Slug
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.-][A-Za-z0-9.-]+)?$")]
    title: str
    task: Literal["classification", "segmentation"] = "classification"
    classes: tuple[Label, ...] = Field(min_length=2)
    output_activation: Literal["softmax", "sigmoid"] = "softmax"
    input_shape: tuple[int, int, int]  # one image in the profile's tensor layout
    preprocessing: PreprocessingProfile
    tensors: TensorNames = TensorNames()
    explanation: Explanation
    suspicion: Suspicion
    calibration: Calibration | None = None
    aggregation: Aggregation = Aggregation()
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    intended_use: IntendedUse
    metrics: tuple[Metric, ...] = ()
    provenance: Provenance
    golden: tuple[GoldenCase, ...] = Field(min_length=1)
    model: Literal["model.onnx"] = "model.onnx"
    card: Literal["MODEL_CARD.md"] = "MODEL_CARD.md"
    files: tuple[FileEntry, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Manifest:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must differ from one another")
        allowed = {*self.classes, "suspicion"}
        if not set(self.explanation.targets) <= allowed:
            raise ValueError("explanation.targets must be classes or “suspicion”")
        if not set(self.suspicion.classes) < set(self.classes):
            raise ValueError("suspicion.classes must be some, not all, of the classes")
        if self.suspicion.target not in self.explanation.targets:
            raise ValueError("suspicion.target must be one of explanation.targets")
        if (self.task == "segmentation") != (self.explanation.method == "mask"):
            raise ValueError("task “segmentation” and explanation.method “mask” go together, or neither")
        if self.task == "segmentation":
            self._masks_are_lesions()
        listed = {entry.path for entry in self.files}
        needed = {self.model, self.card} | {path for case in self.golden for path in (case.image, case.expected)}
        if missing := needed - listed:
            raise ValueError(f"files does not list {sorted(missing)}")
        if MANIFEST_NAME in listed or len(listed) != len(self.files):
            raise ValueError("files lists a path twice, or the manifest itself")
        if list(self.batch_sizes) != sorted(set(self.batch_sizes)) or self.batch_sizes[0] < 1:
            raise ValueError("batch_sizes must rise and start at 1 or more")
        return self

    def _masks_are_lesions(self) -> None:
        targets = self.explanation.targets
        if len(set(targets)) != len(targets) or not set(targets) <= set(self.suspicion.classes):
            raise ValueError("a mask's explanation.targets must be suspicion.classes, each once: the background is no lesion")
        if self.explanation.reference_maximum != dict.fromkeys(targets, 1.0):
            raise ValueError("a mask holds probabilities: explanation.reference_maximum must be 1 for every target")

    def to_json_bytes(self) -> bytes:
        """The bytes that are written and digested: readable, UTF-8, ending in a newline."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def manifest_digest(manifest_bytes: bytes) -> str:
    """The package's digest: sha256 of manifest.json as it stands on disk."""
    import hashlib

    return "sha256:" + hashlib.sha256(manifest_bytes).hexdigest()


def manifest_read(manifest_bytes: bytes) -> Manifest:
    """Parse and validate. Raises pydantic.ValidationError (a ValueError) naming every field that is wrong."""
    return Manifest.model_validate_json(manifest_bytes)


def summary(manifest: Manifest) -> dict[str, Any]:
    """The part an API client needs to show a result rightly."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "task": manifest.task,
        "classes": list(manifest.classes),
        "targets": list(manifest.explanation.targets),
        "suspicion": manifest.suspicion.model_dump(mode="json"),
        "intended_use": manifest.intended_use.model_dump(mode="json"),
    }
