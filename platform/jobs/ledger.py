"""The ledger: applies what workers report to the database, once, in any order, fenced by attempt.

One transaction for a message, however many events it holds. It trusts nothing in a message: an event that cannot be read or
applied is logged and left out, and its neighbours count. It does not publish orders and knows no HTTP.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from catalog.checks import check_apply
from common import clock
from inference_worker.contract.checks import CheckEvent
from inference_worker.contract.events import EventKind, WorkerHeartbeat, event_from_wire
from inference_worker.contract.events import JobEvent as ReportedEvent
from inference_worker.contract.failures import failure_for
from inference_worker.contract.wire import ContractViolation
from jobs.changes import JobChanges
from jobs.heartbeats import heartbeats_apply
from jobs.hot_swap import refusal_note
from jobs.leftovers import leftovers_remove
from jobs.models import Job, JobEvent, JobStatus
from jobs.policy import WORKER_REFUSALS, attempt_failed
from jobs.results import result_columns
from jobs.shadows import shadows_queue
from jobs.transitions import Change, Happening, Verdict, job_transition

logger = logging.getLogger(__name__)

_EVENT_ID_MAXIMUM = 48  # leaves room for the suffix of an implied start
#: One event that the database, or the way to it, will never take: a lone surrogate, a moment before the first year.
_REFUSALS = (DatabaseError, ValueError, OverflowError)
#: Its worker writes no more.
_ENDS = frozenset({EventKind.SUCCEEDED, EventKind.FAILED, EventKind.ABANDONED})
#: What a message may hold besides reports about jobs.
_Other = WorkerHeartbeat | CheckEvent
_CODE = re.compile(r"(input|model|system):[a-z_]{1,50}")


@dataclass(slots=True)
class LedgerSummary:
    """How many events met which fate: applied, repeated, stale, refused, unreadable, unknown_job, heartbeat,
    check, check_ignored."""

    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Report:
    """A job event whose identifiers were checked."""

    event: ReportedEvent
    event_id: str
    job_id: uuid.UUID
    at: datetime.datetime


def events_apply(events: Sequence[Mapping[str, Any]]) -> LedgerSummary:
    """Apply one message. Raises OperationalError or InterfaceError when the database is away: deliver the message again."""
    summary = LedgerSummary()
    reports, others = _read(events, summary)
    try:
        _reports_apply(reports, others, summary)
    except (OperationalError, InterfaceError):
        raise
    except _REFUSALS:
        logger.exception("ledger: a batch of %d events cannot be stored whole; applying one by one", len(reports))
        _apply_singly(reports, others, summary)
    return summary


def _apply_singly(reports: list[_Report], others: list[_Other], summary: LedgerSummary) -> None:
    pieces: list[tuple[list[_Report], list[_Other]]] = [([report], []) for report in reports]
    pieces += [([], [other]) for other in others]
    for some_reports, some_others in pieces:
        try:
            _reports_apply(some_reports, some_others, summary)
        except (OperationalError, InterfaceError):
            raise
        except _REFUSALS:
            logger.exception("ledger: one event cannot be stored and is left out")
            summary.counts["refused"] += 1


def _read(events: Sequence[Mapping[str, Any]], summary: LedgerSummary) -> tuple[list[_Report], list[_Other]]:
    reports: list[_Report] = []
    others: list[_Other] = []
    for data in events if isinstance(events, (list, tuple)) else ():
        try:
            if data.get("kind") == EventKind.CHECK.value:
                others.append(CheckEvent.from_wire(data))
                continue
            event = event_from_wire(data)
            if isinstance(event, WorkerHeartbeat):
                others.append(event)
            else:
                reports.append(_report(event))
        except (ContractViolation, AttributeError) as error:  # AttributeError: an item that is no mapping at all
            summary.counts["unreadable"] += 1
            logger.warning("ledger: unreadable event left out: %s", error)
    return reports, others


def _report(event: ReportedEvent) -> _Report:
    try:
        job_id = uuid.UUID(event.job_id)
        at = datetime.datetime.fromisoformat(event.occurred_at)
    except ValueError:
        raise ContractViolation("JobEvent: job_id or occurred_at is malformed") from None
    if not event.event_id:
        raise ContractViolation("JobEvent.event_id is empty")
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    event_id = event.event_id
    if len(event_id) > _EVENT_ID_MAXIMUM or "\x00" in event_id:
        event_id = hashlib.sha256(event_id.encode("utf-8", "replace")).hexdigest()[:_EVENT_ID_MAXIMUM]
    return _Report(event=event, event_id=event_id, job_id=job_id, at=at)


def _reports_apply(reports: list[_Report], others: list[_Other], summary: LedgerSummary) -> None:
    counts: Counter[str] = Counter()
    with transaction.atomic():
        changes = JobChanges(now=clock.now())
        if reports:
            _job_reports_apply(reports, changes, counts)
        changes.save()
        shadows_queue(changes.succeeded)
        for check in others:
            if isinstance(check, CheckEvent):
                counts["check" if _check_applied(check) else "check_ignored"] += 1
        heartbeats = [other for other in others if isinstance(other, WorkerHeartbeat)]
        if heartbeats:
            heartbeats_apply(heartbeats=heartbeats, now=changes.now)
            counts["heartbeat"] += len(heartbeats)
    summary.counts.update(counts)


def _check_applied(event: CheckEvent) -> bool:
    try:
        return check_apply(event)
    except ContractViolation as error:
        logger.warning("ledger: unreadable check event left out: %s", error)
        return False


def _job_reports_apply(reports: list[_Report], changes: JobChanges, counts: Counter[str]) -> None:
    # Locked in the order of their keys, so that two ledgers cannot wait for one another in a circle.
    wanted = {report.job_id for report in reports}
    jobs = {job.pk: job for job in Job.objects.select_for_update().filter(pk__in=wanted).order_by("pk")}
    known = set(JobEvent.objects.filter(event_id__in={report.event_id for report in reports}).values_list("event_id", flat=True))
    gone: list[uuid.UUID] = []
    for report in reports:
        job = jobs.get(report.job_id)
        if job is None:
            counts["unknown_job"] += 1
            logger.warning("ledger: event for a job that is not here", extra={"job_id": str(report.job_id)})
            if report.event.kind in _ENDS:
                gone.append(report.job_id)
            continue
        if report.event_id in known:
            counts[Verdict.REPEATED] += 1
            continue
        known.add(report.event_id)
        verdict = job_transition(job=job, change=_change(report, job, changes), changes=changes)
        counts[verdict] += 1
        if _works_in_vain(report, job, verdict):
            changes.attempt_in_vain(job_id=str(job.pk), attempt=report.event.attempt)
        if verdict is Verdict.REFUSED:
            logger.warning("ledger: %s does not apply to a %s job", report.event.kind, job.status, extra={"job_id": str(job.pk)})
    if gone:
        transaction.on_commit(partial(leftovers_remove, gone))


def _works_in_vain(report: _Report, job: Job, verdict: Verdict) -> bool:
    """Whether a worker has just told us that it works on an attempt that nobody waits for any more."""
    if report.event.kind not in (EventKind.STARTED, EventKind.PROGRESS):
        return False
    return verdict is Verdict.STALE or (verdict is Verdict.REPEATED and job.status == JobStatus.CANCELLED)


def _change(report: _Report, job: Job, changes: JobChanges) -> Change:
    """What a reported event asks of the job."""
    event = report.event
    attempt, event_id, at, actor = event.attempt, report.event_id, report.at, event.worker
    if event.kind is EventKind.STARTED:
        return Change(
            happening=Happening.STARTED, attempt=attempt, event_id=event_id, at=at, actor=actor, provider=event.provider or ""
        )
    if event.kind is EventKind.PROGRESS:
        stage = event.stage.value if event.stage else ""
        return Change(happening=Happening.PROGRESS, attempt=attempt, event_id=event_id, at=at, actor=actor, stage=stage)
    code, detail = event.failure_code or "system:unexpected", event.failure_detail or ""
    if attempt != job.attempt or job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        # The fence answers whatever the end was; no result needs to be read for that.
        return Change(happening=Happening.FAILED, attempt=attempt, event_id=event_id, at=at, actor=actor)
    if event.kind is EventKind.SUCCEEDED:
        try:
            columns = result_columns(payload=event.result, job=job)
        except ContractViolation as error:
            logger.warning("ledger: unreadable result: %s", error, extra={"job_id": str(job.pk), "attempt": attempt})
            code, detail = "system:contract_violation", str(error)
        else:
            return Change(happening=Happening.SUCCEEDED, attempt=attempt, event_id=event_id, at=at, actor=actor, result=columns)
    elif event.kind is EventKind.ABANDONED:
        # Nobody cancelled it here, or the fence would have answered: the worker is going away.
        code, detail = "system:worker_lost", "abandoned by the worker"
    if not _CODE.fullmatch(code):
        code, detail = "system:unexpected", f"malformed failure code; {detail}"
    if code in WORKER_REFUSALS:
        refusal_note(worker=actor, digest=job.package_id, code=code)
    logger.info("attempt failed: %s", failure_for(code).code, extra={"job_id": str(job.pk), "attempt": attempt})
    return attempt_failed(job=job, code=code, detail=detail, event_id=event_id, at=at, actor=actor, now=changes.now)
