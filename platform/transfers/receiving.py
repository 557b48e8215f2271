"""Bytes of an upload on their way in: create, append, end. What a file is, and who wants it, is nobody's concern here.

The row's `offset` is the truth, and the spool's file is made to agree with it: longer after a crash, it is cut; shorter, the row
gives way. Bytes count only when they are on disk, so the offset that a client is told survives a power cut.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import time
from collections.abc import Callable
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from accounts.models import Site, User
from common import clock
from common.bodies import TooSlow
from inference_worker.contract.failures import CodedError
from transfers.metadata import Announcement, Checksum
from transfers.models import ON_DISK, Upload, UploadKind, UploadState
from transfers.spool import spool_free_bytes, spool_locked, spool_remove

#: How often the offset is written down while bytes arrive: what a killed process can lose.
_NOTE_EVERY_BYTES = 8 * 1024 * 1024
_NOTE_EVERY_SECONDS = 2.0
#: A request that sends says so for this long ahead; it must outlast the slowest piece that common.bodies lets pass.
_STREAM_LEASE = datetime.timedelta(seconds=60)
_HASH_BYTES = 1024 * 1024
_WHOLE = (UploadState.FINISHED, UploadState.CONSUMED)


def maximum_length(kind: UploadKind | str) -> int:
    """The largest file of this kind, in bytes."""
    return settings.UPLOAD_MAX_ARCHIVE_BYTES if kind == UploadKind.ARCHIVE else settings.INTAKE_MAX_FILE_BYTES


def upload_create(*, site: Site, user: User, length: int, announcement: Announcement) -> Upload:
    """A new upload without bytes; one of length 0 is finished at once. A length alone costs nothing.

    Raises CodedError input:too_large, input:too_many_uploads, input:upload_space_used_up, system:storage_full.
    """
    if length > maximum_length(announcement.kind):
        raise CodedError("input:too_large", f"above {maximum_length(announcement.kind)} bytes")
    if spool_free_bytes() - length < settings.UPLOAD_MIN_FREE_BYTES:
        raise CodedError("system:storage_full", "where uploads grow")
    if Upload.objects.filter(site=site, state=UploadState.RECEIVING).count() >= settings.UPLOAD_MAX_OPEN:
        raise CodedError("input:too_many_uploads", f"{settings.UPLOAD_MAX_OPEN} unfinished uploads")
    _space_check(site)
    upload = Upload.objects.create(
        site=site,
        created_by=user,
        length=length,
        expires_at=_expiry(),
        kind=announcement.kind,
        sha256=announcement.sha256,
        media_type=announcement.media_type,
        name_hint=announcement.name_hint,
        batch_id=announcement.batch_id,
        custom_id=announcement.custom_id,
    )
    if length == 0:
        with spool_locked(upload.pk) as file:
            _finish(upload, file)
        upload.refresh_from_db()
    return upload


def upload_append(
    *, upload: Upload, offset: int, read: Callable[[int], bytes], declared: int | None, checksum: Checksum | None = None
) -> Upload:
    """Append what `read` gives, until it gives b"", and return the upload as it is then.

    `declared`: how many bytes are announced for this piece, None when unknown. When the piece breaks off, what arrived is kept
    and the reason raised; a piece with a checksum is kept whole or not at all. Raises CodedError input:upload_*,
    input:too_many_uploads, system:storage_full.
    """
    if upload.state in _WHOLE and offset == upload.length and not declared:
        return upload
    with spool_locked(upload.pk) as file:
        current = _begin(upload, offset=offset, declared=declared, file=file)
        piece = _Piece(current, file, checksum)
        try:
            piece.receive(read, declared)
        finally:
            piece.settle()
            if piece.offset == current.length:
                _finish(current, file)
    current.refresh_from_db()
    return current


def upload_terminate(*, upload: Upload) -> None:
    """End an upload that is not wanted any more; not inside a transaction.

    Raises CodedError input:upload_consumed or input:upload_gone."""
    ended = Upload.objects.filter(pk=upload.pk, state__in=ON_DISK).update(state=UploadState.TERMINATED, streaming_until=None)
    if not ended:
        raise CodedError("input:upload_consumed" if upload.state == UploadState.CONSUMED else "input:upload_gone")
    # Whoever still writes to the file finds at its next note that the upload has ended; the bytes go with its descriptor.
    spool_remove(upload.pk)


def _begin(upload: Upload, *, offset: int, declared: int | None, file: BinaryIO) -> Upload:
    """The row as it is now, marked as streaming; the file agrees with it. Called under the file's lock."""
    with transaction.atomic():
        # The site's row orders those that begin at the same time, so that their number can be counted.
        Site.objects.select_for_update(no_key=True).get(pk=upload.site_id)
        current = Upload.objects.select_for_update().get(pk=upload.pk)
        if current.state != UploadState.RECEIVING:
            raise CodedError("input:upload_offset_mismatch" if current.state in _WHOLE else "input:upload_gone")
        now = clock.now()
        if current.expires_at <= now:
            raise CodedError("input:upload_gone", "expired")
        on_disk = os.fstat(file.fileno()).st_size
        if on_disk < current.offset:  # a disk that lost what it had confirmed, or an emptied spool
            current.offset = on_disk
            Upload.objects.filter(pk=current.pk).update(offset=on_disk)
        if current.offset == offset:
            if offset + (declared or 0) > current.length:
                raise CodedError("input:upload_length_exceeded")
            others = Upload.objects.filter(site_id=current.site_id, streaming_until__gt=now).exclude(pk=current.pk)
            if others.count() >= settings.UPLOAD_MAX_STREAMS_PER_SITE:
                raise CodedError("input:too_many_uploads", f"{settings.UPLOAD_MAX_STREAMS_PER_SITE} requests are sending")
            Upload.objects.filter(pk=current.pk).update(streaming_until=now + _STREAM_LEASE, expires_at=_expiry())
    if current.offset != offset:
        raise CodedError("input:upload_offset_mismatch", f"the upload ends at {current.offset}")
    os.ftruncate(file.fileno(), offset)
    file.seek(offset)
    return current


