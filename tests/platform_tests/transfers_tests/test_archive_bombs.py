"""Archives that unpack to more than they should: refused by what they declare, and held to it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.platform_tests.transfers_tests.archive_reading import directory_change, large, only_good_and, read, refused_as
from tests.platform_tests.transfers_tests.conftest import bytes_in


def test_a_bomb_that_says_so_is_refused_by_its_ratio(made: Callable[..., Path]) -> None:
    only_good_and(made(("bomb.dcm", b"\0" * 30_000_000)), "input:entry_ratio")


def test_a_file_above_the_cap_is_refused_by_its_size(made: Callable[..., Path], settings: Any) -> None:
    settings.INTAKE_MAX_FILE_BYTES = 100_000
    only_good_and(made(("large.dcm", bytes(range(256)) * 1000)), "input:too_large")


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_declared(made: Callable[..., Path], incoming: Path) -> None:
    bomb = large(StudyInstanceUID="1.2.9") + b"\0" * 50_000_000
    path = directory_change(made(("bomb.dcm", bomb)), b"bomb.dcm", size=200_000)

    studies, refusals = read(path)
    assert refusals == []  # its beginning is a mammogram
    with studies[1].open() as unpacked:
        assert bytes_in(incoming) < 2_000_000
        assert unpacked.files == []
        assert [refusal.code for refusal in unpacked.refusals] == ["input:entry_corrupt"]


def test_four_gigabytes_declared_are_refused_unread(made: Callable[..., Path]) -> None:
    path = directory_change(made(("huge.dcm", b"x" * 100)), b"huge.dcm", size=0xFFFFFFFE)
    only_good_and(path, "input:too_large")


def test_more_than_an_archive_may_hold_is_refused_as_a_whole(made: Callable[..., Path], settings: Any) -> None:
    settings.ARCHIVE_MAX_UNPACKED_BYTES = 50_000
    assert refused_as(made(("more.dcm", bytes(range(256)) * 300))) == "input:archive_too_large"


def test_too_many_entries_are_refused_before_they_are_looked_at(made: Callable[..., Path], settings: Any) -> None:
    settings.ARCHIVE_MAX_ENTRIES = 20
    assert refused_as(made(*[(f"{number}.dcm", b"x") for number in range(20)])) == "input:archive_too_many_entries"


def test_a_directory_of_any_size_is_not_read_into_memory(made: Callable[..., Path], settings: Any) -> None:
    settings.ARCHIVE_MAX_ENTRIES = 20
    info = zipfile.ZipInfo("a.dcm")
    info.comment = b"c" * 60_000
    others = []
    for number in range(3):
        other = zipfile.ZipInfo(f"{number}.dcm")
        other.comment = b"c" * 60_000
        others.append((other, b"x"))
    assert refused_as(made((info, b"x"), *others)) == "input:archive_too_many_entries"


def test_entries_that_share_their_bytes_are_a_bomb(made: Callable[..., Path]) -> None:
    path = made(("a.dcm", b"0" * 5000), ("b.dcm", b"1" * 5000), good=False)
    assert read(path)[1][0].code == "input:not_an_image"
    assert refused_as(directory_change(path, b"b.dcm", local=0)) == "input:archive_overlapping"


def test_the_quoted_overlap_is_a_bomb_too(tmp_path: Path) -> None:
    """D. Fifield's construction: a stored block quotes the next local header, so that one kernel serves every entry."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(b"\0" * 1_000_000) + kernel.flush()

    def local(name: bytes) -> bytes:
        return struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, 0, 0, len(name), 0) + name

    second = local(b"b") + packed
    quote = struct.pack("<BHH", 0, len(local(b"b")), 0xFFFF ^ len(local(b"b")))
    first = local(b"a") + quote
    body = first + second

    def record(name: bytes, offset: int, packed_bytes: int, size: int) -> bytes:
        fields = (b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, packed_bytes, size, len(name), 0, 0, 0, 0, 0, offset)
        return struct.pack("<4s6H3I5H2I", *fields) + name

    directory = record(b"a", 0, len(quote) + len(second), 1_000_000 + len(local(b"b"))) + record(
        b"b", len(first), len(packed), 1_000_000
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), len(body), 0)
    path = tmp_path / "fifield.zip"
    path.write_bytes(body + directory + end)
    assert len(zipfile.ZipFile(path).infolist()) == 2  # well formed for everybody else

    assert refused_as(path) == "input:archive_overlapping"
