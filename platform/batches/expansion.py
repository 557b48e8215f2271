"""Pending items become studies and jobs, or are kept aside with a reason. Outside any request, through the one way in: intake.

Whoever is killed here leaves either nothing (the item is taken up again when its claim runs out) or everything: study, job, order
and the item's own row are written in one transaction, which first looks whether somebody else has done it.
"""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Sequence

from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet

from batches.changes import item_moved, item_quarantine, item_share, item_synchronise
from batches.models import Batch, BatchItem, Duplicates
from batches.references import FilesNotHere, ItemFiles, item_open, uploads_by_id
from batches.states import BatchState, ItemStatus
from catalog.models import Deployment
from catalog.selectors import deployment_resolve
from common import clock
from inference_worker.contract.failures import CodedError
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.models import READER_PURPOSES, Job, JobStatus
from jobs.quotas import quota_check, quota_take, site_admission_turn
from jobs.services import JobNotRetryable, job_retry, job_submit
from studies.intake import IntakeRefusal, ReceivedStudy, study_receive
from studies.services import study_create
from transfers.services import uploads_consume, uploads_drop, uploads_keep

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 60.0
#: Taken up this often without an end, an item is believed to kill whoever touches it.
TRIES_MAXIMUM = 5
_PAUSE_FIRST_SECONDS, _PAUSE_MAXIMUM_SECONDS = 1.0, 60.0
#: No fault of the item's, and nothing the sender could mend: it waits for somebody else.
_QUOTAS = {"input:quota_queued_jobs", "input:quota_studies_per_day", "input:quota_storage"}
_ON_THEIR_WAY = (JobStatus.QUEUED, JobStatus.RUNNING)
#: Of jobs over the same files only the newest are looked at.
_EARLIER_MAXIMUM = 20
_WAITS_FOR_OTHERS = frozenset({"model:none_deployed", "model:package_missing", *_QUOTAS})


def items_claim(*, batch: Batch, limit: int) -> list[uuid.UUID]:
    """The most urgent pending items that are due, this caller's alone for CLAIM_SECONDS. Those that end nobody are kept aside."""
    now = clock.now()
    with transaction.atomic():
        due = BatchItem.objects.filter(batch=batch, status=ItemStatus.PENDING, not_before__lte=now)
        rows = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("urgency", "position")[:limit])
        for item in [item for item in rows if item.tries >= TRIES_MAXIMUM]:
            rows.remove(item)
            detail = f"whoever took it up was stopped, {item.tries} times"
            item_quarantine(item=item, code="system:unexpected", detail=detail, files=[])
        keys = [item.pk for item in rows]
        until = now + datetime.timedelta(seconds=CLAIM_SECONDS)
        BatchItem.objects.filter(pk__in=keys).update(not_before=until, tries=F("tries") + 1)
    return keys


def items_give_back(keys: Sequence[uuid.UUID]) -> None:
    """Claimed items that were not taken up after all."""
    BatchItem.objects.filter(pk__in=keys, status=ItemStatus.PENDING, tries__gt=0).update(
        not_before=clock.now(), tries=F("tries") - 1
    )


def item_take_in(item_id: uuid.UUID) -> None:
    """One claimed item to its next status, or put off. Raises DatabaseError alone."""
    item = BatchItem.objects.select_related("batch__site", "batch__submitted_by", "source").get(pk=item_id)
    if item.status != ItemStatus.PENDING or item.batch.state != BatchState.IN_PROGRESS:
        return
    try:
        if item.job_id is not None:
            _job_again(item)
            return
        deployment = deployment_resolve(site=item.batch.site, name=item.deployment_name)
        quota_check(site=item.batch.site)
        with item_open(item=item, site=item.batch.site) as opened:
            received = study_receive(site=item.batch.site, files=opened.files)
            _store(item, received, opened, deployment)
    except FilesNotHere:
        _put_off(item)
    except CodedError as error:
        if error.code in _WAITS_FOR_OTHERS or (error.code.startswith("system:") and error.failure.retryable):
            _put_off(item)
        else:
            _keep_aside(item, error)
    except DatabaseError:
        raise
    except Exception:
        # The edge: one study must not stop the others. Its claim runs out, and after some tries it is kept aside.
        logger.exception("batches: an item could not be taken in", extra={"item_id": str(item.pk)})


