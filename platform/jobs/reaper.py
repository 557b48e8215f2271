"""The reaper: finds, in the database, what workers, ledger and broker lost, and sends it round again. On its rounds it also has
the temporary files swept that killed web processes left behind, and uploads that expired, where it shares their folders.

Stuck cancels need no pass of their own: a job is CANCELLED the moment it is cancelled, and the ledger calls the attempt back at
every heartbeat of a worker that still holds it. The reaper publishes nothing itself; the dispatcher picks up what it puts back.
"""

from __future__ import annotations

import datetime
import logging
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from catalog.checks import checks_reap
from catalog.uploads import uploads_resume
from common import clock
from common.idempotency_records import records_sweep
from inference_worker.contract.queues import ORDER_HARD_LIMIT_SECONDS, ORDER_QUEUES
from jobs.changes import JobChanges
from jobs.heartbeats import EVENT_FLOW, WORKER, event_flow_is_alive
from jobs.models import Job, JobStatus, OutboxMessage, WorkerStatus
from jobs.policy import attempt_failed
from jobs.transitions import Verdict, job_transition
from studies.incoming import incoming_sweep
from transfers.sweep import uploads_sweep

logger = logging.getLogger(__name__)

ACTOR = "reaper"
#: Jobs ended or requeued under one transaction; the rest waits for the next round of the same pass.
_CHUNK = 100
#: A worker ends an order itself at the hard limit; only one that hangs is found here, this much later.
_HARD_LIMIT_MARGIN_SECONDS = 60
_STATUS_KEPT = datetime.timedelta(days=1)
_REPUBLISH_PATIENCE_MAXIMUM = 64


def reaper_pass() -> Counter[str]:
    """One round of everything; returns what was done, by name. Safe to run beside the ledger and beside other reapers."""
    done: Counter[str] = Counter()
    done["leases_expired"] = leases_expire()
    done["timed_out"] = attempts_time_out()
    done["orders_lost"] = orders_lost_return()
    done["checks_reaped"] = checks_reap() if event_flow_is_alive() else 0
    done["packages_installed"] = uploads_resume()
    done["statuses_dropped"] = statuses_drop()
    done["uploads_swept"] = incoming_sweep() + uploads_sweep()
    done["answers_forgotten"] = records_sweep()
    if any(done.values()):
        logger.info("reaper: %s", {name: count for name, count in done.items() if count})
    return done


def leases_expire() -> int:
    """Attempts whose worker has not been heard of for a whole lease: another attempt, or system:worker_lost at the last one.

    While events do not reach the database no lease can be extended, so none is held against a worker.
    """
    if not event_flow_is_alive():
        logger.warning("reaper: events do not arrive; leases are left alone")
        return 0
    return _attempts_end(Q(lease_until__lt=clock.now()), code="system:worker_lost", detail="lease expired", call_back=False)


def attempts_time_out() -> int:
    """Attempts that run far beyond the hard limit although their worker still lives."""
    limit = datetime.timedelta(seconds=ORDER_HARD_LIMIT_SECONDS + _HARD_LIMIT_MARGIN_SECONDS)
    return _attempts_end(
        Q(started_at__lt=clock.now() - limit), code="system:timeout", detail="beyond the hard limit", call_back=True
    )


def _attempts_end(overdue: Q, *, code: str, detail: str, call_back: bool) -> int:
    ended = 0
    while True:
        with transaction.atomic():
            changes = JobChanges()
            jobs = list(
                Job.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(overdue, status=JobStatus.RUNNING)
                .order_by("pk")[:_CHUNK]
            )
            for job in jobs:
                if call_back:
                    changes.attempt_abandoned(job)
                change = attempt_failed(
                    job=job,
                    code=code,
                    detail=detail,
                    event_id=f"reaper-{uuid4().hex}",
                    at=changes.now,
                    actor=ACTOR,
                    now=changes.now,
                )
                if job_transition(job=job, change=change, changes=changes) is Verdict.APPLIED:
                    ended += 1
            changes.save()
        if len(jobs) < _CHUNK:
            return ended


def orders_lost_return() -> int:
    """Orders that the broker holds according to us and evidently does not: back into the outbox; returns how many.

    Either later orders of the same queue were taken long ago (the queue is first in, first out), or nothing of the queue is
    taken while a worker has nothing to do. Each return doubles the patience for that order, so that a queue which no worker
    consumes is not flooded.
    """
    now = clock.now()
    patience = datetime.timedelta(seconds=settings.ORDER_LOST_AFTER_SECONDS)
    idle_worker = _idle_worker_exists(now)
    lost: list[int] = []
    for queue in ORDER_QUEUES:
        suspects = list(
            OutboxMessage.objects.filter(queue=queue, done=False, published_at__lt=now - patience)
            .order_by("published_at")
            .values_list("id", "published_at", "publish_count")[:1000]
        )
        if suspects:
            is_lost = _lost_rule(queue, now=now, patience=patience, idle_worker=idle_worker)
            lost += [pk for pk, published_at, count in suspects if published_at and is_lost(published_at, count)]
    if not lost:
        return 0
    return OutboxMessage.objects.filter(pk__in=lost, done=False).update(published_at=None)


def _lost_rule(
    queue: str, *, now: datetime.datetime, patience: datetime.timedelta, idle_worker: bool
) -> Callable[[datetime.datetime, int], bool]:
    taken = OutboxMessage.objects.filter(queue=queue, taken_at__isnull=False, published_at__isnull=False)
    # The newest order that was taken at least `patience` ago: whatever was published before it should have gone first.
    overtaker = taken.filter(taken_at__lte=now - patience).order_by("-taken_at").values_list("published_at", flat=True).first()
    standstill = idle_worker and not taken.filter(taken_at__gt=now - patience).exists()

    def is_lost(published_at: datetime.datetime, publish_count: int) -> bool:
        wait = patience * min(2 ** max(publish_count - 1, 0), _REPUBLISH_PATIENCE_MAXIMUM)
        if published_at > now - wait:
            return False
        return standstill or (overtaker is not None and published_at < overtaker)

    return is_lost


def _idle_worker_exists(now: datetime.datetime) -> bool:
    alive = now - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    return WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive, active=0).exists()


def statuses_drop() -> int:
    """Rows of processes that have been gone for a day. That events have not arrived for so long is not forgotten."""
    dropped, _ = WorkerStatus.objects.exclude(kind=EVENT_FLOW).filter(last_seen_at__lt=clock.now() - _STATUS_KEPT).delete()
    return dropped
