"""What people may ask of jobs: queue, cancel, retry. Part of the ledger: each goes through jobs.transitions under a row lock.

Receiving a study is jobs.submission's concern, reading jobs.selectors', and what workers report jobs.ledger's.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction

from accounts.models import User
from catalog.models import Deployment, ModelPackage
from inference_worker.contract.queues import Priority
from jobs.candidates import package_chosen
from jobs.changes import JobChanges
from jobs.models import Job, JobPurpose, JobStatus
from jobs.transitions import Change, Happening, Verdict, job_transition
from studies.models import Study


class JobConflict(Exception):
    """The job is not in a state that allows what was asked. `status` is the state it is in."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(status)


class JobNotCancellable(JobConflict):
    """Only a job that is queued or running can be cancelled."""


class JobNotRetryable(JobConflict):
    """Only a job that failed or was cancelled can be retried."""


def job_submit(*, study: Study, deployment: Deployment, priority: Priority | str, submitted_by: User | None) -> Job:
    """Queue one inference over a stored study with what serves its share of submissions now. Joins the caller's transaction."""
    package, is_canary = package_chosen(deployment=deployment, study=study)
    return job_queue(
        study=study,
        package=package,
        deployment_name=deployment.name,
        priority=priority,
        submitted_by=submitted_by,
        is_canary=is_canary,
    )


def job_queue(
    *,
    study: Study,
    package: ModelPackage,
    deployment_name: str,
    priority: Priority | str,
    submitted_by: User | None,
    purpose: JobPurpose = JobPurpose.CLINICAL,
    origin: Job | None = None,
    is_canary: bool = False,
) -> Job:
    """Queue one job pinned to a package. Joins the caller's transaction."""
    with transaction.atomic():
        changes = JobChanges()
        job = Job(
            site_id=study.site_id,
            study=study,
            package=package,
            deployment_name=deployment_name,
            purpose=purpose,
            origin=origin,
            is_canary=is_canary,
            priority=Priority(priority).value,
            submitted_by=submitted_by,
            max_attempts=settings.JOB_MAX_ATTEMPTS,
            revision=0,
        )
        change = Change(
            happening=Happening.SUBMITTED, attempt=1, event_id=_event_id(), at=changes.now, actor=_actor(submitted_by)
        )
        job_transition(job=job, change=change, changes=changes)
        changes.save()
    return job


def job_cancel(*, job_id: uuid.UUID, cancelled_by: User | None) -> Job:
    """End a queued or running job now; a worker that holds it is told to abandon it, and its result would not count.

    Raises JobNotCancellable. Cancelling a cancelled job again changes nothing.
    """
    with transaction.atomic():
        changes = JobChanges()
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.status == JobStatus.CANCELLED:
            return job
        change = Change(
            happening=Happening.CANCELLED,
            attempt=job.attempt,
            event_id=_event_id(),
            at=changes.now,
            actor=_actor(cancelled_by),
            failure_code="input:cancelled",
        )
        if job_transition(job=job, change=change, changes=changes) is not Verdict.APPLIED:
            raise JobNotCancellable(job.status)
        changes.save()
    return job


def job_retry(*, job_id: uuid.UUID, retried_by: User | None) -> Job:
    """Queue a failed or cancelled job again, with the same package and a fresh allowance of attempts. Its history stays.

    Raises JobNotRetryable.
    """
    with transaction.atomic():
        changes = JobChanges()
        job = Job.objects.select_for_update().get(pk=job_id)
        change = Change(
            happening=Happening.RETRIED,
            attempt=job.attempt,
            event_id=_event_id(),
            at=changes.now,
            actor=_actor(retried_by),
            max_attempts=job.attempt + settings.JOB_MAX_ATTEMPTS,
        )
        if job_transition(job=job, change=change, changes=changes) is not Verdict.APPLIED:
            raise JobNotRetryable(job.status)
        changes.save()
    return job


def _event_id() -> str:
    return f"platform-{uuid.uuid4().hex}"


def _actor(user: User | None) -> str:
    """People appear in the history by their key: a user name may be a person's name."""
    return f"user:{user.pk}" if user is not None else "platform"
