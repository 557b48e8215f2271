"""Read side of jobs: what a user sees, where a job stands in the queue, how long it may take. Never saves."""

from __future__ import annotations

import datetime
import math
import statistics
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum

from accounts.models import User
from catalog.models import ModelPackage
from common import clock
from jobs.heartbeats import WORKER
from jobs.models import READER_PURPOSES, Job, JobAttempt, JobEvent, JobStatus, WorkerStatus
from jobs.positions import queue_positions as queue_positions
from studies.models import Study

_THROUGHPUT_CACHED_SECONDS = 2
_THROUGHPUT_SAMPLE = 50
_THROUGHPUT_WINDOW = datetime.timedelta(hours=1)
_EVENTS_MAXIMUM = 500


def _jobs_of_site(user: User) -> QuerySet[Job]:
    """The site's jobs whose results are for readers: no shadows, no replays."""
    if user.site_id is None:
        return Job.objects.none()
    return Job.objects.filter(site_id=user.site_id, purpose__in=READER_PURPOSES)


def _with_outcome(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """What a list shows of results and packages: the threshold alone out of the manifest, never the whole."""
    threshold = F("package__manifest__suspicion__threshold")
    return (
        jobs.select_related("package", "result")
        .defer("result__payload", "package__manifest")
        .annotate(suspicion_threshold=threshold)
    )


def jobs_visible_to(*, user: User) -> QuerySet[Job]:
    """The jobs of the user's site, with what lists show; never the full result or manifest."""
    return _with_outcome(_jobs_of_site(user).select_related("study"))


def jobs_listed(*, user: User) -> QuerySet[Job]:
    """The same jobs with no more than what tells whether a list has changed."""
    return _jobs_of_site(user).only("id", "created_at", "revision", "status")


def suspicion_side(*, above: bool) -> Q:
    """Jobs whose suspicion reaches their own package's threshold, or does not."""
    side = Q(pk__in=[])
    for digest, threshold in ModelPackage.objects.values_list("digest", "manifest__suspicion__threshold"):
        if isinstance(threshold, (int, float)):
            reaches = {"result__suspicion__gte" if above else "result__suspicion__lt": threshold}
            side |= Q(package_id=digest, **reaches)
    return side


def evidence_jobs(*, user: User) -> QuerySet[Job]:
    """Shadows and replays of the user's site, for administrators: evidence about packages, never a result for a reader."""
    if user.site_id is None:
        return Job.objects.none()
    rows = Job.objects.filter(site_id=user.site_id).exclude(purpose__in=READER_PURPOSES)
    return _with_outcome(rows.select_related("study"))


def latest_jobs(*, studies: Sequence[Study]) -> dict[uuid.UUID, Job]:
    """The newest job of each study that has one, by study id, in two queries for any number of studies."""
    newest = Job.objects.filter(study=OuterRef("pk"), purpose__in=READER_PURPOSES).order_by("-created_at", "-id").values("pk")[:1]
    ids = Study.objects.filter(pk__in=[study.pk for study in studies]).values_list(Subquery(newest), flat=True)
    jobs = _with_outcome(Job.objects.filter(pk__in=[pk for pk in ids if pk]))
    return {job.study_id: job for job in jobs}


def job_events(*, job: Job) -> list[JobEvent]:
    """The job's history, oldest first; of a very long one the last part."""
    return list(job.events.order_by("-id")[:_EVENTS_MAXIMUM])[::-1]


def job_counts(*, user: User) -> dict[str, int]:
    """How many jobs of the user's site are in each state."""
    # COUNT(*), because the key is not in the index and counting it would read every row.
    found: dict[str, int] = dict(_jobs_of_site(user).order_by().values_list("status").annotate(n=Count("*")))
    return {status.value: found.get(status.value, 0) for status in JobStatus}


def throughput() -> tuple[float, int] | None:
    """(median seconds of recent successful attempts, how many run at once on workers that are alive); None when unknown.

    Measured, and remembered for a moment, because every poll asks.
    """
    known: Any = cache.get("jobs.throughput", default="")
    if known != "":
        return known
    measured = _throughput_measured()
    cache.set("jobs.throughput", measured, _THROUGHPUT_CACHED_SECONDS)
    return measured


def _throughput_measured() -> tuple[float, int] | None:
    now = clock.now()
    alive = now - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    concurrency = WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive).aggregate(n=Sum("concurrency"))["n"]
    if not concurrency:
        return None
    spans = (
        JobAttempt.objects.filter(outcome="succeeded", ended_at__gte=now - _THROUGHPUT_WINDOW, started_at__isnull=False)
        .order_by("-ended_at")
        .values_list("started_at", "ended_at")[:_THROUGHPUT_SAMPLE]
    )
    seconds = [(ended - started).total_seconds() for started, ended in spans if started and ended]
    return (statistics.median(seconds), concurrency) if seconds else None


def eta_seconds(*, job: Job, queue_position: int | None) -> int | None:
    """Whole seconds until the job should end, from measured throughput; None when it has ended or nothing is known."""
    if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        return None
    known = throughput()
    if known is None:
        return None
    median, concurrency = known
    if job.status == JobStatus.RUNNING:
        elapsed = (clock.now() - (job.started_at or job.queued_at)).total_seconds()
        return max(1, math.ceil(median - elapsed))
    if queue_position is None:
        return None
    held_back = max(0.0, (job.queued_at - clock.now()).total_seconds())
    return max(1, math.ceil(held_back + median * (1 + (queue_position - 1) / concurrency)))
