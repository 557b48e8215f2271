"""Reading ZIP archives that a stranger made: nothing is believed, nothing is written under an archive's names.

The directory is read by the standard library under a cap; entries are inflated here, piece by piece and counted, because zipfile
believes sizes, has no answer to overlapping entries on every Python we support, and keeps the archive open between entries.
Stored and deflated entries only. Source: APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings

from inference_worker.contract.failures import CodedError
from transfers.entries import ArchiveRefusal, ImportEntry, name_check, name_normalise
from transfers.grouping import ArchiveStudy, studies_group

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DIRECTORY_SIGNATURE = b"PK\x01\x02"
_ENCRYPTED = 0x1 | 0x40 | 0x2000
#: Of a directory, for each entry that an archive may have: a header of 46 bytes, the name, times.
_DIRECTORY_BYTES_PER_ENTRY = 512
_INPUT_BYTES = 256 * 1024
#: Small files compress well by nature.
_RATIO_FROM_BYTES = 4 * 1024 * 1024
_DIRECTORY_ERRORS = (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, LookupError, OverflowError, EOFError)


def archive_studies(path: Path) -> Iterator[ArchiveStudy | ArchiveRefusal]:
    """What an archive holds, sorted into studies: refusals of single entries first, then the studies in the archive's order.

    A study may be opened at any time while the file exists, also after the iteration. Raises CodedError when the archive as a
    whole is refused: input:archive_corrupt, input:archive_too_many_entries, input:archive_too_large, input:archive_overlapping.
    """
    return studies_group(archive_entries(path))


def archive_entries(path: Path) -> Iterator[ImportEntry | ArchiveRefusal]:
    """Every entry that could be an image, and a refusal for every other one; folders are passed over. Raises as above,
    before the first is given."""
    members = _directory_read(path)
    starts = _data_starts(path, members)
    seen: set[str] = set()
    for index, member in enumerate(members):
        if member.orig_filename.endswith("/") and not member.file_size:
            continue
        try:
            name = name_normalise(member.orig_filename)
            name_check(name)
            _member_check(member)
            if name.casefold() in seen:
                raise CodedError("input:entry_duplicate_name")
        except CodedError as error:
            yield ArchiveRefusal(
                code=error.code, detail=error.detail, entry_index=index, entry_name=member.orig_filename.replace("\0", "")
            )
            continue
        seen.add(name.casefold())
        source = partial(_Member, path, member, starts[index])
        yield ImportEntry(index=index, name=name, size_bytes=member.file_size, open=source)


class _DirectoryOnly:
    """A file for zipfile to find and read the directory in: refuses a directory larger than an archive may have, unread."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._limit = max(128 * 1024, settings.ARCHIVE_MAX_ENTRIES * _DIRECTORY_BYTES_PER_ENTRY)

    def read(self, size: int = -1) -> bytes:
        if size > self._limit:
            raise CodedError("input:archive_too_many_entries", f"above {settings.ARCHIVE_MAX_ENTRIES}")
        data = self._file.read(self._limit if size < 0 else size)
        if data.count(_DIRECTORY_SIGNATURE) > settings.ARCHIVE_MAX_ENTRIES:
            raise CodedError("input:archive_too_many_entries", f"above {settings.ARCHIVE_MAX_ENTRIES}")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _directory_read(path: Path) -> list[zipfile.ZipInfo]:
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(cast(Any, _DirectoryOnly(file))) as archive:
                members = archive.infolist()
        except _DIRECTORY_ERRORS as error:
            # Without the cause: its message may quote a name.
            raise CodedError("input:archive_corrupt", type(error).__name__) from None
    if sum(member.file_size for member in members) > settings.ARCHIVE_MAX_UNPACKED_BYTES:
        raise CodedError("input:archive_too_large", f"above {settings.ARCHIVE_MAX_UNPACKED_BYTES} bytes unpacked")
    return members


def _data_starts(path: Path, members: list[zipfile.ZipInfo]) -> list[int]:
    """Where each entry's bytes begin. Raises CodedError input:archive_overlapping when two entries share any byte,
    input:archive_corrupt for one that does not lie in the file. Source of the attack: D. Fifield, “A better zip bomb”, 2019."""
    spans = []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for member in members:
            if not 0 <= member.header_offset < size:
                raise CodedError("input:archive_corrupt", "an entry lies outside the file")
            file.seek(member.header_offset)
            header = file.read(_LOCAL_HEADER.size)
            if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_SIGNATURE):
                raise CodedError("input:archive_corrupt", "an entry has no local header")
            name_length, extra_length = _LOCAL_HEADER.unpack(header)[-2:]
            start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
            if start + member.compress_size > size:
                raise CodedError("input:archive_corrupt", "an entry runs past the end of the file")
            spans.append((member.header_offset, start, start + member.compress_size))
    by_place = sorted(spans)
    if any(following[0] < one[2] for one, following in itertools.pairwise(by_place)):
        raise CodedError("input:archive_overlapping")
    return [start for _, start, _ in spans]


def _member_check(member: zipfile.ZipInfo) -> None:
    """What the directory says of an entry. Raises CodedError with the code of what is wrong."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise CodedError("input:entry_special_file")
    if member.flag_bits & _ENCRYPTED:
        raise CodedError("input:entry_encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CodedError("input:entry_unsupported_compression", f"method {member.compress_type}")
    if not member.file_size:
        raise CodedError("input:empty_file")
    if member.file_size > settings.INTAKE_MAX_FILE_BYTES:
        raise CodedError("input:too_large", f"above {settings.INTAKE_MAX_FILE_BYTES} bytes")
    if member.file_size > _RATIO_FROM_BYTES and member.file_size > settings.ARCHIVE_MAX_RATIO * max(1, member.compress_size):
        raise CodedError("input:entry_ratio", f"above {settings.ARCHIVE_MAX_RATIO} times")


class _Member:
    """The unpacked bytes of one entry, counted as they come: never more than it declared, so that the sum over the directory,
    which was held against the archive's cap, holds for what really comes out."""

    def __init__(self, path: Path, member: zipfile.ZipInfo, start: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._packed_left = member.compress_size
        self._left = member.file_size
        self._checksum = 0
        self._declared_checksum = member.CRC
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == zipfile.ZIP_DEFLATED else None
        self._pending = b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, b"" at the end. Raises CodedError input:entry_corrupt."""
        data = self._stored(size) if self._inflater is None else self._inflated(size)
        self._left -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if self._left < 0:
            raise CodedError("input:entry_corrupt", "more bytes than declared")
        if not data and size:
            if self._left:
                raise CodedError("input:entry_corrupt", "fewer bytes than declared")
            if self._checksum != self._declared_checksum:
                raise CodedError("input:entry_corrupt", "checksum")
        return data

    def close(self) -> None:
        self._file.close()

    def _packed(self, size: int) -> bytes:
        data = self._file.read(min(size, self._packed_left))
        self._packed_left -= len(data)
        return data

    def _stored(self, size: int) -> bytes:
        return self._packed(size)

    def _inflated(self, size: int) -> bytes:
        assert self._inflater is not None  # chosen by read
        while not self._inflater.eof:
            self._pending = self._pending or self._packed(_INPUT_BYTES)
            if not self._pending:
                raise CodedError("input:entry_corrupt", "the packed bytes end early")
            try:
                data = self._inflater.decompress(self._pending, size)
            except zlib.error:
                raise CodedError("input:entry_corrupt", "cannot be inflated") from None
            self._pending = self._inflater.unconsumed_tail
            if data:
                return data
        return b""
