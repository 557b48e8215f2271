"""The order: everything a worker needs to run one attempt of one job. A few hundred bytes, no patient identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_worker.contract import CONTRACT_VERSION
from inference_worker.contract.wire import from_wire, to_wire


@dataclass(frozen=True, slots=True)
class ImageReference:
    """One stored image. `object_key` addresses de-identified bytes in the object store; `sha256` is their digest."""

    image_id: str
    object_key: str
    sha256: str
    media_type: str  # application/dicom, image/png, image/jpeg
    image_laterality: str | None = None  # L, R, or None when the source does not say
    view_position: str | None = None  # CC, MLO, ML, LM, …, or None when the source does not say


@dataclass(frozen=True, slots=True)
class InferenceOrder:
    """One attempt of one job.

    `package_digest` pins the model package; `package_key` is the folder in the object store that holds it.
    `artifact_prefix` is where this attempt, and no other, may write.
    """

    job_id: str
    attempt: int
    study_id: str
    images: tuple[ImageReference, ...]
    package_digest: str
    package_key: str
    artifact_prefix: str
    priority: str
    lease_seconds: int
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> InferenceOrder:
        """Read an order. Unknown fields are logged and ignored; a missing or mistyped one raises ContractViolation."""
        return from_wire(cls, data)
