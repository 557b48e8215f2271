"""Archives that strangers make: every kind of hostile entry is refused with its code, the rest goes on, the disk is returned."""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Site
from inference_worker.contract.failures import CodedError
from studies.intake import IntakeRefusal, study_receive
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from tests.platform_tests.transfers_tests.conftest import bytes_in
from transfers.archives import archive_studies
from transfers.entries import ArchiveRefusal
from transfers.grouping import ArchiveStudy

GOOD = "1.2.826.0.1.3680043.10.99.2"


@pytest.fixture(autouse=True)
def incoming(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where entries are unpacked; empty again after every test."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    yield tmp_path / "incoming"
    assert bytes_in(tmp_path / "incoming") == 0
    assert not any((tmp_path / "incoming").glob("*"))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """An archive of entries: name or ZipInfo → bytes; one good mammogram is always first."""

    def make(*entries: tuple[str | zipfile.ZipInfo, bytes], good: bool = True) -> Path:
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in ([("good.dcm", mammogram_make())] if good else []) + list(entries):
                archive.writestr(name, data)
        return path

    return make


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


def test_a_tree_becomes_studies_by_uid_and_pictures_by_folder(made: Callable[..., Path], site: Site, store: Any) -> None:
    path = made(
        ("p1/im1", mammogram_make(SOPInstanceUID="1.2.3.1", StudyInstanceUID="1.2.3.8")),
        ("p2/im1", mammogram_make(SOPInstanceUID="1.2.3.3", StudyInstanceUID="1.2.3.9", PatientID="MRN-0043")),
        ("p1/deep/im2", mammogram_make(SOPInstanceUID="1.2.3.2", StudyInstanceUID="1.2.3.8", ImageLaterality="L")),
        ("film/", b""),
        ("film/RCC.png", png_make()),
        ("film/LCC.png", png_make(size=(81, 96))),
        (r"windows\path\R_MLO.png", png_make()),
        good=False,
    )

    studies, refusals = read(path)

    assert refusals == []
    assert [(study.study_instance_uid, study.folder, len(study.entries)) for study in studies] == [
        ("1.2.3.8", "p1", 2),
        ("1.2.3.9", "p2", 1),
        ("", "film", 2),
        ("", "windows/path", 1),
    ]
    with studies[0].open() as unpacked:
        received = study_receive(site=site, files=unpacked.files)
    assert [image.image_laterality for image in received.images] == ["R", "L"]
    with studies[2].open() as unpacked:
        received = study_receive(site=site, files=unpacked.files)
    assert [(image.image_laterality, image.view_position) for image in received.images] == [("R", "CC"), ("L", "CC")]
    assert [study.key for study in read(path)[0]] == [study.key for study in studies]
    assert len({study.key for study in studies}) == 4


def test_a_uid_that_lies_deep_is_found_and_a_hostile_header_costs_little(made: Callable[..., Path]) -> None:
    before, after = (whole := mammogram_make())[: (at := whole.index(b"\x10\0\x10\0PN"))], whole[at:]
    item = (
        struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + b"\x08\0\0\x01SH\x02\0A " * 5000
        + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    )
    sequence = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    private = struct.pack("<HH2sHI", 9, 0x1010, b"OB", 0, 300_000) + b"\0" * 300_000
    quick = item[:8] + b"\x08\0\0\x01SH\x02\0A " + item[-8:]
    path = made(
        ("deep/private.dcm", before + private + after),
        ("deep/cut-in-a-sequence.dcm", before + sequence + quick * 100 + end + private + after),
        ("hostile/nested.dcm", before + sequence + item * 20 + end + after),
    )

    studies, refusals = read(path)

    assert refusals == []
    # What is found only behind thousands of elements is sorted by its folder, and left to intake.
    assert [(study.study_instance_uid, len(study.entries)) for study in studies] == [(GOOD, 3), ("", 1)]


def test_what_comes_with_images_is_left_aside_and_mentioned(made: Callable[..., Path]) -> None:
    names = ["DICOMDIR", "a/.DS_Store", "__MACOSX/a/._im1", "Thumbs.db", "README.TXT", "readme", "LICENSE.md", "._x.dcm"]
    studies, refusals = read(made(*[(name, b"x") for name in names]))

    assert len(studies) == 1
    assert [refusal.code for refusal in refusals] == ["input:entry_ignored"] * len(names)
    assert all(refusal.is_ignored for refusal in refusals)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/../../b.dcm",
        "/etc/cron.d/x",
        r"..\..\x.dcm",
        r"C:\x.dcm",
        "c:x.dcm",
        "a\nb.dcm",
        "\x7f.dcm",
        "x" * 1100,
    ],
)
def test_a_name_that_leads_outside_is_refused(made: Callable[..., Path], name: str, tmp_path: Path) -> None:
    only_good_and(made((name, mammogram_make(StudyInstanceUID="1.2.9"))), "input:entry_unsafe_name")


