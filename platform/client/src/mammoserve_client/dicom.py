"""Which study a DICOM file belongs to: its Study Instance UID (0020,000D), read from the header without a DICOM library.

Integrators' machines get httpx and rich, nothing more. Explicit and implicit little endian are read, with sequences of defined
and undefined length before the UID. Judging a file is the server's work.
Source: DICOM PS3.5 sections 7.1 and 7.5, PS3.10 section 7.1.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

STUDY_INSTANCE_UID = (0x0020, 0x000D)
TRANSFER_SYNTAX_UID = (0x0002, 0x0010)
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
NOT_READ = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
UNDEFINED = 0xFFFFFFFF
DEEPEST = 16


class _Unreadable(Exception):
    """The header ends, or is none."""


def is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def study_instance_uid(path: Path) -> str | None:
    """The UID; "" in big endian and deflated files, which are not read here; None in damaged ones and those without one.

    Raises OSError for a file that cannot be opened.
    """
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
        try:
            return _find(file)
        except _Unreadable:
            return None


def _find(file: BinaryIO) -> str | None:
    implicit, in_meta = False, True
    while True:
        tag = _tag(file)
        if in_meta and tag[0] != 0x0002:
            in_meta = False
            file.seek(-4, 1)
            continue
        length = _length(file, implicit=implicit and not in_meta)
        if tag == TRANSFER_SYNTAX_UID:
            syntax = _text(file, length)
            if syntax in NOT_READ:
                return ""
            implicit = syntax == IMPLICIT_LITTLE_ENDIAN
        elif tag == STUDY_INSTANCE_UID:
            return _text(file, length) or None
        elif tag > STUDY_INSTANCE_UID:
            return None
        elif length == UNDEFINED:
            _sequence_skip(file, implicit=implicit, depth=0)
        else:
            file.seek(length, 1)


def _read(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise _Unreadable
    return found


def _tag(file: BinaryIO) -> tuple[int, int]:
    group, element = struct.unpack("<HH", _read(file, 4))
    return group, element


def _length(file: BinaryIO, *, implicit: bool) -> int:
    if implicit:
        return int(struct.unpack("<I", _read(file, 4))[0])
    vr, short = struct.unpack("<2sH", _read(file, 4))
    if not vr.isalpha() or not vr.isupper():
        raise _Unreadable
    return int(struct.unpack("<I", _read(file, 4))[0]) if vr in LONG_VRS else int(short)


def _text(file: BinaryIO, length: int) -> str:
    if length > 64:
        raise _Unreadable
    return _read(file, length).decode("ascii", "replace").strip("\0 ")


def _sequence_skip(file: BinaryIO, *, implicit: bool, depth: int) -> None:
    """Behind the end of a sequence of undefined length."""
    if depth > DEEPEST:
        raise _Unreadable
    while True:
        tag, length = _tag(file), int(struct.unpack("<I", _read(file, 4))[0])
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise _Unreadable
        if length != UNDEFINED:
            file.seek(length, 1)
            continue
        while (tag := _tag(file)) != ITEM_END:
            length = _length(file, implicit=implicit)
            if length == UNDEFINED:
                _sequence_skip(file, implicit=implicit, depth=depth + 1)
            else:
                file.seek(length, 1)
        _read(file, 4)
