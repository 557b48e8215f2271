"""Files to be imported, whatever they lie in: an archive, a folder, a bucket. One entry at a time, as a stream, under caps.

It knows sizes, names and what may be wrong with an entry. How an archive or a bucket is read is the concern of its own module.

A name may hold a patient's name: it is shown to the sender, never logged, and never stored unencrypted.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from inference_worker.contract.failures import CodedError

IGNORED = "input:entry_ignored"
PIECE_BYTES = 1024 * 1024
_NAME_MAXIMUM = 1024
_DRIVE = re.compile(r"[A-Za-z]:")
_JUNK_NAMES = frozenset({"dicomdir", ".ds_store", "thumbs.db", "desktop.ini", "autorun.inf"})
_JUNK_TEXT = re.compile(r"(read[ _-]?me|licen[cs]e|copying)(\.(txt|md|rst|html?|pdf))?")
_ARCHIVE_SUFFIXES = frozenset(
    {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".lz4", ".jar"}
)
_ARCHIVE_MAGIC = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh",
    b"\xfd7zXZ\0",
)


class Source(Protocol):
    """The bytes of an entry as they come. `read` gives b"" at the end, CodedError for what cannot be read."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """One file. `index` counts from 0 in the order of its archive or place; `size_bytes` is what that declares: never trusted."""

    index: int
    name: str
    size_bytes: int
    open: Callable[[], Source] = field(repr=False)

    @property
    def folder(self) -> str:
        parent = str(PurePosixPath(self.name).parent)
        return "" if parent == "." else parent


@dataclass(frozen=True, slots=True)
class ArchiveRefusal:
    """An entry that is not imported, and why; `entry_index` None: the whole archive or place. `detail` names nobody."""

    code: str
    detail: str = ""
    entry_index: int | None = None
    entry_name: str = field(default="", repr=False)

    @property
    def is_ignored(self) -> bool:
        """Left aside on purpose (DICOMDIR and its like): to be mentioned, not to be counted as a failure."""
        return self.code == IGNORED

    @classmethod
    def of(cls, entry: ImportEntry, error: CodedError) -> ArchiveRefusal:
        return cls(code=error.code, detail=error.detail, entry_index=entry.index, entry_name=entry.name)


@dataclass(slots=True)
class StudyFiles:
    """Files of one study on disk, in the order of their entries, and the entries that could not be read."""

    files: list[UploadedFile]
    refusals: list[ArchiveRefusal]


@contextlib.contextmanager
def entries_open(entries: Sequence[ImportEntry]) -> Iterator[StudyFiles]:
    """The entries as temporary files, as studies.intake.study_receive takes them; the disk is returned when the block ends.

    An entry that cannot be read is among `refusals`, the others are there. Raises CodedError input:too_many_files before anything
    is written, and system:storage_full.
    """
    if len(entries) > settings.INTAKE_MAX_FILES:
        raise CodedError("input:too_many_files", f"{len(entries)} files")
    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        result = StudyFiles(files=[], refusals=[])
        for entry in entries:
            try:
                result.files.append(_on_disk(entry, stack))
            except CodedError as error:
                if not error.code.startswith("input:"):
                    raise
                result.refusals.append(ArchiveRefusal.of(entry, error))
        yield result


def _on_disk(entry: ImportEntry, stack: contextlib.ExitStack) -> UploadedFile:
    if shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR).free < settings.UPLOAD_MIN_FREE_BYTES:
        raise CodedError("system:storage_full", "where archives are unpacked")
    # Made under a fixed name: an entry's own suffix has no business on our disk.
    upload = TemporaryUploadedFile("entry", "", 0, None)
    stack.callback(upload.close)
    try:
        size = entry_copy(entry, write=upload.write)
        upload.flush()
    except OSError as error:
        upload.close()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CodedError("system:storage_full", "where archives are unpacked") from error
        raise
    except CodedError:
        upload.close()  # now, not at the end of the block: the rest may need the room
        raise
    upload.seek(0)
    upload.size = size
    upload.name = PurePosixPath(entry.name).name
    return upload


def entry_copy(entry: ImportEntry, *, write: Callable[[bytes], object], limit_bytes: int | None = None) -> int:
    """Write the entry's bytes piece by piece; returns how many. Raises CodedError input:too_large past the cap of a file,
    and what the source raises."""
    limit = settings.INTAKE_MAX_FILE_BYTES if limit_bytes is None else limit_bytes
    total = 0
    with contextlib.closing(entry.open()) as source:
        while data := source.read(PIECE_BYTES):
            total += len(data)
            if total > limit:
                raise CodedError("input:too_large", f"above {limit} bytes")
            write(data)
    return total


def entry_head(entry: ImportEntry, size: int) -> bytes:
    """At most the first `size` bytes. Raises what the source raises."""
    head = bytearray()
    with contextlib.closing(entry.open()) as source:
        while len(head) < size and (data := source.read(size - len(head))):
            head += data
    return bytes(head)


def name_normalise(name: str) -> str:
    """The relative path of an entry with forward slashes. Raises CodedError input:entry_unsafe_name for any other.

    Nothing is ever written under such a name; a sender who uses one is told all the same.
    """
    path = name.replace("\\", "/")
    parts = path.split("/")
    unsafe = not path.strip("/") or len(path) > _NAME_MAXIMUM or path.startswith("/") or _DRIVE.match(path) or ".." in parts
    if unsafe or any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise CodedError("input:entry_unsafe_name")
    normal = "/".join(part for part in parts if part not in ("", "."))
    if not normal:
        raise CodedError("input:entry_unsafe_name")
    return normal


def name_check(name: str) -> None:
    """Raises CodedError for what a normalised name alone tells: input:entry_ignored or input:entry_nested_archive."""
    path = PurePosixPath(name.lower())
    if path.name in _JUNK_NAMES or path.name.startswith("._") or "__macosx" in path.parts or _JUNK_TEXT.fullmatch(path.name):
        raise CodedError(IGNORED)
    if path.suffix in _ARCHIVE_SUFFIXES:
        raise CodedError("input:entry_nested_archive")


def content_check(head: bytes) -> None:
    """Raises CodedError input:entry_nested_archive for an archive under whatever name."""
    if head.startswith(_ARCHIVE_MAGIC) or head[257:262] == b"ustar":
        raise CodedError("input:entry_nested_archive")
