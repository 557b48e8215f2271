"""Read side of jobs: what a user sees, where a job stands in the queue, how long it may take. Never saves."""

from __future__ import annotations

import datetime
import functools
import math
import statistics
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value

from accounts.models import Role, Site, User
from catalog.models import ModelPackage
from common import clock
from inference_worker.contract.failures import CodedError
from jobs.heartbeats import WORKER
from jobs.models import READER_PURPOSES, Job, JobAttempt, JobEvent, JobStatus, WorkerStatus
from jobs.positions import queue_positions as queue_positions
from jobs.reading import with_reading
from studies.models import Study

#: In place of a site's slug, which holds no such sign.
EVERY_SITE = "*"

_THROUGHPUT_CACHED_SECONDS = 2
_THROUGHPUT_SAMPLE = 50
_THROUGHPUT_WINDOW = datetime.timedelta(hours=1)
_EVENTS_MAXIMUM = 500


def sees_every_site(user: User) -> bool:
    """Platform administrators: at every site what an administrator is at one."""
    return user.role == Role.ADMINISTRATOR and user.is_superuser


def _jobs_of_site(user: User, site: str = "") -> QuerySet[Job]:
    """Jobs whose results are for readers: no shadows, no replays. Of the user's site where none is named.

    `site`: a slug, or EVERY_SITE. Raises PermissionDenied for another site unless the user sees every site, and CodedError
    input:invalid_field for one that is not there.
    """
    if user.site_id is None:
        return Job.objects.none()
    jobs = Job.objects.filter(purpose__in=READER_PURPOSES)
    if not site or (user.site is not None and site == user.site.slug):
        return jobs.filter(site_id=user.site_id)
    if not sees_every_site(user):
        raise PermissionDenied("another site's jobs")
    if site == EVERY_SITE:
        return jobs
    named = Site.objects.filter(slug=site).values_list("pk", flat=True).first()
    if named is None:
        raise CodedError("input:invalid_field", "site: no site has this slug")
    return jobs.filter(site_id=named)


def _with_outcome(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """What a list shows of results and packages: the threshold alone out of the manifest, never the whole."""
    threshold = F("package__manifest__suspicion__threshold")
    return (
        jobs.select_related("package", "result")
        .defer("result__payload", "package__manifest")
        .annotate(suspicion_threshold=threshold, site_slug=F("site__slug"))
    )


def jobs_visible_to(*, user: User, site: str = "") -> QuerySet[Job]:
    """The jobs of the user's site, or of `site`, with what lists show; never the full result or manifest."""
    return with_reading(_with_outcome(_jobs_of_site(user, site).select_related("study")), user=user)


def jobs_reachable_by(*, user: User) -> QuerySet[Job]:
    """The jobs that the user may open by their address."""
    return jobs_visible_to(user=user, site=EVERY_SITE if sees_every_site(user) else "")


def jobs_listed(*, user: User, site: str = "") -> QuerySet[Job]:
    """The same jobs with no more than what tells whether a list has changed, and where they stand in it."""
    jobs = _jobs_of_site(user, site).only("id", "created_at", "revision", "status", "priority", "suspicion_rank")
    return with_reading(jobs, user=user)


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
    return _with_outcome(rows.select_related("study")).annotate(is_unread=Value(False))


def latest_jobs(*, studies: Sequence[Study]) -> dict[uuid.UUID, Job]:
    """The newest job of each study that has one, by study id, in two queries for any number of studies."""
    newest = Job.objects.filter(study=OuterRef("pk"), purpose__in=READER_PURPOSES).order_by("-created_at", "-id").values("pk")[:1]
    ids = Study.objects.filter(pk__in=[study.pk for study in studies]).values_list(Subquery(newest), flat=True)
    jobs = _with_outcome(Job.objects.filter(pk__in=[pk for pk in ids if pk]))
    return {job.study_id: job for job in jobs}


def job_events(*, job: Job) -> list[JobEvent]:
    """The job's history, oldest first; of a very long one the last part."""
    return list(job.events.order_by("-id")[:_EVENTS_MAXIMUM])[::-1]


def job_counts(*, user: User, site: str = "") -> dict[str, int]:
    """How many jobs of the user's site, or of `site`, are in each state."""
    found: dict[str, int]
    if site or user.site_id is None:
        found = dict(_counted(_jobs_of_site(user, site)))
    else:
        with connection.cursor() as cursor:
            cursor.execute(*_counts_statement(user.site_id))
            found = dict(cursor.fetchall())
    return {status.value: found.get(status.value, 0) for status in JobStatus}


def _counted(jobs: QuerySet[Job]) -> QuerySet[Job, Any]:
    # COUNT(*), because the key is not in the index and counting it would read every row.
    return jobs.order_by().values_list("status").annotate(n=Count("*"))


@functools.lru_cache(maxsize=1000)
def _counts_statement(site_id: uuid.UUID) -> tuple[str, tuple[Any, ...]]:
    """Written once a site: every open worklist asks it again and again."""
    return _counted(Job.objects.filter(purpose__in=READER_PURPOSES, site_id=site_id)).query.sql_with_params()


def job_counts_state(*, user: User, site: str = "") -> str | None:
    """What differs whenever the counts of that many sites may: cheap, where counting a site's jobs takes a millisecond for
    every few thousand. None while a job of theirs waits or runs, because then the counts themselves are what changes.

    A job whose end has been told changes by a retry alone, which makes it wait; so with none that waits or runs, the moment
    of the latest change tells everything. Only sample studies are ever removed: whether there is one tells that.
    """
    own = user.site is not None and site in ("", user.site.slug)
    if not own and not sees_every_site(user):
        return None
    with connection.cursor() as cursor:
        cursor.execute(*_state_statement(user.site.slug if own and user.site else site))
        rows = cursor.fetchall()
    return None if not rows or any(live for *_, live in rows) else repr(rows)


@functools.lru_cache(maxsize=1000)
def _state_statement(site: str) -> tuple[str, tuple[Any, ...]]:
    """(site, latest change, has a sample, has a job that waits or runs) of each site, or of the one with this slug."""
    jobs = Job.objects.filter(site=OuterRef("pk"))
    sites = Site.objects.all() if site == EVERY_SITE else Site.objects.filter(slug=site)
    latest = jobs.order_by("-updated_at").values("updated_at")[:1]
    sample = Study.objects.filter(site=OuterRef("pk"), is_sample=True)
    live = jobs.filter(status__in=(JobStatus.QUEUED, JobStatus.RUNNING), purpose__in=READER_PURPOSES)
    told = sites.order_by("pk").values_list("pk", Subquery(latest), Exists(sample), Exists(live))
    return told.query.sql_with_params()


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
