"""Answers of the API as typed, frozen values. Unknown fields are kept in `document`; missing ones are refused."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from mammoserve_client.errors import Incomplete

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
ITEM_ENDED = frozenset({"succeeded", "failed", "cancelled", "quarantined"})


def _time(value: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(value) if value else None


def _need(document: dict[str, Any], *names: str) -> None:
    lost = [name for name in names if name not in document]
    if lost:
        raise Incomplete(f"the server's answer lacks {', '.join(lost)}; is this address a MammoServe API of version 1?")


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of a batch by status; `total` is the sum of the others."""

    total: int
    pending: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    quarantined: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled + self.quarantined

    @classmethod
    def of(cls, document: dict[str, Any]) -> Counts:
        _need(document, *cls.__slots__)
        return cls(**{name: int(document[name]) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it was when asked. `eta_seconds` and `queue_position` are None where nothing was measured yet."""

    id: str
    name: str
    state: str
    counts: Counts
    queue_position: int | None
    eta_seconds: float | None
    created_at: datetime.datetime | None
    expires_at: datetime.datetime | None
    document: dict[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @classmethod
    def of(cls, document: dict[str, Any]) -> Batch:
        _need(document, "id", "state", "request_counts")
        return cls(
            id=str(document["id"]),
            name=str(document.get("name", "")),
            state=str(document["state"]),
            counts=Counts.of(document["request_counts"]),
            queue_position=document.get("queue_position"),
            eta_seconds=document.get("eta_seconds"),
            created_at=_time(document.get("created_at")),
            expires_at=_time(document.get("expires_at")),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no result: a stable code, and what to do."""

    code: str
    message: str
    action: str
    retryable: bool

    @classmethod
    def of(cls, document: dict[str, Any] | None) -> Failure | None:
        if not document:
            return None
        _need(document, "code")
        return cls(
            code=str(document["code"]),
            message=str(document.get("message", "")),
            action=str(document.get("action", "")),
            retryable=bool(document.get("retryable", False)),
        )


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One line of a batch's results: `result` as the API documents it, or `failure`; both None while it runs.

    `identifiers` are the hospital's own (Study Instance UID, Patient ID, Accession Number), for callers of the site that sent it.
    """

    custom_id: str
    position: int
    status: str
    external_id: str
    study: str | None
    job: str | None
    result: dict[str, Any] | None
    failure: Failure | None
    identifiers: dict[str, Any] | None
    document: dict[str, Any]

    @classmethod
    def of(cls, document: dict[str, Any]) -> ItemResult:
        _need(document, "custom_id", "position", "status")
        return cls(
            custom_id=str(document["custom_id"]),
            position=int(document["position"]),
            status=str(document["status"]),
            external_id=str(document.get("external_id", "")),
            study=document.get("study"),
            job=document.get("job"),
            result=document.get("result"),
            failure=Failure.of(document.get("failure")),
            identifiers=document.get("identifiers"),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One study's job: `status` QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED."""

    id: str
    status: str
    document: dict[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED", "CANCELLED"}

    @property
    def failure(self) -> Failure | None:
        return Failure.of(self.document.get("failure"))

    @classmethod
    def of(cls, document: dict[str, Any]) -> Job:
        _need(document, "id", "status")
        return cls(id=str(document["id"]), status=str(document["status"]), document=document)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file at the server, whole or in part: `offset` of `length` bytes have arrived."""

    id: str
    offset: int
    length: int

    @property
    def is_complete(self) -> bool:
        return self.offset == self.length
