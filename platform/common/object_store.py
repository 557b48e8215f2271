"""The object store: a local folder by default, S3-compatible in production, through fsspec either way.

It knows keys and bytes. It does not know what they mean, who may read them, or when they may go.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from django.conf import settings

from inference_worker.contract.failures import CodedError

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_MAX_KEY = 500


def key_is_valid(key: str) -> bool:
    """A relative path of plain segments; none of them climbs."""
    return len(key) <= _MAX_KEY and _KEY.fullmatch(key) is not None and not {".", ".."} & set(key.split("/"))


class ObjectStore:
    """Bytes under keys below one URL. Writing is all or nothing: a reader never sees half an object.

    Storage errors surface as CodedError `system:storage_unavailable` or `system:storage_full`; a missing object as
    `system:object_missing`.
    """

    def __init__(self, url: str) -> None:
        self.filesystem, root = fsspec.core.url_to_fs(url)
        self.root = root.rstrip("/")
        self.is_local = "file" in _protocols(self.filesystem)
        if self.is_local:
            with storage_errors():
                Path(self.root).mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> str:
        """The filesystem's path of a key. Raises ValueError for a key that is not plain."""
        if not key_is_valid(key):
            raise ValueError("not a plain object key")
        return f"{self.root}/{key}"

    def put_bytes(self, key: str, data: bytes) -> None:
        """Write an object, replacing what is there."""
        path = self.path(key)
        with storage_errors():
            if self.is_local:
                with self._local_temporary(path) as temporary, temporary.open("wb") as file:
                    file.write(data)
                    _settle(file)
            else:
                self.filesystem.pipe_file(path, data)

    def put_file(self, key: str, source: Path, *, move: bool = False) -> None:
        """Write an object from a local file without holding it in memory. `move` may take the file itself."""
        path = self.path(key)
        with storage_errors():
            if not self.is_local:
                self.filesystem.put_file(str(source), path)
            elif move and _same_device(source, Path(self.root)):
                with source.open("rb") as file:
                    _settle(file)
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, path)
            else:
                with self._local_temporary(path) as temporary, source.open("rb") as reader, temporary.open("wb") as writer:
                    shutil.copyfileobj(reader, writer, 1024 * 1024)
                    _settle(writer)
        if move:
            source.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        """The object for reading, seekable. The caller closes it."""
        path = self.path(key)
        with storage_errors():
            return cast(BinaryIO, self.filesystem.open(path, "rb"))

    def get_bytes(self, key: str) -> bytes:
        """The whole object."""
        path = self.path(key)
        with storage_errors():
            return cast(bytes, self.filesystem.cat_file(path))

    def exists(self, key: str) -> bool:
        path = self.path(key)
        with storage_errors():
            return os.path.isfile(path) if self.is_local else bool(self.filesystem.exists(path))

    def size(self, key: str) -> int:
        """Size in bytes."""
        path = self.path(key)
        with storage_errors():
            return os.stat(path).st_size if self.is_local else int(self.filesystem.size(path))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        path = self.path(key)
        with storage_errors(), contextlib.suppress(FileNotFoundError):
            if self.is_local:
                os.unlink(path)
            else:
                self.filesystem.rm_file(path)

    def list_keys(self, prefix: str) -> list[str]:
        """Every key below a folder."""
        path = self.path(prefix)
        with storage_errors():
            self.filesystem.invalidate_cache()
            try:
                found = self.filesystem.find(path)
            except FileNotFoundError:
                return []
        return sorted(str(name).removeprefix(self.root).lstrip("/") for name in found)

    def check(self) -> str:
        """Write and remove a probe, and look at the free space; returns what was found, in words.

        Raises CodedError system:storage_unavailable, or system:storage_full below OBJECT_STORE_MIN_FREE_BYTES.
        """
        probe = f"probes/{uuid.uuid4().hex}"
        self.put_bytes(probe, b"ready")
        self.delete(probe)
        if not self.is_local:
            return "writable"
        free = shutil.disk_usage(self.root).free
        if free < settings.OBJECT_STORE_MIN_FREE_BYTES:
            raise CodedError("system:storage_full", f"{free // 1_000_000} MB free")
        return f"writable, {free // 1_000_000_000} GB free"

    @contextlib.contextmanager
    def _local_temporary(self, path: str) -> Iterator[Path]:
        """A temporary file beside the target, which it becomes when the block ends well."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.part")
        try:
            yield temporary
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _protocols(filesystem: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _same_device(source: Path, folder: Path) -> bool:
    return source.stat().st_dev == folder.stat().st_dev


def _settle(file: BinaryIO) -> None:
    """Onto the disk before the rename, so that an accepted study survives a power cut."""
    if file.writable():
        file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """The one border between storage exceptions and coded errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise CodedError("system:object_missing", type(error).__name__) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CodedError("system:storage_full", type(error).__name__) from error
        raise CodedError("system:storage_unavailable", type(error).__name__) from error
    except Exception as error:
        if not isinstance(error, _client_errors()):
            raise
        raise CodedError("system:storage_unavailable", type(error).__name__) from error


@functools.cache
def _client_errors() -> tuple[type[Exception], ...]:
    """What s3fs lets through unchanged from the libraries below it, such as “no connection to the endpoint”. Empty where no
    S3 client is installed: then none of them can occur."""
    errors: list[type[Exception]] = []
    for module, names in (("botocore.exceptions", ("BotoCoreError", "ClientError")), ("aiohttp", ("ClientError",))):
        try:
            loaded = importlib.import_module(module)
        except ImportError:
            logger.debug("object store: %s is not installed", module)
            continue
        errors.extend(getattr(loaded, name) for name in names)
    return tuple(errors)


@functools.lru_cache(maxsize=4)
def _store_at(url: str) -> ObjectStore:
    return ObjectStore(url)


def object_store() -> ObjectStore:
    """The store at OBJECT_STORE_URL."""
    return _store_at(settings.OBJECT_STORE_URL)
