"""What tests of archives share: reading them, and changing their directories behind zipfile's back."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from inference_worker.contract.failures import CodedError
from tests.platform_tests.studies_tests.conftest import mammogram_make
from transfers.archives import archive_studies
from transfers.entries import ArchiveRefusal
from transfers.grouping import ArchiveStudy

#: The study of every archive's first entry.
GOOD = "1.2.826.0.1.3680043.10.99.2"


def large(**changes: Any) -> bytes:
    """A mammogram longer than what is read to sort it."""
    return mammogram_make(Rows=400, Columns=400, PixelData=bytes(range(256)) * 1250, **changes)


def read(path: Path) -> tuple[list[ArchiveStudy], list[ArchiveRefusal]]:
    found = list(archive_studies(path))
    return (
        [one for one in found if isinstance(one, ArchiveStudy)],
        [one for one in found if isinstance(one, ArchiveRefusal)],
    )


def refused_as(path: Path) -> str:
    with pytest.raises(CodedError) as caught:
        list(archive_studies(path))
    return caught.value.code


def only_good_and(path: Path, code: str, *, index: int = 1) -> ArchiveRefusal:
    """The good study can be read, and the other entry is refused with this code."""
    studies, refusals = read(path)
    assert [study.study_instance_uid for study in studies] == [GOOD]
    with studies[0].open() as unpacked:
        assert [file.read() for file in unpacked.files] == [mammogram_make()]
    assert [(refusal.code, refusal.entry_index) for refusal in refusals] == [(code, index)]
    return refusals[0]


def directory_change(path: Path, name: bytes, **fields: int) -> Path:
    """The archive with fields of an entry's directory record (and of its local header where it has them) overwritten."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    offsets = {
        "flags": (8, "<H"),
        "method": (10, "<H"),
        "crc": (16, "<I"),
        "packed": (20, "<I"),
        "size": (24, "<I"),
        "local": (42, "<I"),
    }
    for field, value in fields.items():
        place, shape = offsets[field]
        struct.pack_into(shape, data, at + place, value)
    path.write_bytes(data)
    return path
