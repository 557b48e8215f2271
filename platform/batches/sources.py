"""The validating of a batch: what was sent for it without standing in its manifest, and archives and places, become items.

A source is read outside any transaction and its items are written in one, so that whoever is killed here leaves all or nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.db import transaction

from batches.changes import quarantine_columns
from batches.models import Batch, BatchItem, BatchSource, SourceState
from batches.references import FilesNotHere, source_contents, source_key_of
from batches.services import chunks, items_insert
from batches.signals import items_quarantined
from batches.states import BatchState
from common import clock
from inference_worker.contract.failures import CodedError
from transfers.entries import ArchiveRefusal
from transfers.grouping import ArchiveStudy
from transfers.models import ON_DISK, Upload, UploadKind
from transfers.selectors import uploads_of_batch
from transfers.services import uploads_keep

logger = logging.getLogger(__name__)

_PAUSE_MAXIMUM_SECONDS = 30.0


def attached_uploads_add(*, batch_id: uuid.UUID) -> None:
    """Uploads that named the batch when they were made: archives without a custom_id become sources, files with one that no
    item has become items of that custom_id, and single files without one become items of their own. May be repeated."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update(of=("self",)).select_related("site").get(pk=batch_id)
        if batch.state != BatchState.VALIDATING:
            return
        attached = list(uploads_of_batch(site=batch.site, batch_id=batch.pk).filter(state__in=ON_DISK))
        uploads_keep(attached, until=batch.expires_at)
        named = _named_in_manifest(batch) if attached else set()
        attached = [upload for upload in attached if str(upload.pk) not in named]
        _sources_attach(batch, [upload for upload in attached if upload.kind == UploadKind.ARCHIVE and not upload.custom_id])
        _items_attach(batch, [upload for upload in attached if upload.custom_id or upload.kind != UploadKind.ARCHIVE])


def _named_in_manifest(batch: Batch) -> set[str]:
    named = {str(pk) for pk in batch.sources.filter(upload__isnull=False).values_list("upload", flat=True)}
    for uploads in batch.items.exclude(uploads=[]).values_list("uploads", flat=True).iterator(chunk_size=2000):
        named.update(uploads)
    return named


def _sources_attach(batch: Batch, archives: list[Upload]) -> None:
    start = batch.sources.count()
    now = clock.now()
    BatchSource.objects.bulk_create(
        BatchSource(batch=batch, position=start + at, upload=upload.pk, not_before=now) for at, upload in enumerate(archives)
    )


def _items_attach(batch: Batch, uploads: list[Upload]) -> None:
    wanted: dict[str, list[str]] = {}
    for upload in uploads:
        wanted.setdefault(upload.custom_id or f"upload-{upload.pk}", []).append("" if upload.custom_id else str(upload.pk))
    known = _custom_ids_known(batch, list(wanted))
    new = [(custom_id, list(filter(None, ids))) for custom_id, ids in wanted.items() if custom_id not in known]
    # Of a custom_id that no manifest could hold: a name of its own, so that the study is not lost.
    items = [_item(batch, at, custom_id=_plain(custom_id), uploads=ids) for at, (custom_id, ids) in enumerate(new)]
    items_insert(batch=batch, items=items)


def _plain(custom_id: str) -> str:
    return custom_id if len(custom_id) <= 64 else f"upload-{hashlib.sha256(custom_id.encode()).hexdigest()[:32]}"


def source_expand(source: BatchSource) -> None:
    """One due source into items; put off while its upload is on its way or its place is away."""
    batch = source.batch
    try:
        found = list(source_contents(source=source, site=batch.site))
    except FilesNotHere:
        _put_off(source)
        return
    except CodedError as error:
        if error.code.startswith("system:") and error.failure.retryable:
            _put_off(source)
            return
        found = [ArchiveRefusal(code=error.code, detail=error.detail)]
    with transaction.atomic():
        locked = Batch.objects.select_for_update(of=("self",)).select_related("site").get(pk=batch.pk)
        row = BatchSource.objects.get(pk=source.pk)
        if locked.state != BatchState.VALIDATING or row.state != SourceState.PENDING:
            return  # cancelled meanwhile, or somebody else was quicker
        studies = [entry for entry in found if isinstance(entry, ArchiveStudy)]
        refusals = [entry for entry in found if isinstance(entry, ArchiveRefusal) and not entry.is_ignored]
        if locked.total_count + len(studies) + len(refusals) > settings.BATCH_MAX_ITEMS:
            studies, refusals = [], [ArchiveRefusal(code="input:too_many_items")]
        items = list(_items_of(locked, row, studies))
        items_insert(batch=locked, items=items)
        _refusals_keep(locked, row, refusals, start=len(items))
        row.state = SourceState.EXPANDED if studies else SourceState.FAILED
        row.item_count = len(items)
        row.save(update_fields=["state", "item_count"])
    logger.info("batches: a source became %d items and %d refusals", len(items), len(refusals))


def _items_of(batch: Batch, source: BatchSource, studies: list[ArchiveStudy]) -> Iterator[BatchItem]:
    keys = [source_key_of(study=study, site=batch.site) for study in studies]
    known = _custom_ids_known(batch, [_study_custom_id(key) for key in keys])
    for at, key in enumerate(keys):
        custom_id = _study_custom_id(key)
        if custom_id in known:  # the same study in two archives
            custom_id = f"{custom_id}-{source.position}"
        yield _item(batch, at, custom_id=custom_id, source=source, source_key=key)


def _refusals_keep(batch: Batch, source: BatchSource, refusals: list[ArchiveRefusal], *, start: int) -> None:
    """What could not be read of a source, as items that are kept aside from the beginning."""
    kind = "prefix" if source.prefix else "archive"
    items = []
    for at, refusal in enumerate(refusals):
        entry = "" if refusal.entry_index is None else f"-entry-{refusal.entry_index}"
        items.append(
            _item(
                batch,
                start + at,
                custom_id=f"{kind}-{source.position}{entry}",
                source=source,
                **quarantine_columns(code=refusal.code, detail=refusal.detail, files=[]),
            )
        )
    items_insert(batch=batch, items=items)
    if items:
        items_quarantined.send(sender=BatchItem, batch_id=batch.pk, items=items)


def _item(batch: Batch, at: int, **fields: object) -> BatchItem:
    """A new item, `at` places after what the batch held when it was locked."""
    return BatchItem(
        batch=batch,
        position=batch.total_count + at,
        urgency=batch.urgency,
        deployment_name=batch.deployment_name,
        not_before=clock.now(),
        **fields,
    )


def _study_custom_id(key: str) -> str:
    return f"study-{key[:16]}"


def _custom_ids_known(batch: Batch, custom_ids: list[str]) -> set[str]:
    known: set[str] = set()
    for some in chunks(custom_ids):
        known |= set(BatchItem.objects.filter(batch=batch, custom_id__in=some).values_list("custom_id", flat=True))
    return known


def _put_off(source: BatchSource) -> None:
    pause = min(_PAUSE_MAXIMUM_SECONDS, 2.0 ** min(source.waits, 10))
    BatchSource.objects.filter(pk=source.pk).update(
        not_before=clock.now() + datetime.timedelta(seconds=pause), waits=min(source.waits + 1, 1000)
    )
