"""The folder in which uploads grow: one file for each, named by the upload's id, locked while somebody writes to it.

The lock is the kernel's (flock): a killed process gives it back at once, whatever the database still says. It holds between all
processes that see the same folder. This module knows files, no rows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from inference_worker.contract.failures import CodedError


def spool_path(upload_id: uuid.UUID) -> Path:
    return Path(settings.UPLOAD_SPOOL_DIR) / upload_id.hex


@contextlib.contextmanager
def spool_locked(upload_id: uuid.UUID) -> Iterator[BinaryIO]:
    """The upload's file for reading and writing, this caller's alone; made when it is not there.

    Raises CodedError input:upload_busy at once when somebody else holds it.
    """
    path = spool_path(upload_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CodedError("input:upload_busy") from None
        if not _is_still_there(file, path):  # removed between opening and locking
            raise CodedError("input:upload_busy")
        yield file  # unbuffered: what was written is in the file


def spool_remove(upload_id: uuid.UUID) -> None:
    """Remove the upload's file; one that is not there is no error. The row's state must have kept out whoever writes to it."""
    spool_path(upload_id).unlink(missing_ok=True)


def spool_free_bytes() -> int:
    """Free space where uploads grow."""
    folder = Path(settings.UPLOAD_SPOOL_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return shutil.disk_usage(folder).free


def _is_still_there(file: BinaryIO | object, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(file.fileno())  # type: ignore[union-attr]
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
