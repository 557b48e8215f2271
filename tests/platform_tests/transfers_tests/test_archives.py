"""Archives that strangers make: every kind of hostile entry is refused with its code, the rest goes on, the disk is returned."""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Site
from inference_worker.contract.failures import CodedError
from studies.intake import IntakeRefusal, study_receive
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from tests.platform_tests.transfers_tests.archive_reading import GOOD, directory_change, large, only_good_and, read, refused_as
from tests.platform_tests.transfers_tests.conftest import bytes_in


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


def test_an_encrypted_entry_is_refused(made: Callable[..., Path]) -> None:
    path = directory_change(made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9"))), b"image.dcm", flags=1)
    only_good_and(path, "input:entry_encrypted")


@pytest.mark.parametrize("method", [9, 12, 14, 93, 99])
def test_other_compressions_are_refused(made: Callable[..., Path], method: int) -> None:
    path = directory_change(made(("image.dcm", mammogram_make(StudyInstanceUID="1.2.9"))), b"image.dcm", method=method)
    only_good_and(path, "input:entry_unsupported_compression")


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
