"""The rows that a set of job changes touches, saved together in few queries.

The unit of work behind jobs.transitions: the only place that writes Job, JobAttempt, JobEvent, Result rows and settles orders.
It decides nothing; which change is allowed stands in jobs.transitions.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from common import clock
from jobs import broker
from jobs.models import Job, JobAttempt, JobEvent, OutboxMessage, Result
from jobs.outbox import orders_write
from jobs.signals import jobs_changed

_JOB_FIELDS = (
    "status",
    "stage",
    "attempt",
    "max_attempts",
    "lease_until",
    "worker",
    "failure_code",
    "failure_detail",
    "suspicion_rank",
    "revision",
    "queued_at",
    "started_at",
    "finished_at",
    "updated_at",
)


def plain_text(value: str, length: int) -> str:
    """Text that every database stores: no NUL, no lone surrogates, at most `length` characters."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:length]


class JobChanges:
    """Collects changes of any number of locked jobs; `save` writes them inside the caller's transaction.

    `now` is one moment for the whole set, `succeeded` the jobs that got their result. Orders to abandon are broadcast when the
    transaction commits.
    """

    def __init__(self, *, now: datetime.datetime | None = None) -> None:
        self.now = now or clock.now()
        self._jobs: dict[uuid.UUID, Job] = {}
        self._events: list[JobEvent] = []
        self._attempts: dict[tuple[uuid.UUID, int], JobAttempt] = {}
        self._attempts_begun: set[tuple[uuid.UUID, int]] = set()
        self._taken: set[uuid.UUID] = set()
        self._unwanted: set[uuid.UUID] = set()
        self._wanted: dict[uuid.UUID, tuple[Job, datetime.datetime]] = {}
        self._results: list[Result] = []
        self._abandoned: list[tuple[str, int]] = []
        self.succeeded: list[Job] = []

    def job_changed(self, job: Job, event: JobEvent) -> None:
        """The job's new state and the event that tells of it."""
        self._jobs[job.pk] = job
        self._events.append(event)

    def attempt_started(self, job: Job, *, provider: str) -> None:
        """A worker holds the attempt; its order is no longer waiting."""
        key = (job.pk, job.attempt)
        self._attempts[key] = JobAttempt(
            job_id=job.pk, number=job.attempt, worker=job.worker, provider=provider, started_at=job.started_at
        )
        self._attempts_begun.add(key)
        self._taken.add(job.pk)

    def attempt_ended(self, job: Job, *, outcome: str, failure_code: str, at: datetime.datetime) -> None:
        key = (job.pk, job.attempt)
        attempt = self._attempts.setdefault(
            key, JobAttempt(job_id=job.pk, number=job.attempt, worker=job.worker, started_at=job.started_at)
        )
        attempt.ended_at = at
        attempt.outcome = outcome
        attempt.failure_code = plain_text(failure_code, 64)

    def attempt_abandoned(self, job: Job) -> None:
        """Tell the workers, once this is committed, that nobody waits for the attempt any more."""
        self._abandoned.append((str(job.pk), job.attempt))

    def attempt_in_vain(self, *, job_id: str, attempt: int) -> None:
        """The same, for an attempt that is not the job's current one any more."""
        self._abandoned.append((job_id, attempt))

    def order_wanted(self, job: Job, *, not_before: datetime.datetime) -> None:
        """The job's current attempt needs an order in the outbox."""
        self._wanted[job.pk] = (job, not_before)

    def order_unwanted(self, job: Job) -> None:
        """The job ended while its order still waited."""
        self._unwanted.add(job.pk)
        self._wanted.pop(job.pk, None)

    def result_found(self, job: Job, columns: Mapping[str, Any]) -> None:
        result = Result(job_id=job.pk, attempt=job.attempt, **columns)
        if result.suspicion is not None:
            job.suspicion_rank = result.suspicion
        self._results.append(result)
        self.succeeded.append(job)

    def save(self) -> None:
        """Write everything. Raises IntegrityError when a second result or a repeated event id would be written."""
        for job in self._jobs.values():
            if job._state.adding:
                job.save(force_insert=True)
            else:
                Job.objects.filter(pk=job.pk).update(**{field: getattr(job, field) for field in _JOB_FIELDS})
        JobEvent.objects.bulk_create(self._events)
        self._attempts_save()
        if self._taken:
            OutboxMessage.objects.filter(job_id__in=self._taken, done=False).update(done=True, taken_at=self.now)
        if self._unwanted:
            OutboxMessage.objects.filter(job_id__in=self._unwanted, done=False).update(done=True)
        if self._wanted:
            orders_write(wanted=list(self._wanted.values()))
        Result.objects.bulk_create(self._results)
        if self._jobs:
            jobs_changed.send(sender=JobChanges, jobs=list(self._jobs.values()), events=list(self._events))
        if self._abandoned:
            abandoned = list(self._abandoned)
            transaction.on_commit(lambda: broker.attempts_abandon(attempts=abandoned))

    def _attempts_save(self) -> None:
        """One upsert for attempts that began here, one for those that only ended here and keep what their start wrote."""
        ends = ["ended_at", "outcome", "failure_code"]
        begun = [attempt for key, attempt in self._attempts.items() if key in self._attempts_begun]
        ended = [attempt for key, attempt in self._attempts.items() if key not in self._attempts_begun]
        for attempts, fields in ((begun, ["worker", "provider", "started_at", *ends]), (ended, ends)):
            if attempts:
                JobAttempt.objects.bulk_create(
                    attempts, update_conflicts=True, unique_fields=["job", "number"], update_fields=fields
                )
