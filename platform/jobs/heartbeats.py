"""Signs of life: what workers say of themselves, the leases they keep, and the rows of the platform's own loops.

A heartbeat is about a worker. Beyond extending leases it changes no job.
"""

from __future__ import annotations

import datetime
import logging
import time
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from catalog.checks import leases_extend as checks_leases_extend
from common import clock
from inference_worker.contract.events import WorkerHeartbeat
from jobs import broker
from jobs.changes import plain_text
from jobs.models import Job, JobStatus, WorkerStatus

logger = logging.getLogger(__name__)

LEDGER = "ledger"
DISPATCHER = "dispatcher"
WORKER = "worker"
#: The loops of rooms above this one; named here so that readiness can ask for them.
BATCHES = "batches"
WEBHOOKS = "webhooks"
#: Not a process: the way of events from broker to database. Its row is written when the ledger applies a dispatcher's ping,
#: which waits in the same queue as the workers' heartbeats and is dropped when it has waited too long.
EVENT_FLOW = "event_flow"
_SMALL_INTEGER_MAXIMUM = 32_767
_BIG_INTEGER_MAXIMUM = 2**63 - 1
_ACTIVE_MAXIMUM = 500
_STATUS_FIELDS = [
    "kind",
    "last_seen_at",
    "concurrency",
    "active",
    "provider",
    "provider_reason",
    "loaded_packages",
    "refused_packages",
    "resident_memory_bytes",
    "software_version",
]
_own_last_written: dict[str, float] = {}


def heartbeats_apply(*, heartbeats: Sequence[WorkerHeartbeat], now: datetime.datetime) -> None:
    """Note each worker and extend the leases of the attempts it holds. Attempts that nobody waits for are called back.

    To be called inside the ledger's transaction. A repeated or late heartbeat does no harm: leases only grow.
    """
    newest = {beat.worker: beat for beat in sorted(heartbeats, key=lambda beat: beat.occurred_at)}
    WorkerStatus.objects.bulk_create(
        [_row(beat, now) for _, beat in sorted(newest.items())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=_STATUS_FIELDS,
    )
    held: set[tuple[uuid.UUID, int]] = set()
    for beat in newest.values():
        for reference in beat.active[:_ACTIVE_MAXIMUM]:
            try:
                held.add((uuid.UUID(reference.job_id), reference.attempt))
            except ValueError:
                logger.warning("a heartbeat names a malformed job id")
    if held:
        _leases_extend(held=held, now=now)
    checks_leases_extend(
        [(reference.job_id, reference.attempt) for beat in newest.values() for reference in beat.checks[:_ACTIVE_MAXIMUM]]
    )


def _leases_extend(*, held: set[tuple[uuid.UUID, int]], now: datetime.datetime) -> None:
    rows = {
        pk: (status, attempt)
        for pk, status, attempt in Job.objects.filter(pk__in={pk for pk, _ in held}).values_list("pk", "status", "attempt")
    }
    running = [pk for pk, attempt in held if rows.get(pk) == (JobStatus.RUNNING, attempt)]
    if running:
        # The attempt cannot have moved on since it was read: a requeue would leave RUNNING, and the new attempt has no lease yet.
        Job.objects.filter(pk__in=sorted(running), status=JobStatus.RUNNING).update(
            lease_until=now + datetime.timedelta(seconds=settings.JOB_LEASE_SECONDS)
        )
    in_vain = [
        (str(pk), attempt)
        for pk, attempt in held
        if pk in rows and (attempt < rows[pk][1] or rows[pk] == (JobStatus.CANCELLED, attempt))
    ]
    if in_vain:
        transaction.on_commit(lambda: broker.attempts_abandon(attempts=in_vain))


def _row(beat: WorkerHeartbeat, now: datetime.datetime) -> WorkerStatus:
    memory = beat.resident_memory_bytes
    refused = list((beat.refused_packages or {}).items())
    return WorkerStatus(
        name=plain_text(beat.worker, 100),
        kind=WORKER,
        last_seen_at=now,
        concurrency=max(0, min(beat.concurrency, _SMALL_INTEGER_MAXIMUM)),
        active=min(len(beat.active), _SMALL_INTEGER_MAXIMUM),
        provider=plain_text(beat.provider or "", 64),
        provider_reason=plain_text(beat.provider_reason or "", 300),
        loaded_packages=[plain_text(digest, 71) for digest in beat.loaded_packages[:100]],
        refused_packages={plain_text(str(digest), 71): plain_text(str(code), 64) for digest, code in refused[:100]},
        resident_memory_bytes=None if memory is None else max(0, min(memory, _BIG_INTEGER_MAXIMUM)),
        software_version=plain_text(beat.software_version or "", 40),
    )


def own_heartbeat_write(*, kind: str, name: str, at_most_every_seconds: float = 0.0) -> None:
    """The row of one of the platform's own loops. `at_most_every_seconds` spares a busy loop the write."""
    written = _own_last_written.get(name)
    if written is not None and time.monotonic() - written < at_most_every_seconds:
        return
    WorkerStatus.objects.bulk_create(
        [WorkerStatus(name=name[:100], kind=kind, last_seen_at=clock.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["kind", "last_seen_at"],
    )
    _own_last_written[name] = time.monotonic()


def leases_renew() -> int:
    """Give every running job a fresh lease; returns how many. For a ledger that has just come up: while it was away no
    heartbeat could extend a lease, and none may be held against a worker."""
    until = clock.now() + datetime.timedelta(seconds=settings.JOB_LEASE_SECONDS)
    return Job.objects.filter(status=JobStatus.RUNNING).update(lease_until=until)


def event_flow_write() -> int:
    """Events reach the database in time. If they did not until now (ledger, broker or dispatcher away, or a long backlog), every
    running job gets a fresh lease first, in the same transaction: what kept heartbeats from arriving was not the worker.
    Returns how many leases were renewed."""
    with transaction.atomic():
        renewed = 0 if event_flow_is_alive() else leases_renew()
        own_heartbeat_write(kind=EVENT_FLOW, name=EVENT_FLOW)
    if renewed:
        logger.warning("ledger: events arrive again; %d leases renewed", renewed)
    return renewed


def event_flow_is_alive() -> bool:
    """Whether a heartbeat could have extended a lease lately. True as long as no ledger has ever been pinged."""
    seen = WorkerStatus.objects.filter(kind=EVENT_FLOW).values_list("last_seen_at", flat=True).first()
    return seen is None or seen >= clock.now() - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
