"""What a site may have in all: jobs that wait, studies in a day, bytes stored. How often it may ask is accounts.rate_limits'.

Counted from the rows themselves, through indexes and no further than the quota, under a lock of the site's usage: two
submissions at once cannot both be the last one allowed. A site without quotas pays nothing.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from accounts.models import Site, SiteUsage
from common import clock
from inference_worker.contract.failures import CodedError
from jobs.models import Job, JobStatus
from studies.models import StoredObject, Study

_STORAGE_MEASURED_EVERY = datetime.timedelta(seconds=60)
_STORAGE_RETRY_SECONDS = 3600
_QUEUE_RETRY_SECONDS = 30


class QuotaExceeded(CodedError):
    """A quota does not allow the submission. `headers` say when to try again."""

    def __init__(self, code: str, *, limit: int, retry_after_seconds: float) -> None:
        super().__init__(code, f"The quota is {limit}.")
        self.headers = {"Retry-After": str(max(1, math.ceil(retry_after_seconds)))}


@dataclass(frozen=True, slots=True)
class Quotas:
    """What holds for a site; 0: no limit."""

    queued_jobs: int
    studies_per_day: int
    storage_bytes: int

    @property
    def any(self) -> bool:
        return bool(self.queued_jobs or self.studies_per_day or self.storage_bytes)


def quotas_of(site: Site) -> Quotas:
    def chosen(own: int | None, default: int) -> int:
        return default if own is None else own

    return Quotas(
        queued_jobs=chosen(site.max_queued_jobs, settings.QUOTA_QUEUED_JOBS),
        studies_per_day=chosen(site.max_studies_per_day, settings.QUOTA_STUDIES_PER_DAY),
        storage_bytes=chosen(site.max_storage_bytes, settings.QUOTA_STORAGE_BYTES),
    )


def quota_check(*, site: Site, studies: int = 1, stored_bytes: int = 0) -> None:
    """Refuse what would be over a quota, without a lock: for before the work of receiving. Raises QuotaExceeded."""
    quotas = quotas_of(site)
    if quotas.any:
        _check(site, quotas, studies=studies, stored_bytes=stored_bytes, usage=SiteUsage.objects.filter(pk=site.pk).first())


def quota_take(*, site: Site, studies: int = 1, stored_bytes: int = 0) -> None:
    """Check once more inside the transaction that writes the studies, and keep others of the site waiting until it ends."""
    quotas = quotas_of(site)
    if not quotas.any:
        return
    usage = site_admission_turn(site=site)
    _check(site, quotas, studies=studies, stored_bytes=stored_bytes, usage=usage)
    if quotas.storage_bytes:
        usage.storage_bytes += stored_bytes
        usage.save()


def site_admission_turn(*, site: Site) -> SiteUsage:
    """Keep others who admit to the site waiting until the caller's transaction ends, and return the site's usage."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("admission has its turn inside the transaction that uses it")
    SiteUsage.objects.bulk_create([SiteUsage(site=site)], ignore_conflicts=True)
    return SiteUsage.objects.select_for_update().get(pk=site.pk)


def _check(site: Site, quotas: Quotas, *, studies: int, stored_bytes: int, usage: SiteUsage | None) -> None:
    now = clock.now()
    if quotas.queued_jobs and _more_than(
        Job.objects.filter(site=site, status=JobStatus.QUEUED).order_by(), quotas.queued_jobs - studies
    ):
        raise QuotaExceeded("input:quota_queued_jobs", limit=quotas.queued_jobs, retry_after_seconds=_QUEUE_RETRY_SECONDS)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if quotas.studies_per_day and _more_than(
        Study.objects.filter(site=site, created_at__gte=midnight).order_by(), quotas.studies_per_day - studies
    ):
        left = midnight + datetime.timedelta(days=1) - now
        raise QuotaExceeded("input:quota_studies_per_day", limit=quotas.studies_per_day, retry_after_seconds=left.total_seconds())
    if quotas.storage_bytes and _stored(site, usage, now) + stored_bytes > quotas.storage_bytes:
        raise QuotaExceeded("input:quota_storage", limit=quotas.storage_bytes, retry_after_seconds=_STORAGE_RETRY_SECONDS)


def _more_than(rows: object, limit: int) -> bool:
    """Whether there are more rows than `limit`; reads no more than that many."""
    return limit < 0 or bool(rows.values("pk")[limit : limit + 1])  # type: ignore[attr-defined]


def _stored(site: Site, usage: SiteUsage | None, now: datetime.datetime) -> int:
    """Bytes stored for the site: measured at most once a minute, and added to in between."""
    if usage is not None and usage.storage_measured_at and usage.storage_measured_at > now - _STORAGE_MEASURED_EVERY:
        return usage.storage_bytes
    measured: int = StoredObject.objects.filter(site=site).aggregate(n=Sum("size_bytes"))["n"] or 0
    if usage is not None:
        usage.storage_bytes, usage.storage_measured_at = measured, now
        usage.save()
    return measured
