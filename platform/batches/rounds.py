"""Batches on their way through the state table: each step looks at one batch, and may be repeated or done by several processes.

What makes items of a batch end is batches.expansion's and the ledger's concern; here is only what follows from it.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections import Counter

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q

from batches.changes import UNSHARED, batch_transition, counts_add
from batches.expansion import items_claim
from batches.models import Batch, BatchItem, BatchSource, QuarantineState, SourceState
from batches.references import source_forget, uploads_by_id
from batches.sources import attached_uploads_add, source_expand
from batches.states import ACTIVE_STATES, ENDED_STATES, BatchHappening, BatchState, ItemStatus
from common import clock
from jobs.models import JobStatus
from jobs.selectors import queue_positions, throughput
from jobs.services import JobNotCancellable, job_cancel
from transfers.services import uploads_drop

logger = logging.getLogger(__name__)

ACTOR = "platform"
_CLAIM = 8
_CANCEL_CHUNK = 50
_PENDING_CHUNK = 1000
_RUNS = (ItemStatus.QUEUED, ItemStatus.RUNNING)
_STOPPABLE = (BatchState.OPEN, BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING)


def batches_active() -> list[tuple[uuid.UUID, str]]:
    """Batches that something is to be done for, the most urgent first: (id, state)."""
    return list(Batch.objects.filter(state__in=ACTIVE_STATES).order_by("urgency", "created_at").values_list("pk", "state"))


def batches_expire() -> int:
    """Have batches ended whose time is up; what is done stays. Returns how many."""
    due = list(Batch.objects.filter(state__in=_STOPPABLE, expires_at__lt=clock.now()).values_list("pk", flat=True))
    for pk in due:
        _transition(pk, BatchHappening.EXPIRY_ASKED, failure_code="input:batch_expired")
    return len(due)


def batches_reopen() -> int:
    """Batches that had ended and whose jobs somebody has retried one by one. Returns how many."""
    ended = [state.value for state in sorted(ENDED_STATES)]
    due = list(Batch.objects.filter(state__in=ended, live_count__gt=0).values_list("pk", flat=True))
    for pk in due:
        _transition(pk, BatchHappening.REOPENED)
    return len(due)


def batch_advance(*, batch_id: uuid.UUID, state: str) -> None:
    """What is next for a batch in this state; nothing where it is not time yet."""
    _STEPS[BatchState(state)](batch_id)


def items_claimed(*, batch_id: uuid.UUID) -> list[uuid.UUID]:
    """Items to be taken in now: as many as fit beside those of the batch that wait or run already."""
    batch = Batch.objects.get(pk=batch_id)
    room = settings.BATCH_WINDOW - batch.queued_count - batch.running_count
    if batch.state != BatchState.IN_PROGRESS or not batch.pending_count or room <= 0:
        return []
    return items_claim(batch=batch, limit=min(_CLAIM, room))


def estimates_renew() -> int:
    """Queue position and time left of batches in progress, so that a poll computes nothing. Returns how many changed."""
    changed = 0
    known = throughput()
    for batch in Batch.objects.filter(state=BatchState.IN_PROGRESS).order_by("pk"):
        position, behind = _positions(batch)
        eta = None
        if known is not None and batch.live_count:
            seconds, concurrency = known
            eta = max(1, math.ceil(seconds * (1 + (behind + batch.pending_count) / concurrency)))
        changed += (
            Batch.objects.filter(pk=batch.pk)
            .exclude(queue_position=position, eta_seconds=eta)
            .update(queue_position=position, eta_seconds=eta)
        )
    return changed


def _positions(batch: Batch) -> tuple[int | None, int]:
    """The place of the batch's next waiting job, and how many jobs are to end before its last one does."""
    queued = BatchItem.objects.filter(batch=batch, status=ItemStatus.QUEUED, job__status=JobStatus.QUEUED)
    queued = queued.select_related("job").order_by("urgency", "position")
    first, last = queued.first(), queued.last()
    jobs = [item.job for item in (first, last) if item is not None and item.job is not None]
    places = queue_positions(jobs=jobs)
    if not places:
        return None, max(0, batch.running_count - 1)
    return min(places.values()), max(places.values()) - 1


def _validate(batch_id: uuid.UUID) -> None:
    attached_uploads_add(batch_id=batch_id)
    sources = BatchSource.objects.filter(batch_id=batch_id, state=SourceState.PENDING)
    for source in sources.filter(not_before__lte=clock.now()).select_related("batch__site").order_by("position"):
        source_expand(source)
    if sources.exists():
        return
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.total_count:
            batch_transition(batch=batch, happening=BatchHappening.VALIDATED, actor=ACTOR)
        else:
            batch_transition(batch=batch, happening=BatchHappening.EMPTY, actor=ACTOR, failure_code="input:batch_empty")


def _progress(batch_id: uuid.UUID) -> None:
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.live_count == 0:
            batch_transition(batch=batch, happening=BatchHappening.ALL_ENDED, actor=ACTOR)