def test_a_name_with_a_nul_is_refused(made: Callable[..., Path]) -> None:
    path = made(("image.dcmXevil", mammogram_make(StudyInstanceUID="1.2.9")))
    path.write_bytes(path.read_bytes().replace(b"image.dcmXevil", b"image.dcm\0evil"))

    only_good_and(path, "input:entry_unsafe_name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files_are_not_followed(made: Callable[..., Path], kind: int) -> None:
    info = zipfile.ZipInfo("image.dcm")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16

    only_good_and(made((info, b"/etc/passwd")), "input:entry_special_file")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("inner.zip", b"PK\x05\x06" + b"\0" * 18),
        ("image.dcm", b"PK\x03\x04" + b"\0" * 200),
        ("studies.tar.gz", b"\x1f\x8b\x08"),
        ("image", b"7z\xbc\xaf\x27\x1c" + b"\0" * 200),
        ("image.png", b"\0" * 257 + b"ustar\x0000"),
    ],
)
def test_archives_in_archives_are_not_unpacked(made: Callable[..., Path], name: str, data: bytes) -> None:
    only_good_and(made((name, data)), "input:entry_nested_archive")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("one-byte.dcm", b"x", "input:not_an_image"),
        ("empty.dcm", b"", "input:empty_file"),
        ("letter.pdf", b"%PDF-1.7 and more", "input:not_an_image"),
    ],
)
def test_what_is_no_image_is_refused(made: Callable[..., Path], name: str, data: bytes, code: str) -> None:
    refusal = only_good_and(made((name, data)), code)
    assert refusal.entry_name == name
    assert name not in repr(refusal)


def test_of_two_entries_with_one_name_the_first_is_read(made: Callable[..., Path]) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = made(("good.dcm", mammogram_make(StudyInstanceUID="1.2.9")))
    only_good_and(path, "input:entry_duplicate_name")


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


