"""The sample study of a site: submitted like any other, once at a time, and removed without a trace but the audit's.

It runs through the same intake, queue and worker as a patient's study, so that what a newcomer sees is true. Everything that
counts clinical work leaves it out by `Study.is_sample`.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from accounts.audit import audit_record
from accounts.models import Site, User
from inference_worker.contract.queues import Priority
from jobs.leftovers import artifacts_remove
from jobs.models import TERMINAL_STATUSES, Job, JobStatus
from jobs.services import job_cancel
from jobs.submission import study_submit
from studies.models import Study
from studies.sample import EXTERNAL_ID, sample_files

_USEFUL = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED)


class _Earlier(Exception):
    """Somebody of the site was quicker; nothing was written."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


def sample_job(*, site: Site) -> Job | None:
    """The newest job over the site's sample study that has a result or may get one."""
    jobs = Job.objects.filter(study__site=site, study__is_sample=True, status__in=_USEFUL)
    return jobs.select_related("study").order_by("-created_at", "-id").first()


def sample_submit(*, user: User, site: Site, committing: Callable[[Job], None] | None = None) -> tuple[Job, bool]:
    """The site's sample and whether it was submitted just now; two people who press at once get the same one.

    `committing` as for study_submit, for a new one alone. Raises CodedError as study_submit does.
    """
    earlier = sample_job(site=site)
    if earlier is not None:
        return earlier, False

    def last(job: Job) -> None:
        # The lock on the site keeps two submissions from passing this together.
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        others = Job.objects.filter(study__site=site, study__is_sample=True, status__in=_USEFUL).exclude(pk=job.pk)
        other = others.select_related("study").first()
        if other is not None:
            raise _Earlier(other)
        if committing is not None:
            committing(job)

    try:
        job = study_submit(
            user=user,
            site=site,
            files=sample_files(),
            priority=Priority.ROUTINE,
            external_id=EXTERNAL_ID,
            is_sample=True,
            committing=last,
        )
    except _Earlier as found:
        return found.job, False
    return job, True


def samples_remove(*, site: Site, removed_by: User) -> int:
    """Forget the site's sample studies with their jobs, results and pictures; returns how many. What runs is cancelled.

    The images' bytes stay, for the next time: they are addressed by their digest, and the site may have submitted the same files.
    """
    with transaction.atomic():
        studies = list(Study.objects.select_for_update().filter(site=site, is_sample=True).order_by("pk"))
        for job in Job.objects.filter(study__in=studies).exclude(status__in=TERMINAL_STATUSES).order_by("pk"):
            job_cancel(job_id=job.pk, cancelled_by=removed_by)
        removed: list[UUID] = []
        # Repeats first: a job is protected by those that repeat it.
        while leaves := list(Job.objects.filter(study__in=studies, repeats=None).values_list("pk", flat=True)):
            Job.objects.filter(pk__in=leaves).delete()
            removed += leaves
        for study in studies:
            audit_record(actor=removed_by, action="sample_study.delete", subject=str(study.pk), site=site, jobs=len(removed))
            study.delete()
        transaction.on_commit(lambda: artifacts_remove(site_id=site.pk, job_ids=removed))
    return len(studies)
