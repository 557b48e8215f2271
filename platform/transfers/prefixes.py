"""Import by reference: objects below a place that the operator opened to the site, and nothing outside it.

IMPORT_PREFIXES maps a site's slug to fsspec URLs. A place is a folder of this machine or a bucket; links that lie in a folder are
never followed, not even when they are put there between listing and reading. Nothing is copied before a study is opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
from django.conf import settings

from accounts.models import Site
from common.object_store import storage_errors
from inference_worker.contract.failures import CodedError
from transfers.entries import ArchiveRefusal, ImportEntry, Source, name_check, name_normalise
from transfers.grouping import ArchiveStudy, studies_group

_URL = re.compile(r"([a-z][a-z0-9]*)://([^\x00-\x1f\x7f\\?#]{0,1024})")
_LOCAL = "file"
_NOT_A_FILE = -1


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL below an open one: `base` is the operator's own path, `parts` leads on from there."""

    scheme: str
    base: str
    parts: tuple[str, ...]


def prefix_studies(*, site: Site, url: str) -> Iterator[ArchiveStudy | ArchiveRefusal]:
    """What lies at or below `url`, sorted into studies as transfers.archives.archive_studies does it.

    Raises CodedError input:prefix_not_allowed, input:prefix_unreadable, input:archive_too_many_entries, input:archive_too_large,
    system:storage_unavailable.
    """
    return studies_group(prefix_files(site=site, url=url))


def prefix_files(*, site: Site, url: str) -> Iterator[ImportEntry | ArchiveRefusal]:
    """Every object at or below `url` in the order of names, and a refusal for each that is no plain file. Raises as above,
    before the first is given."""
    place = _place(site, url)
    listed = sorted(_local_list(place) if place.scheme == _LOCAL else _remote_list(place))
    if not listed:
        raise CodedError("input:prefix_unreadable", "nothing there")
    if sum(size for _, size in listed) > settings.ARCHIVE_MAX_UNPACKED_BYTES:
        raise CodedError("input:archive_too_large", f"above {settings.ARCHIVE_MAX_UNPACKED_BYTES} bytes")
    return _entries(place, listed)


def _entries(place: _Place, listed: list[tuple[str, int]]) -> Iterator[ImportEntry | ArchiveRefusal]:
    for index, (name, size) in enumerate(listed):
        shown = name or (place.parts[-1] if place.parts else PurePosixPath(place.base).name)
        try:
            normal = name_normalise(shown)
            if size == _NOT_A_FILE:
                raise CodedError("input:entry_special_file")
            name_check(normal)
            if not size:
                raise CodedError("input:empty_file")
            if size > settings.INTAKE_MAX_FILE_BYTES:
                raise CodedError("input:too_large", f"above {settings.INTAKE_MAX_FILE_BYTES} bytes")
        except CodedError as error:
            yield ArchiveRefusal(code=error.code, detail=error.detail, entry_index=index, entry_name=shown)
            continue
        opener = _local_open if place.scheme == _LOCAL else _remote_open
        yield ImportEntry(index=index, name=normal, size_bytes=size, open=partial(opener, place, name))


def _place(site: Site, url: str) -> _Place:
    """Raises CodedError input:prefix_not_allowed for anything but a URL at or below one that is open to the site."""
    scheme, parts = _split(url)
    for opened in settings.IMPORT_PREFIXES.get(site.slug, ()):
        opened_scheme, opened_parts = _split(opened)
        if scheme == opened_scheme and parts[: len(opened_parts)] == opened_parts:
            root = "/" if scheme == _LOCAL else f"{scheme}://"
            return _Place(scheme=scheme, base=root + "/".join(opened_parts), parts=parts[len(opened_parts) :])
    raise CodedError("input:prefix_not_allowed")


