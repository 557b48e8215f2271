"""Registry work for a worker: prove a package sound on this worker's hardware, or build one from an ONNX file.

The platform never loads a model; it asks a worker and stores what the worker reports. A check is not a job: it has no study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inference_worker.contract import CONTRACT_VERSION
from inference_worker.contract.events import EventKind
from inference_worker.contract.wire import from_wire, to_wire


class CheckTask(StrEnum):
    """VALIDATE an installed package; BUILD one from an ONNX file and a form."""

    VALIDATE = "validate"
    BUILD = "build"


class CheckProgress(StrEnum):
    """How far a check has come. DONE carries the report, whatever it says; FAILED means that there is no report."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """One attempt of one check.

    VALIDATE: `package_digest` and `package_key` (folder in the object store) name the package.
    BUILD: `source_key` is the ONNX file, `source_sha256` its digest, `form` what the package is to declare; the built package is
    written below `output_prefix`, where this attempt, and no other, may write.
    """

    check_id: str
    attempt: int
    task: CheckTask
    lease_seconds: int
    package_digest: str | None = None
    package_key: str | None = None
    source_key: str | None = None
    source_sha256: str | None = None
    form: dict[str, Any] | None = None
    output_prefix: str | None = None
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> CheckOrder:
        return from_wire(cls, data)


class Verdict(StrEnum):
    """What one item of a validation found. WARNING does not keep a package from being deployed; SKIPPED could not be tried."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


#: The items of a validation, in order, with the titles that people read.
VALIDATION_ITEMS: dict[str, str] = {
    "files": "Files, digests and signature",
    "structure": "Structure of the model file",
    "size": "Size within the worker's memory",
    "session": "Loads on the worker's hardware",
    "preprocessing": "Preprocessing of the golden inputs",
    "golden": "Golden inputs, from file to scores and maps",
    "performance": "Speed and memory at every batch size",
    "finite": "Finite answers to extreme images",
    "probabilities": "Probabilities are probabilities",
    "batch_independence": "An image's answer does not depend on its batch",
    "determinism": "The same image gives the same answer",
    "heatmaps": "Heatmaps show something",
    "heatmap_gradients": "Heatmaps are the gradients they claim to be",
}


#: The items of a build, likewise.
BUILD_ITEMS: dict[str, str] = {
    "file": "The uploaded file",
    "structure": "Structure of the model file",
    "build": "The package: labels, scores, heatmaps, golden answers",
    "store": "Putting the package away",
}


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One item: `name` is one of VALIDATION_ITEMS or BUILD_ITEMS, `code` a failure code where it failed, `detail` for
    engineers, `figures` what was measured (numbers and short words only), `seconds` how long it took."""

    name: str
    verdict: Verdict
    detail: str = ""
    code: str | None = None
    figures: dict[str, Any] | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a VALIDATE found (`passed`: no item FAILED), or where a BUILD wrote its package (`package_key`, `package_digest`).

    `performance` has one entry for each batch size: {"batch_size", "median_seconds", "images_per_second", "peak_memory_bytes"}.
    """

    passed: bool
    items: tuple[CheckItem, ...]
    provider: str
    software: dict[str, Any]
    performance: list[Any] | None = None
    package_key: str | None = None
    package_digest: str | None = None
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> CheckReport:
        return from_wire(cls, data)


@dataclass(frozen=True, slots=True)
class CheckEvent:
    """One thing that happened to one attempt of a check. RUNNING carries `step` and how many of how many are done."""

    event_id: str
    check_id: str
    attempt: int
    progress: CheckProgress
    worker: str
    occurred_at: str
    step: str = ""
    steps_done: int = 0
    steps_total: int = 0
    report: dict[str, Any] | None = None
    failure_code: str | None = None
    failure_detail: str | None = None
    kind: EventKind = EventKind.CHECK
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> CheckEvent:
        return from_wire(cls, data)