def test_an_encrypted_entry_is_refused(made: Callable[..., Path]) -> None:
    path = directory_change(made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9"))), b"image.dcm", flags=1)
    only_good_and(path, "input:entry_encrypted")


@pytest.mark.parametrize("method", [9, 12, 14, 93, 99])
def test_other_compressions_are_refused(made: Callable[..., Path], method: int) -> None:
    path = directory_change(made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9"))), b"image.dcm", method=method)
    only_good_and(path, "input:entry_unsupported_compression")


# ── bombs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [b"", b"PK", b"x", b"PK\x03\x04" + b"\0" * 500, b"PK\x05\x06" + b"\xff" * 18, b"MZ" * 5000])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    assert refused_as(path) == "input:archive_corrupt"


def test_an_archive_cut_short_is_refused(made: Callable[..., Path]) -> None:
    path = made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9")))
    path.write_bytes(path.read_bytes()[:-30])
    assert refused_as(path) == "input:archive_corrupt"


@pytest.mark.parametrize("fields", [{"local": 0x7FFFFFF0}, {"packed": 0x7FFFFFF0}, {"local": 7}])
def test_entries_outside_the_file_are_refused(made: Callable[..., Path], fields: dict[str, int]) -> None:
    path = directory_change(made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9"))), b"image.dcm", **fields)
    assert refused_as(path) == "input:archive_corrupt"


def test_a_wrong_checksum_is_found_when_the_entry_is_read_and_harms_no_other(made: Callable[..., Path]) -> None:
    path = directory_change(made(("image.dcm", large(SOPInstanceUID="1.2.9"))), b"image.dcm", crc=7)

    [study], refusals = read(path)

    assert refusals == []
    with study.open() as unpacked:
        assert [file.read() for file in unpacked.files] == [mammogram_make()]
        assert [(refusal.code, refusal.entry_index) for refusal in unpacked.refusals] == [("input:entry_corrupt", 1)]


def test_damaged_compression_is_refused(made: Callable[..., Path]) -> None:
    path = made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9")))
    data = bytearray(path.read_bytes())
    at = data.index(b"image.dcm") + len(b"image.dcm")
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    only_good_and(path, "input:entry_corrupt")


def test_every_single_damaged_byte_is_survived(made: Callable[..., Path], tmp_path: Path) -> None:
    """Anything but a study, a refusal or a coded error would fail here."""
    whole = made(("image.png", png_make(size=(64, 64)))).read_bytes()
    path = tmp_path / "damaged.zip"
    end = len(whole) - 260  # the directory and the end record, and a part of the last entry
    codes = set()
    for place in [*range(60), *range(end, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            studies, _ = read(path)
            for study in studies:
                with study.open():
                    pass
        except CodedError as error:
            codes.add(error.code)
    assert "input:archive_corrupt" in codes
    assert all(code.startswith("input:archive_") for code in codes)


def test_an_archive_without_images_says_so(made: Callable[..., Path]) -> None:
    studies, refusals = read(made(("README", b"x"), good=False))
    assert studies == []
    assert [refusal.code for refusal in refusals] == ["input:entry_ignored", "input:archive_empty"]


def test_zip64_and_stored_and_streamed_entries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with path.open("wb") as file:
        file.write(b"#!/bin/sh a self-extracting stub\n")
        with zipfile.ZipFile(file, "w") as archive:
            with archive.open("sixty-four.dcm", "w", force_zip64=True) as entry:
                entry.write(mammogram_make())
            archive.writestr("deflated.dcm", mammogram_make(SOPInstanceUID="1.2.9"), zipfile.ZIP_DEFLATED)

    [study], refusals = read(path)

    assert refusals == []
    with study.open() as unpacked:
        assert [file.read() for file in unpacked.files] == [mammogram_make(), mammogram_make(SOPInstanceUID="1.2.9")]
        assert unpacked.refusals == []


# ── disk ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_study_at_a_time_is_on_disk_and_gone_when_its_block_ends(made: Callable[..., Path], incoming: Path) -> None:
    path = made(("other.dcm", mammogram_make(StudyInstanceUID="1.2.9")))
    size = len(mammogram_make())

    for study in read(path)[0]:
        with contextlib.suppress(RuntimeError), study.open():
            assert size - 100 < bytes_in(incoming) < size + 100
            raise RuntimeError
        assert bytes_in(incoming) == 0


def test_a_study_with_too_many_files_is_refused_before_anything_is_written(
    made: Callable[..., Path], settings: Any, site: Site, store: Any, incoming: Path
) -> None:
    settings.INTAKE_MAX_FILES = 2
    [study], _ = read(made(*[(f"{n}.dcm", mammogram_make(SOPInstanceUID=f"1.2.{n}")) for n in range(2)]))
    assert len(study.entries) == 3

    with pytest.raises(CodedError, match="input:too_many_files"), study.open():
        pass


def test_without_room_nothing_is_unpacked(made: Callable[..., Path], settings: Any) -> None:
    [study], _ = read(made())
    settings.UPLOAD_MIN_FREE_BYTES = 10**18

    with pytest.raises(CodedError, match="system:storage_full"), study.open():
        pass


def test_one_uid_with_two_patients_is_refused_by_intake(made: Callable[..., Path], site: Site, store: Any) -> None:
    [study], _ = read(made(("b.dcm", mammogram_make(SOPInstanceUID="1.2.9", PatientID="MRN-0043", PatientName="Doe^Mary"))))

    with study.open() as unpacked, pytest.raises(IntakeRefusal) as caught:
        study_receive(site=site, files=unpacked.files)

    assert caught.value.code == "input:mixed_patients"
