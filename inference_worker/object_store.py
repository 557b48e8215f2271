"""The object store as the worker sees it: whole objects by key, through fsspec. Knows no images, packages or jobs.

A key is a plain relative path. On a local folder a write goes to a temporary name and is renamed, so that a reader sees the old
object, the new one or none; object stores give the same by themselves. Nothing is flushed to the platters: after a power
cut the lease runs out and the attempt is repeated.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from importlib import import_module

import fsspec

from inference_worker.contract.failures import CodedError

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[A-Za-z0-9._=@+-]+(/[A-Za-z0-9._=@+-]+)*")
_KEY_LENGTH_MAXIMUM = 1024


class ObjectMissing(CodedError):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__("system:object_missing", key)


def key_is_safe(key: str) -> bool:
    """Whether a key stays inside the store: relative, no empty, `.` or `..` parts, no separators of other systems."""
    return len(key) <= _KEY_LENGTH_MAXIMUM and _KEY.fullmatch(key) is not None and not {".", ".."} & set(key.split("/"))


class ObjectStore:
    """Reads and writes whole objects under one root URL (file:///folder, s3://bucket/prefix, memory://name).

    Every failure is a CodedError: ObjectMissing, system:storage_full, system:storage_unavailable, or
    system:contract_violation for a key that would leave the store. Safe to use from several threads.
    """

    def __init__(self, *, url: str) -> None:
        self._filesystem, self._root = fsspec.core.url_to_fs(url)
        protocol = self._filesystem.protocol
        self._is_local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)
        self._errors = _storage_errors(is_local=self._is_local)

    def read(self, *, key: str) -> bytes:
        """The object's bytes."""
        path = self._path(key)
        try:
            data: bytes = self._filesystem.cat_file(path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissing(key) from None
        except self._errors as error:
            raise _storage_failure(key, error) from error
        return data

    def write(self, *, key: str, data: bytes) -> None:
        """Put the object in place, whole or not at all. Writing the same key again replaces it."""
        path = self._path(key)
        try:
            if not self._is_local:
                self._filesystem.pipe_file(path, data)
                return
            temporary = f"{path}.{uuid.uuid4().hex}.partial"
            try:
                self._filesystem.pipe_file(temporary, data)
            except FileNotFoundError:  # the folder is made on the first write only: most writes find it there
                self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._filesystem.pipe_file(temporary, data)
            os.replace(temporary, path)  # fsspec's own move may fall back to copying, which is not atomic
        except self._errors as error:
            raise _storage_failure(key, error) from error

    def _path(self, key: str) -> str:
        if not key_is_safe(key):
            raise CodedError("system:contract_violation", "an object key is not a plain relative path")
        return f"{self._root.rstrip('/')}/{key}"


def _storage_errors(*, is_local: bool) -> tuple[type[BaseException], ...]:
    """What a filesystem may raise when the storage behind it fails; s3fs lets some of botocore's and aiohttp's own through."""
    errors: list[type[BaseException]] = [OSError]
    if not is_local:
        for module, names in (("botocore.exceptions", ("BotoCoreError", "ClientError")), ("aiohttp", ("ClientError",))):
            try:
                loaded = import_module(module)
            except ImportError:
                logger.debug("object store: %s is not installed, so its errors cannot occur", module)
                continue
            errors.extend(getattr(loaded, name) for name in names)
    return tuple(errors)


def _storage_failure(key: str, error: BaseException) -> CodedError:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return CodedError("system:storage_full" if full else "system:storage_unavailable", f"{key}: {type(error).__name__}")