class _Piece:
    """One request's bytes. `offset` is where the upload ends with those that count."""

    def __init__(self, upload: Upload, file: BinaryIO, checksum: Checksum | None) -> None:
        self._upload = upload
        self._file = file
        self._checksum = checksum
        self._start = self.offset = upload.offset
        self._written = upload.offset
        self._noted_at = time.monotonic()
        self._noted = upload.offset

    def receive(self, read: Callable[[int], bytes], declared: int | None) -> None:
        self._room_check()
        while data := _client_read(read, self._upload.length - self._written + 1):
            if self._written + len(data) > self._upload.length:
                self._written = self._start  # it is another file than was announced: nothing of the piece is kept
                raise CodedError("input:upload_length_exceeded")
            self._write(data)
            if self._checksum is not None:
                self._checksum.update(data)
            if self._is_due():
                self._room_check()
                self._note(self._countable())
        if declared is not None and self._written < self._start + declared:
            raise CodedError("input:upload_interrupted")
        if self._checksum is not None and not self._checksum.is_right:
            raise CodedError("input:upload_checksum_mismatch")
        self._checksum = None  # proven

    def settle(self) -> None:
        """Make the bytes that count durable and write down how many they are. One that is complete is noted by its finish."""
        self.offset = self._countable()
        os.ftruncate(self._file.fileno(), self.offset)
        os.fdatasync(self._file.fileno())
        if self.offset < self._upload.length:
            self._note(self.offset, streaming=False)

    def _countable(self) -> int:
        """Bytes without proof do not count."""
        return self._written if self._checksum is None else self._start

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            self._written += count
            view = view[count:]

    def _is_due(self) -> bool:
        return (
            self._written - self._noted >= _NOTE_EVERY_BYTES or time.monotonic() - self._noted_at >= _NOTE_EVERY_SECONDS
        ) and self._written < self._upload.length

    def _note(self, offset: int, *, streaming: bool = True) -> None:
        """Raises CodedError input:upload_gone when somebody has ended the upload meanwhile."""
        changed = Upload.objects.filter(pk=self._upload.pk, state=UploadState.RECEIVING).update(
            offset=offset, expires_at=_expiry(), streaming_until=clock.now() + _STREAM_LEASE if streaming else None
        )
        if not changed:
            raise CodedError("input:upload_gone")
        self._noted, self._noted_at = self._written, time.monotonic()

    def _room_check(self) -> None:
        if spool_free_bytes() < settings.UPLOAD_MIN_FREE_BYTES:
            raise CodedError("system:storage_full", "where uploads grow")
        _space_check(self._upload.site)


def _client_read(read: Callable[[int], bytes], size: int) -> bytes:
    """What the client sends next; its failures are told apart from those of our own disk."""
    try:
        return read(size)
    except TooSlow:
        raise CodedError("input:upload_too_slow") from None
    except OSError:
        raise CodedError("input:upload_interrupted") from None


def _finish(upload: Upload, file: BinaryIO) -> None:
    """All bytes are there and durable: finished, or refused when they are not those that were announced."""
    if upload.sha256 and _sha256(file) != upload.sha256:
        Upload.objects.filter(pk=upload.pk, state=UploadState.RECEIVING).update(
            state=UploadState.REFUSED, failure_code="input:upload_checksum_mismatch", streaming_until=None
        )
        spool_remove(upload.pk)
        raise CodedError("input:upload_checksum_mismatch", "the whole file")
    finished = Upload.objects.filter(pk=upload.pk, state=UploadState.RECEIVING).update(
        state=UploadState.FINISHED,
        offset=upload.length,
        finished_at=clock.now(),
        expires_at=_expiry(),
        streaming_until=None,
    )
    if not finished:
        raise CodedError("input:upload_gone")


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while data := file.read(_HASH_BYTES):
        digest.update(data)
    return digest.hexdigest()


def _space_check(site: Site) -> None:
    used = Upload.objects.filter(site=site, state__in=ON_DISK).aggregate(bytes=Sum("offset"))["bytes"] or 0
    if used >= settings.UPLOAD_SITE_MAX_BYTES:
        raise CodedError("input:upload_space_used_up", f"{settings.UPLOAD_SITE_MAX_BYTES} bytes")


def _expiry() -> datetime.datetime:
    return clock.now() + datetime.timedelta(hours=settings.UPLOAD_MAX_IDLE_HOURS)