def _store(item: BatchItem, received: ReceivedStudy, opened: ItemFiles, deployment: Deployment) -> None:
    batch = item.batch
    with transaction.atomic():
        # Before the item, as everywhere: jobs, then items.
        earlier = _earlier_job(item, received, deployment)
        locked = BatchItem.objects.select_for_update().get(pk=item.pk)
        if locked.status != ItemStatus.PENDING or locked.job_id is not None:
            return  # cancelled meanwhile, or somebody else was quicker
        if earlier is not None and _duplicates(item) is Duplicates.REFUSE:
            raise CodedError("input:duplicate_study", f"job {earlier.pk}")
        if earlier is not None:
            if earlier.status == JobStatus.SUCCEEDED:  # or they stay, in case somebody cancels the run that is shared
                uploads_drop(opened.uploads)
            item_share(item=locked, job=earlier)
            return
        quota_take(site=batch.site, stored_bytes=sum(image.size_bytes for image in received.images))
        uploads_consume(opened.uploads)
        study = study_create(received=received, site=batch.site, external_id=item.external_id, submitted_by=batch.submitted_by)
        job = job_submit(study=study, deployment=deployment, priority=ORDER_QUEUES[item.urgency], submitted_by=batch.submitted_by)
        item_moved(item=locked, status=ItemStatus.QUEUED, study=study, job=job, tries=0, waits=0)


def _duplicates(item: BatchItem) -> Duplicates:
    return Duplicates(item.duplicates or item.batch.duplicates)


def _earlier_job(item: BatchItem, received: ReceivedStudy, deployment: Deployment) -> Job | None:
    """The newest job over the very same files that has a result, else the first that may get one; locked, so that it stays as
    it is until the caller has decided. REUSE wants it of the package that serves now, and not behind the item's own place.
    """
    duplicates = _duplicates(item)
    if duplicates is Duplicates.RERUN:
        return None
    site_admission_turn(site=item.batch.site)  # or two that come together would not see each other, and both would run
    jobs = earlier_jobs(content_sha256=received.content_sha256, site_id=item.batch.site_id)
    if duplicates is Duplicates.REUSE:
        jobs = jobs.filter(deployment_name=deployment.name, package_id=deployment.package_id)
    keys = list(jobs.order_by("-created_at").values_list("pk", flat=True)[:_EARLIER_MAXIMUM])
    found = list(Job.objects.select_for_update().filter(pk__in=keys).order_by("pk")) if keys else []
    found.sort(key=lambda job: job.created_at)
    done = [job for job in found if job.status == JobStatus.SUCCEEDED]
    if done:
        return done[-1]
    live = [job for job in found if job.status in _ON_THEIR_WAY]
    return next((job for job in live if duplicates is Duplicates.REFUSE or _may_be_shared(job, item)), None)


def earlier_jobs(*, content_sha256: str, site_id: uuid.UUID) -> QuerySet[Job]:
    """The site's jobs over the very same files that have a result or may get one."""
    return Job.objects.filter(
        study__content_sha256=content_sha256,
        study__site_id=site_id,
        study__is_sample=False,  # not for a hospital's item, even where it sends the very same files
        status__in=(JobStatus.SUCCEEDED, *_ON_THEIR_WAY),
        purpose__in=READER_PURPOSES,
    )


def _may_be_shared(job: Job, item: BatchItem) -> bool:
    """An urgent item does not wait behind a less urgent job."""
    return job.status == JobStatus.RUNNING or ORDER_QUEUES.index(job.priority) <= item.urgency


def _job_again(item: BatchItem) -> None:
    """An item whose job is to be tried again: the job's change carries the item with it."""
    assert item.job_id is not None  # asked by the caller
    try:
        job_retry(job_id=item.job_id, retried_by=item.batch.submitted_by)
    except JobNotRetryable:
        logger.info("batches: the job of an item goes on by itself", extra={"job_id": str(item.job_id)})
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=item.job_id)
        locked = BatchItem.objects.select_for_update().get(pk=item.pk)
        if locked.status == ItemStatus.PENDING:
            item_synchronise(item=locked, job=job)


def _put_off(item: BatchItem) -> None:
    """Until its files are here, or whoever is away is back."""
    pause = min(_PAUSE_MAXIMUM_SECONDS, _PAUSE_FIRST_SECONDS * 2.0 ** min(item.waits, 10))
    BatchItem.objects.filter(pk=item.pk, status=ItemStatus.PENDING).update(
        not_before=clock.now() + datetime.timedelta(seconds=pause), waits=min(item.waits + 1, 1000), tries=0
    )


def _keep_aside(item: BatchItem, error: CodedError) -> None:
    files = error.errors if isinstance(error, IntakeRefusal) else []
    told = [{name: entry.get(name) for name in ("index", "code", "message")} for entry in files if entry.get("index") is not None]
    with transaction.atomic():
        locked = BatchItem.objects.select_for_update().get(pk=item.pk)
        if locked.status != ItemStatus.PENDING:
            return
        item_quarantine(item=locked, code=error.code, detail=error.detail, files=told)
    if item.uploads:
        # So that a release can try the same files again.
        uploads_keep(uploads_by_id(site=item.batch.site, ids=item.uploads), until=locked.quarantine_ends_at)
