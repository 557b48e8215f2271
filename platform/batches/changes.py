"""The only writer of batch states and item statuses. Counts change in the transaction that changes an item.

Locks are always taken in this order, so that nobody waits in a circle: jobs, then items by key, then batches by key.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from django.db.models import F

from batches.models import Batch, BatchEvent, BatchItem, QuarantineState
from batches.signals import batch_changed, items_quarantined
from batches.states import LIVE_STATUSES, TABLE, BatchHappening, BatchState, ItemStatus
from common import clock
from jobs.models import Job, JobStatus

#: By batch and status: how many items more (or, negative, fewer).
Deltas = Mapping[uuid.UUID, Counter[str]]

_STATUS_OF_JOB = {status: ItemStatus(status.value.lower()) for status in JobStatus}
_ENDED = frozenset(set(ItemStatus) - set(LIVE_STATUSES))
#: Columns of an item that shares the job of an earlier submission no longer.
UNSHARED: Mapping[str, Any] = MappingProxyType({"job": None, "study": None, "reused": False})


def batch_transition(*, batch: Batch, happening: BatchHappening, actor: str, failure_code: str = "") -> bool:
    """Guard, change, record. The caller's transaction holds the batch's row (or has made it). False: the table does not allow it.

    `failure_code`: why it failed or is to end; REOPENED and CLOSED take an earlier one away.
    """
    current = None if happening is BatchHappening.CREATED else BatchState(batch.state)
    target = TABLE.get((current, happening))
    if target is None:
        return False
    now = clock.now()
    batch.state = target
    batch.failure_code = failure_code
    fields = ["state", "failure_code"]
    if target is not BatchState.OPEN:
        setattr(batch, f"{target.value}_at", now)
        fields.append(f"{target.value}_at")
    if happening is BatchHappening.REOPENED:
        batch.expires_at = max(batch.expires_at, now + datetime.timedelta(seconds=batch.expires_after_seconds))
        fields.append("expires_at")
    Batch.objects.filter(pk=batch.pk).update(**{name: getattr(batch, name) for name in fields}, revision=F("revision") + 1)
    BatchEvent.objects.create(
        batch_id=batch.pk, kind=happening.value, from_state=current or "", to_state=target, actor=actor[:100], at=now
    )
    batch_changed.send(sender=Batch, batch=batch, happening=happening, at=now)
    return True


def counts_add(deltas: Deltas) -> None:
    """Bring the counts of batches in line with what was done to their items, inside the same transaction."""
    for batch_id in sorted(deltas):
        moved = {status: number for status, number in deltas[batch_id].items() if number}
        if not moved:
            continue
        fields: dict[str, Any] = {f"{status}_count": F(f"{status}_count") + number for status, number in moved.items()}
        live = sum(number for status, number in moved.items() if status in LIVE_STATUSES)
        total = sum(moved.values())
        if live:
            fields["live_count"] = F("live_count") + live
        if total:
            fields["total_count"] = F("total_count") + total
        Batch.objects.filter(pk=batch_id).update(**fields, revision=F("revision") + 1)


def item_moved(*, item: BatchItem, status: ItemStatus, **fields: Any) -> None:
    """One locked item into another status, with other columns of it, and its batch's counts."""
    was = item.status
    item.status = status
    item.ended_at = clock.now() if status in _ENDED else None
    for name, value in fields.items():
        setattr(item, name, value)
    item.save(update_fields=["status", "ended_at", *fields])
    if was != status:
        counts_add({item.batch_id: Counter({was: -1, status: 1})})


def item_quarantine(*, item: BatchItem, code: str, detail: str, files: list[dict[str, Any]]) -> None:
    """Keep a locked item aside, with the reason."""
    columns = quarantine_columns(code=code, detail=detail, files=files)
    item_moved(item=item, tries=0, **columns)
    items_quarantined.send(sender=BatchItem, batch_id=item.batch_id, items=[item])


def quarantine_columns(*, code: str, detail: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    """What an item that is kept aside says of itself."""
    return {
        "status": ItemStatus.QUARANTINED,
        "failure_code": code,
        "failure_detail": detail[:500],
        "failure_files": files[:100],
        "quarantine": QuarantineState.HELD,
        "quarantined_at": clock.now(),
    }


def item_synchronise(*, item: BatchItem, job: Job) -> None:
    """A locked item takes the status of its job."""
    item_moved(item=item, status=_STATUS_OF_JOB[JobStatus(job.status)], failure_code="", failure_detail="")


def item_share(*, item: BatchItem, job: Job) -> None:
    """A locked item takes the locked job of an earlier submission of the same files for its own, and follows it."""
    status = _STATUS_OF_JOB[JobStatus(job.status)]
    item_moved(item=item, status=status, study_id=job.study_id, job_id=job.pk, reused=True, tries=0, waits=0)


def jobs_followed(jobs: Iterable[Job]) -> int:
    """Items take over what has just become of their jobs, in the ledger's transaction; returns how many changed.

    One query where none of the jobs belongs to a batch.
    """
    statuses = {job.pk: _STATUS_OF_JOB[JobStatus(job.status)] for job in jobs}
    rows = BatchItem.objects.select_for_update().filter(job_id__in=statuses).order_by("pk")
    moves: dict[ItemStatus, list[uuid.UUID]] = defaultdict(list)
    deltas: dict[uuid.UUID, Counter[str]] = defaultdict(Counter)
    for pk, batch_id, job_id, status, reused in rows.values_list("pk", "batch_id", "job_id", "status", "reused"):
        target = statuses[job_id]
        if reused and target is ItemStatus.CANCELLED:
            target = ItemStatus.PENDING  # nobody has cancelled the item: it gets a run of its own
        if status != target:
            moves[target].append(pk)
            deltas[batch_id][status] -= 1
            deltas[batch_id][target] += 1
    now = clock.now()
    for target, keys in moves.items():
        fields: dict[str, Any] = {"ended_at": now if target in _ENDED else None}
        if target is ItemStatus.PENDING:
            fields |= {**UNSHARED, "not_before": now}
        BatchItem.objects.filter(pk__in=keys).update(status=target, failure_code="", failure_detail="", **fields)
    counts_add(deltas)
    return sum(map(len, moves.values()))
