"""Returns the disk: uploads that expired, files whose rows have ended, rows that nobody asks about any more."""

from __future__ import annotations

import datetime
import logging
import time
import uuid
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from common import clock
from transfers.models import ON_DISK, Upload, UploadState
from transfers.spool import spool_remove

logger = logging.getLogger(__name__)

_CHUNK = 500
_ORPHANS_EVERY_SECONDS = 600.0
#: A file is younger than its row's commit by less than this.
_ORPHAN_AFTER_SECONDS = 3600.0
#: How long an ended upload is answered with 410 or with what became of it, before it is unknown.
_ENDED_KEPT = datetime.timedelta(days=30)
_due = {"orphans": 0.0}


def uploads_sweep() -> int:
    """One round, beside whoever receives; returns how many uploads and files were removed."""
    removed = _expire()
    now = time.monotonic()
    if now >= _due["orphans"]:
        _due["orphans"] = now + _ORPHANS_EVERY_SECONDS
        removed += orphans_remove()
        Upload.objects.exclude(state__in=ON_DISK).filter(expires_at__lt=clock.now() - _ENDED_KEPT).delete()
    return removed


def _expire() -> int:
    now = clock.now()
    idle = Q(streaming_until=None) | Q(streaming_until__lte=now)
    expired = 0
    while ids := list(Upload.objects.filter(idle, state__in=ON_DISK, expires_at__lte=now).values_list("pk", flat=True)[:_CHUNK]):
        for upload_id in ids:
            # One by one and by condition: an upload that has just been taken over, or put off, stays.
            ended = Upload.objects.filter(idle, pk=upload_id, state__in=ON_DISK, expires_at__lte=now).update(
                state=UploadState.EXPIRED, streaming_until=None
            )
            if ended:
                spool_remove(upload_id)
                expired += 1
    return expired


def orphans_remove(*, older_than_seconds: float = _ORPHAN_AFTER_SECONDS) -> int:
    """Remove files of uploads that have ended: left by a process that was killed between its commit and the removal."""
    folder = Path(settings.UPLOAD_SPOOL_DIR)
    waiting = [path for path in folder.glob("*") if _is_old(path, older_than_seconds)] if folder.is_dir() else []
    removed = 0
    for start in range(0, len(waiting), _CHUNK):
        chunk = {path: _upload_id(path) for path in waiting[start : start + _CHUNK]}
        wanted = set(Upload.objects.filter(pk__in=filter(None, chunk.values()), state__in=ON_DISK).values_list("pk", flat=True))
        for path, upload_id in chunk.items():
            if upload_id not in wanted:
                path.unlink(missing_ok=True)
                removed += 1
    if removed:
        logger.info("uploads: %d files without an upload were removed", removed)
    return removed


def _is_old(path: Path, seconds: float) -> bool:
    try:
        return path.is_file() and time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False  # its upload was quicker


def _upload_id(path: Path) -> uuid.UUID | None:
    try:
        return uuid.UUID(hex=path.name)
    except ValueError:
        return None
