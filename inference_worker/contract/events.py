"""Events: what a worker tells the ledger. They may repeat and arrive out of order; `attempt` fences them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inference_worker.contract import CONTRACT_VERSION
from inference_worker.contract.wire import from_wire, to_wire


class EventKind(StrEnum):
    """What happened to an attempt. HEARTBEAT is about the worker; CHECK about registry work (contract.checks)."""

    STARTED = "started"
    PROGRESS = "progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"  # cooperative cancel noticed by the worker
    HEARTBEAT = "heartbeat"
    CHECK = "check"


class JobStage(StrEnum):
    """How far a running attempt has come. Progress, never state."""

    FETCHING = "FETCHING"
    PREPROCESSING = "PREPROCESSING"
    INFERRING = "INFERRING"
    EXPLAINING = "EXPLAINING"
    STORING = "STORING"


@dataclass(frozen=True, slots=True)
class AttemptReference:
    """One attempt of one job, as named in a heartbeat."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that happened to one attempt.

    `event_id` is unique per happening, so a repeated delivery is recognised. `occurred_at` is ISO 8601 in UTC.
    STARTED carries `provider`; PROGRESS carries `stage`; SUCCEEDED carries `result` (see contract.results);
    FAILED carries `failure_code` and `failure_detail` (for engineers: no patient identity, no file contents).
    """

    event_id: str
    kind: EventKind
    job_id: str
    attempt: int
    worker: str
    occurred_at: str
    stage: JobStage | None = None
    provider: str | None = None
    result: dict[str, Any] | None = None
    failure_code: str | None = None
    failure_detail: str | None = None
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> JobEvent:
        return from_wire(cls, data)


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat:
    """A worker is alive, what it runs on, and the attempts it holds: their leases are extended.

    `refused_packages` maps the digests that this worker cannot serve (they failed to load, or their golden inputs) to the code.
    `checks` are the attempts of registry work it holds.
    """

    event_id: str
    worker: str
    occurred_at: str
    active: tuple[AttemptReference, ...]
    concurrency: int
    provider: str | None = None
    provider_reason: str | None = None
    loaded_packages: tuple[str, ...] = ()
    resident_memory_bytes: int | None = None
    software_version: str | None = None
    refused_packages: dict[str, Any] | None = None
    checks: tuple[AttemptReference, ...] = ()
    kind: EventKind = EventKind.HEARTBEAT
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> WorkerHeartbeat:
        return from_wire(cls, data)


def event_from_wire(data: Mapping[str, Any]) -> JobEvent | WorkerHeartbeat:
    """Read a job's event or a heartbeat by its kind; CHECK events are contract.checks'. Raises ContractViolation."""
    if data.get("kind") == EventKind.HEARTBEAT.value:
        return WorkerHeartbeat.from_wire(data)
    return JobEvent.from_wire(data)
