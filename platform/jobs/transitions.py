"""The one table of what may happen to a job, and the one function that lets it happen.

                    ┌────────── requeued (attempt + 1) ───────────┐
                    ▼                                             │
    submitted ──► QUEUED ───────── started ──────────────────► RUNNING ──┐ progress
                    │ ▲                                        │  │  │ ▲─┘
          cancelled │ │ retried (attempt + 1)        succeeded │  │  │ failed
                    ▼ │                                        ▼  │  ▼
                CANCELLED ◄─────── cancelled ──────── SUCCEEDED   │  FAILED ── retried (attempt + 1) ──► QUEUED
                    ▲─────────────────────────────────────────────┘

Rules beside the table:
- The fence: a happening that names another attempt than the job's is STALE and changes nothing.
- A repeated happening (a second "started", the same or an earlier stage, anything after the end) is REPEATED: a quiet no-op.
- Events arrive out of order: progress or an end that overtakes its "started" brings an implied start with it.

This module knows no events from a wire, no policy (who may cancel, when to requeue) and writes nothing itself: what a change
means for the rows is collected in jobs.changes.JobChanges and saved by the caller inside the transaction that holds the lock.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.conf import settings

from inference_worker.contract.events import JobStage
from jobs.changes import JobChanges, plain_text
from jobs.models import TERMINAL_STATUSES, Job, JobEvent, JobStatus


class Happening(StrEnum):
    """What can happen to a job. The `kind` of a JobEvent."""

    SUBMITTED = "submitted"
    STARTED = "started"
    PROGRESS = "progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REQUEUED = "requeued"
    CANCELLED = "cancelled"
    RETRIED = "retried"


TABLE: Mapping[tuple[JobStatus | None, Happening], JobStatus] = MappingProxyType(
    {
        (None, Happening.SUBMITTED): JobStatus.QUEUED,
        (JobStatus.QUEUED, Happening.STARTED): JobStatus.RUNNING,
        (JobStatus.QUEUED, Happening.CANCELLED): JobStatus.CANCELLED,
        (JobStatus.RUNNING, Happening.PROGRESS): JobStatus.RUNNING,
        (JobStatus.RUNNING, Happening.SUCCEEDED): JobStatus.SUCCEEDED,
        (JobStatus.RUNNING, Happening.FAILED): JobStatus.FAILED,
        (JobStatus.RUNNING, Happening.REQUEUED): JobStatus.QUEUED,
        (JobStatus.RUNNING, Happening.CANCELLED): JobStatus.CANCELLED,
        (JobStatus.FAILED, Happening.RETRIED): JobStatus.QUEUED,
        (JobStatus.CANCELLED, Happening.RETRIED): JobStatus.QUEUED,
    }
)

_IMPLIES_START = frozenset({Happening.PROGRESS, Happening.SUCCEEDED, Happening.FAILED, Happening.REQUEUED})
_STAGE_ORDER = {stage.value: index for index, stage in enumerate(JobStage)}


class Verdict(StrEnum):
    """What became of a change. Only APPLIED changed anything."""

    APPLIED = "applied"
    REPEATED = "repeated"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One happening. `attempt` is the attempt it is about; `at` when it happened (the ledger's clock bounds it).

    `not_before` and `max_attempts` belong to REQUEUED and RETRIED, `result` (the columns of a Result row) to SUCCEEDED,
    `failure_code` to FAILED, REQUEUED and CANCELLED.
    """

    happening: Happening
    attempt: int
    event_id: str
    at: datetime.datetime
    actor: str = ""
    detail: str = ""
    stage: str = ""
    provider: str = ""
    failure_code: str = ""
    not_before: datetime.datetime | None = None
    max_attempts: int | None = None
    result: Mapping[str, Any] | None = None


def job_transition(*, job: Job, change: Change, changes: JobChanges) -> Verdict:
    """Guard, change, record. `job` must be locked by the caller's transaction (or new); `changes` collects what to save.

    On APPLIED the job in memory has its new state and a revision one higher, and one JobEvent per state change is recorded.
    """
    current = None if change.happening is Happening.SUBMITTED and job.revision == 0 else JobStatus(job.status)
    if change.attempt != job.attempt:
        return Verdict.STALE
    if current is JobStatus.QUEUED and change.happening in _IMPLIES_START:
        start = replace(change, happening=Happening.STARTED, event_id=f"{change.event_id}:start", detail="implied", stage="")
        job_transition(job=job, change=start, changes=changes)
        current = JobStatus.RUNNING
    target = TABLE.get((current, change.happening))
    if target is None:
        return _why_not(current, change.happening)
    if change.happening is Happening.PROGRESS and _STAGE_ORDER.get(change.stage, -1) <= _STAGE_ORDER.get(job.stage, -1):
        return Verdict.REPEATED

    _EFFECTS[change.happening](job, change, changes)
    job.status = target
    job.revision += 1
    job.updated_at = changes.now
    changes.job_changed(
        job,
        JobEvent(
            event_id=change.event_id,
            job_id=job.pk,
            attempt=job.attempt,
            kind=change.happening.value,
            from_status=current or "",
            to_status=target,
            stage=job.stage,
            actor=plain_text(change.actor, 100),
            detail=plain_text(" ".join(part for part in (change.failure_code, change.detail) if part), 500),
            occurred_at=min(change.at, changes.now),
        ),
    )
    return Verdict.APPLIED


