"""Finished jobs run again, as new jobs that name their origin: with another package (re-run) or with their own (replay).

What a replay is compared by stands in jobs.replay_report. A job is never changed by being repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.audit import audit_record
from accounts.models import User
from catalog.models import ModelPackage
from catalog.packages import package_deployable_check
from inference_worker.contract.queues import Priority
from jobs.models import Job, JobPurpose, JobStatus
from jobs.services import JobConflict, job_queue


class JobNotReplayable(JobConflict):
    """Only a job that succeeded has an answer to compare with."""


def jobs_rerun(
    *, jobs: Sequence[Job], package: ModelPackage, requested_by: User, reason: str, force: bool = False
) -> list[tuple[Job, Job]]:
    """Queue each job's study again with a validated package; returns (origin, new job) in order.

    A study that was already re-run with this package, or is being, keeps that job unless `force`. Raises CodedError as
    package_deployable_check does.
    """
    package_deployable_check(package)
    with transaction.atomic():
        known: dict[object, Job] = {}
        if not force:
            earlier = Job.objects.filter(origin__in=jobs, purpose=JobPurpose.RERUN, package=package)
            earlier = earlier.exclude(status__in=[JobStatus.FAILED, JobStatus.CANCELLED]).order_by("created_at")
            known = {job.origin_id: job for job in earlier}
        pairs = [(job, known.get(job.pk) or _rerun(job, package, requested_by)) for job in jobs]
        new = len({repeat.pk for _, repeat in pairs} - {job.pk for job in known.values()})
        audit_record(actor=requested_by, action="job.rerun", subject=package.pk, reason=reason, jobs=len(pairs), new=new)
    return pairs


def _rerun(job: Job, package: ModelPackage, requested_by: User) -> Job:
    return job_queue(
        study=job.study,
        package=package,
        deployment_name=job.deployment_name,
        priority=Priority.ROUTINE,
        submitted_by=requested_by,
        purpose=JobPurpose.RERUN,
        origin=job,
    )


def job_replay(*, job: Job, requested_by: User) -> Job:
    """Queue the job again with its own package, archived or not, for comparison alone. Raises JobNotReplayable."""
    if job.status != JobStatus.SUCCEEDED:
        raise JobNotReplayable(job.status)
    with transaction.atomic():
        replay = job_queue(
            study=job.study,
            package=job.package,
            deployment_name=job.deployment_name,
            priority=Priority.ROUTINE,
            submitted_by=requested_by,
            purpose=JobPurpose.REPLAY,
            origin=job,
        )
        audit_record(actor=requested_by, action="job.replay", subject=str(job.pk), replay=str(replay.pk))
    return replay