def _finalize(batch_id: uuid.UUID) -> None:
    """Count once more, let go of archives that are used up, and complete. Counts that were wrong are mended and reported."""
    _archives_drop(batch_id)
    _shared_drop(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        counted = Counter(
            dict(BatchItem.objects.filter(batch=batch).order_by().values_list("status").annotate(number=Count("*")))
        )
        kept = Counter({status.value: getattr(batch, f"{status.value}_count") for status in ItemStatus})
        wrong = {status: counted[status] - kept[status] for status in ItemStatus.values if counted[status] != kept[status]}
        if wrong:
            logger.error(
                "batches: the counts of a batch were wrong by %s; they are mended", wrong, extra={"batch_id": str(batch_id)}
            )
            counts_add({batch.pk: Counter(wrong)})
            batch.refresh_from_db()
        happening = BatchHappening.REOPENED if batch.live_count else BatchHappening.FINISHED
        batch_transition(batch=batch, happening=happening, actor=ACTOR)
        Batch.objects.filter(pk=batch.pk).update(queue_position=None, eta_seconds=None)


def _archives_drop(batch_id: uuid.UUID) -> None:
    """Archives no item of which is held, or would be read again by a retry: one that failed with a job it shared."""
    again = Q(quarantine=QuarantineState.HELD) | Q(status=ItemStatus.FAILED, reused=True)
    held = BatchItem.objects.filter(again, batch_id=batch_id, source__isnull=False)
    sources = BatchSource.objects.filter(batch_id=batch_id, upload__isnull=False).exclude(pk__in=held.values("source_id"))
    for source in sources.select_related("batch__site"):
        with transaction.atomic():
            uploads_drop(uploads_by_id(site=source.batch.site, ids=[str(source.upload)]))
        source_forget(source.pk)


def _shared_drop(batch_id: uuid.UUID) -> None:
    """Uploads of items whose shared job has brought its result: they were kept in case it would not."""
    done = BatchItem.objects.filter(batch_id=batch_id, status=ItemStatus.SUCCEEDED, reused=True)
    ids = [upload_id for uploads in done.values_list("uploads", flat=True) for upload_id in uploads]
    site = Batch.objects.select_related("site").get(pk=batch_id).site
    for start in range(0, len(ids), _PENDING_CHUNK):
        with transaction.atomic():
            uploads_drop(uploads_by_id(site=site, ids=ids[start : start + _PENDING_CHUNK]))


def _drain(batch_id: uuid.UUID) -> None:
    """A part of what has not ended, ended; the state when nothing is left. Jobs are cancelled one transaction each."""
    batch = Batch.objects.get(pk=batch_id)
    with transaction.atomic():
        # A job that is shared goes on for whom it belongs to.
        shared = Q(status__in=_RUNS, reused=True)
        items = BatchItem.objects.filter(Q(status=ItemStatus.PENDING) | shared, batch_id=batch_id)
        rows = list(items.select_for_update().order_by("pk").values_list("pk", "status")[:_PENDING_CHUNK])
        if rows:
            ended = BatchItem.objects.filter(pk__in=[pk for pk, _ in rows])
            ended.filter(shared).update(**UNSHARED)
            ended.update(status=ItemStatus.CANCELLED, ended_at=clock.now(), failure_code=batch.failure_code)
            moved = Counter({ItemStatus.CANCELLED.value: len(rows)})
            moved.subtract(status for _, status in rows)
            counts_add({batch_id: moved})
    live = BatchItem.objects.filter(batch_id=batch_id, status__in=_RUNS, reused=False)
    for pk, job_id in live.order_by("pk").values_list("pk", "job_id")[:_CANCEL_CHUNK]:
        try:
            job_cancel(job_id=job_id, cancelled_by=batch.submitted_by)
        except JobNotCancellable:
            continue  # it has ended meanwhile, and the ledger has said so
        BatchItem.objects.filter(pk=pk, status=ItemStatus.CANCELLED).update(failure_code=batch.failure_code)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.live_count == 0:
            by_expiry = batch.failure_code == "input:batch_expired"
            happening = BatchHappening.DRAINED_BY_EXPIRY if by_expiry else BatchHappening.DRAINED
            batch_transition(batch=batch, happening=happening, actor=ACTOR, failure_code=batch.failure_code)
            Batch.objects.filter(pk=batch_id).update(queue_position=None, eta_seconds=None, revision=F("revision") + 1)


def _transition(batch_id: uuid.UUID, happening: BatchHappening, *, failure_code: str = "") -> None:
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        batch_transition(batch=batch, happening=happening, actor=ACTOR, failure_code=failure_code)


_STEPS = {
    BatchState.VALIDATING: _validate,
    BatchState.IN_PROGRESS: _progress,
    BatchState.FINALIZING: _finalize,
    BatchState.CANCELLING: _drain,
}