def _split(url: str) -> tuple[str, tuple[str, ...]]:
    """(scheme, segments). No segment climbs, none is empty; chained URLs of fsspec (“zip::…”) have no place here."""
    matched = _URL.fullmatch(url)
    if matched is None or "::" in url:
        raise CodedError("input:prefix_not_allowed", "not a plain URL")
    parts = tuple(matched[2].strip("/").split("/")) if matched[2].strip("/") else ()
    if {"", ".", ".."} & set(parts):
        raise CodedError("input:prefix_not_allowed", "not a plain path")
    return matched[1], parts


def _count_check(count: int) -> None:
    if count > settings.ARCHIVE_MAX_ENTRIES:
        raise CodedError("input:archive_too_many_entries", f"above {settings.ARCHIVE_MAX_ENTRIES}")


# ── a folder of this machine ──────────────────────────────────────────────────────────────────────────────────────────


def _descend(base: str, parts: tuple[str, ...]) -> int:
    """A descriptor of base/parts, opened one segment at a time so that no link below `base` is followed. Raises CodedError."""
    try:
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
        for part in parts:
            above, descriptor = descriptor, -1
            try:
                # Non-blocking: opening a pipe must not wait for its other end.
                descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=above)
            finally:
                os.close(above)
    except OSError as error:
        raise CodedError("input:prefix_unreadable", type(error).__name__) from None
    return descriptor


def _local_list(place: _Place) -> Iterator[tuple[str, int]]:
    """(relative name, size) of everything that is no folder; links and special files have no size."""
    top = _descend(place.base, place.parts)
    try:
        status = os.fstat(top)
        if not stat.S_ISDIR(status.st_mode):
            yield "", status.st_size if stat.S_ISREG(status.st_mode) else _NOT_A_FILE
            return
        count = 0
        for folder, folders, files, folder_descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            for name in (*files, *folders):
                status = os.stat(name, dir_fd=folder_descriptor, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    continue
                _count_check(count := count + 1)
                yield str(PurePosixPath(folder, name)), status.st_size if stat.S_ISREG(status.st_mode) else _NOT_A_FILE
    except OSError as error:
        raise CodedError("input:prefix_unreadable", type(error).__name__) from None
    finally:
        os.close(top)


def _local_open(place: _Place, name: str) -> Source:
    descriptor = _descend(place.base, (*place.parts, *PurePosixPath(name).parts))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CodedError("input:entry_special_file")
    return _Reader(os.fdopen(descriptor, "rb"))


# ── a bucket ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _filesystem(place: _Place) -> tuple[fsspec.AbstractFileSystem, str]:
    url = "/".join((place.base.rstrip("/") if place.base != f"{place.scheme}://" else f"{place.scheme}:/", *place.parts))
    with storage_errors():
        filesystem, root = fsspec.core.url_to_fs(url)
    return filesystem, str(root).rstrip("/")


def _remote_list(place: _Place) -> Iterator[tuple[str, int]]:
    filesystem, root = _filesystem(place)
    filesystem.invalidate_cache()
    waiting = [root]
    count = 0
    while waiting:
        for found in _listing(filesystem, waiting.pop()):
            name = str(found["name"]).rstrip("/")
            if name == root and found.get("type") != "file":
                continue
            relative = "" if name == root else name.removeprefix(f"{root}/")
            if relative == name or {"", ".", ".."} & set(relative.split("/") if relative else ()):
                continue  # not below the place, whatever the store says
            if found.get("type") == "directory":
                waiting.append(name)
                continue
            _count_check(count := count + 1)
            yield relative, int(found.get("size") or 0)


def _listing(filesystem: fsspec.AbstractFileSystem, path: str) -> list[dict[str, Any]]:
    try:
        with storage_errors():
            return list(filesystem.ls(path, detail=True))
    except CodedError as error:
        if error.code == "system:object_missing":
            raise CodedError("input:prefix_unreadable", "nothing there") from None
        raise


def _remote_open(place: _Place, name: str) -> Source:
    filesystem, root = _filesystem(place)
    with storage_errors():
        return _Reader(filesystem.open(f"{root}/{name}" if name else root, "rb"))


class _Reader:
    """An open file or object as an entry's source."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        with storage_errors():
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()