def _why_not(current: JobStatus | None, happening: Happening) -> Verdict:
    if current is JobStatus.RUNNING and happening is Happening.STARTED:
        return Verdict.REPEATED
    if current in TERMINAL_STATUSES and happening is not Happening.RETRIED:
        return Verdict.REPEATED
    return Verdict.REFUSED


def _lease(changes: JobChanges) -> datetime.datetime:
    return changes.now + datetime.timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _bounded(at: datetime.datetime, *, low: datetime.datetime | None, high: datetime.datetime) -> datetime.datetime:
    """A worker's clock may be wrong: nothing starts before it was queued, ends before it started, or lies in the future."""
    return min(max(at, low), high) if low is not None and low <= high else min(at, high)


def _submitted(job: Job, change: Change, changes: JobChanges) -> None:
    job.queued_at = changes.now
    changes.order_wanted(job, not_before=changes.now)


def _started(job: Job, change: Change, changes: JobChanges) -> None:
    job.started_at = _bounded(change.at, low=job.queued_at, high=changes.now)
    job.worker = plain_text(change.actor, 100)
    job.lease_until = _lease(changes)
    changes.attempt_started(job, provider=plain_text(change.provider, 64))


def _progress(job: Job, change: Change, changes: JobChanges) -> None:
    job.stage = change.stage
    job.lease_until = _lease(changes)


def _ended(job: Job, change: Change, changes: JobChanges) -> datetime.datetime:
    """What every end of an attempt has in common; returns when it ended."""
    at = _bounded(change.at, low=job.started_at or job.queued_at, high=changes.now)
    if job.started_at is not None:
        changes.attempt_ended(job, outcome=change.happening.value, failure_code=change.failure_code, at=at)
    job.stage = ""
    job.lease_until = None
    return at


def _succeeded(job: Job, change: Change, changes: JobChanges) -> None:
    if change.result is None:
        raise ValueError("a succeeded job needs its result")
    job.finished_at = _ended(job, change, changes)
    job.failure_code = job.failure_detail = ""
    changes.result_found(job, change.result)


def _failed(job: Job, change: Change, changes: JobChanges) -> None:
    job.finished_at = _ended(job, change, changes)
    job.failure_code = plain_text(change.failure_code, 64)
    job.failure_detail = plain_text(change.detail, 500)


def _cancelled(job: Job, change: Change, changes: JobChanges) -> None:
    if job.status == JobStatus.RUNNING:
        changes.attempt_abandoned(job)
    else:
        changes.order_unwanted(job)
    job.finished_at = _ended(job, change, changes)
    job.failure_code = plain_text(change.failure_code, 64)
    job.failure_detail = ""


def _queued_again(job: Job, change: Change, changes: JobChanges) -> None:
    job.attempt += 1
    job.queued_at = change.not_before or changes.now
    job.started_at = job.finished_at = None
    job.worker = ""
    changes.order_wanted(job, not_before=job.queued_at)


def _requeued(job: Job, change: Change, changes: JobChanges) -> None:
    _ended(job, change, changes)
    job.max_attempts = change.max_attempts or job.max_attempts
    _queued_again(job, change, changes)


def _retried(job: Job, change: Change, changes: JobChanges) -> None:
    job.failure_code = job.failure_detail = ""
    job.max_attempts = change.max_attempts or job.max_attempts + 1
    _queued_again(job, change, changes)


_EFFECTS: Mapping[Happening, Callable[[Job, Change, JobChanges], None]] = MappingProxyType(
    {
        Happening.SUBMITTED: _submitted,
        Happening.STARTED: _started,
        Happening.PROGRESS: _progress,
        Happening.SUCCEEDED: _succeeded,
        Happening.FAILED: _failed,
        Happening.REQUEUED: _requeued,
        Happening.CANCELLED: _cancelled,
        Happening.RETRIED: _retried,
    }
)
