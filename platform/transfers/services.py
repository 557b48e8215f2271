"""Write side of transfers for other rooms: taking finished uploads over, exactly once, and keeping or dropping them.

How bytes arrive is transfers.receiving's concern. A caller hands uploads to studies.intake like this:

    with uploads_open(uploads) as files:
        received = study_receive(site=site, files=files)
        with transaction.atomic():
            study = study_create(received=received, …)
            uploads_consume(uploads)
"""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from accounts.models import Site
from inference_worker.contract.failures import CodedError
from transfers.models import ON_DISK, Upload, UploadKind, UploadState
from transfers.spool import spool_path, spool_remove


def uploads_ready(*, site: Site, ids: Sequence[uuid.UUID], kind: UploadKind = UploadKind.FILE) -> list[Upload]:
    """The finished uploads of these ids, in their order.

    Raises CodedError input:unknown_upload (also for another site's), input:upload_wrong_kind, input:upload_incomplete,
    input:upload_consumed (also for an id that is given twice), input:upload_gone.
    """
    found = {upload.pk: upload for upload in Upload.objects.filter(site=site, pk__in=ids)}
    if len(set(ids)) < len(ids):
        raise CodedError("input:upload_consumed", "the same upload twice")
    ready = []
    for upload_id in ids:
        upload = found.get(upload_id)
        if upload is None:
            raise CodedError("input:unknown_upload", str(upload_id))
        if upload.kind != kind:
            raise CodedError("input:upload_wrong_kind", str(upload_id))
        if upload.state != UploadState.FINISHED:
            raise CodedError(_CODE_BY_STATE.get(UploadState(upload.state), "input:upload_gone"), str(upload_id))
        ready.append(upload)
    return ready


_CODE_BY_STATE = {UploadState.RECEIVING: "input:upload_incomplete", UploadState.CONSUMED: "input:upload_consumed"}


def upload_path(upload: Upload) -> Path:
    """Where a finished upload's bytes lie, for transfers.archives.archive_studies. They are gone once the upload is consumed."""
    return spool_path(upload.pk)


@contextlib.contextmanager
def uploads_open(uploads: Iterable[Upload]) -> Iterator[list[UploadedFile]]:
    """The bytes of finished uploads as studies.intake.study_receive takes files, open while the block runs.

    Raises CodedError input:upload_gone when the spool has lost one.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for upload in uploads:
            try:
                file = stack.enter_context(spool_path(upload.pk).open("rb"))
            except FileNotFoundError:
                raise CodedError("input:upload_gone", str(upload.pk)) from None
            files.append(UploadedFile(file=file, name=upload.name_hint or "upload", size=upload.length))
        yield files


def uploads_consume(uploads: Sequence[Upload]) -> None:
    """Take finished uploads over, inside the caller's transaction; their bytes are removed when it commits.

    Of several callers one wins. Raises CodedError input:upload_consumed for the others, whose transactions must roll back.
    """
    ids = [upload.pk for upload in uploads]
    taken = Upload.objects.filter(pk__in=ids, state=UploadState.FINISHED).update(state=UploadState.CONSUMED)
    if taken < len(ids):
        raise CodedError("input:upload_consumed")
    for upload_id in ids:
        transaction.on_commit(partial(spool_remove, upload_id))


def uploads_drop(uploads: Sequence[Upload]) -> int:
    """End uploads that nobody will take over any more, complete or not; returns how many had bytes on disk."""
    ids = [upload.pk for upload in uploads]
    dropped = Upload.objects.filter(pk__in=ids, state__in=ON_DISK).update(state=UploadState.TERMINATED)
    for upload_id in ids:
        transaction.on_commit(partial(spool_remove, upload_id))
    return dropped


def uploads_keep(uploads: Sequence[Upload], *, until: datetime.datetime) -> None:
    """Put off the expiry of finished uploads that wait for something, such as the close of a batch. Never brings it forward."""
    Upload.objects.filter(pk__in=[upload.pk for upload in uploads], state=UploadState.FINISHED, expires_at__lt=until).update(
        expires_at=until
    )
