"""Shadow jobs: copies of finished clinical jobs, run with a candidate at the lowest priority, whose results no reader sees.

Queued in the ledger's transaction when the job succeeds, not at submission: a study that fails is not failed twice, and nothing
stands on the way to the reader's result.
"""

from __future__ import annotations

from collections.abc import Sequence

from catalog.models import CandidateMode, Deployment
from inference_worker.contract.queues import Priority
from jobs.candidates import in_share
from jobs.models import Job, JobPurpose
from jobs.services import job_queue


def shadows_queue(succeeded: Sequence[Job]) -> int:
    """Queue the shadows of these finished jobs; returns how many. One query where no candidate shadows anything."""
    clinical = [job for job in succeeded if job.purpose == JobPurpose.CLINICAL]
    if not clinical:
        return 0
    rows = Deployment.objects.filter(name__in={job.deployment_name for job in clinical}).select_related("candidate")
    deployments = {(row.name, row.site_id): row for row in rows}
    queued = 0
    for job in clinical:
        deployment = deployments.get((job.deployment_name, job.site_id)) or deployments.get((job.deployment_name, None))
        if deployment is None or deployment.candidate is None or deployment.candidate_mode != CandidateMode.SHADOW:
            continue
        if job.package_id != deployment.package_id or not in_share(deployment.candidate_share, deployment.candidate_id, job.pk):
            continue
        if job.study.is_sample:
            continue
        job_queue(
            study=job.study,
            package=deployment.candidate,
            deployment_name=job.deployment_name,
            priority=Priority.BACKFILL,
            submitted_by=None,
            purpose=JobPurpose.SHADOW,
            origin=job,
        )
        queued += 1
    return queued
