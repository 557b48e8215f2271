"""Zip archives as packages: what is honest is unpacked, and nothing that is not leaves a byte behind."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.archives import package_unpack
from inference_worker.contract.failures import CodedError
from model_registry.packaging import package_verify
from tests.platform_tests.jobs_tests.factories import package_folder

MAXIMUM = 1_000_000
Files = dict[str, bytes]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A package's files by path."""
    folder = package_folder(tmp_path / "made")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def zipped(files: Files, *, top: str = "", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(top + path, data)
    return stream.getvalue()


def unpack(data: bytes, folder: Path, *, bytes_maximum: int = MAXIMUM) -> None:
    folder.mkdir()
    package_unpack(archive=io.BytesIO(data), folder=folder, bytes_maximum=bytes_maximum, model_bytes_maximum=MAXIMUM)


def refused(data: bytes, folder: Path, **limits: int) -> tuple[str, str]:
    """(code, detail) of the refusal; nothing but the folder itself may have been written outside of it."""
    with pytest.raises(CodedError) as failure:
        unpack(data, folder, **limits)
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, "made"}
    return failure.value.code, failure.value.detail


@pytest.mark.parametrize("top", ["", "known-answer-1.0.0/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_package_is_unpacked_whole(files: Files, tmp_path: Path, top: str, method: int) -> None:
    litter = {f"{top}.DS_Store": b"finder"}
    unpack(zipped(files | litter, top=top, method=method), tmp_path / "here")
    package = package_verify(tmp_path / "here")
    assert package.manifest.name == "known-answer"
    assert not (tmp_path / "here" / ".DS_Store").exists()


def _added(path: str, data: bytes = b"x") -> Callable[[Files], bytes]:
    return lambda files: zipped(files | {path: data})


def _link(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path)
            if path == "model.onnx":
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                data = b"/etc/passwd"
            archive.writestr(entry, data)
    return stream.getvalue()


def _twice(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("model.onnx", b"the other one")
    return stream.getvalue()


def _encrypted(files: Files) -> bytes:
    data = bytearray(zipped(files))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            data[place + offset] |= 1
    return bytes(data)


def _nested(files: Files) -> bytes:
    return zipped({"package.zip": zipped(files)})


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_added("../outside"), "input:archive_refused"),
        (_added("golden/../../outside"), "input:archive_refused"),
        (_added("/etc/cron.d/outside"), "input:archive_refused"),
        (_added("C:\\outside"), "input:archive_refused"),
        (_added("golden//outside"), "input:archive_refused"),
        (_added("unlisted.bin"), "input:archive_refused"),
        (_added("inner.zip", b"PK\x03\x04"), "input:archive_refused"),
        (_added("MODEL.onnx"), "input:archive_refused"),
        (_link, "input:archive_refused"),
        (_twice, "input:archive_refused"),
        (_encrypted, "input:archive_refused"),
        (_nested, "model:package_missing"),
        (lambda files: zipped({"holiday.jpg": b"\xff\xd8\xff"}), "model:package_missing"),
        (lambda files: b"not a zip at all", "input:not_an_archive"),
        (lambda files: zipped(files)[:-40], "input:not_an_archive"),
        (lambda files: zipped(files | {"manifest.json": b"{}"}), "model:invalid_package"),
        (lambda files: zipped(files | {"model.onnx": b"longer than before"}), "model:digest_mismatch"),
        (lambda files: zipped({path: data for path, data in files.items() if path != "model.onnx"}), "model:invalid_package"),
    ],
)
def test_what_is_no_honest_package_is_refused(files: Files, tmp_path: Path, make: Callable[[Files], bytes], code: str) -> None:
    assert refused(make(files), tmp_path / "here")[0] == code


def test_a_bomb_is_refused_by_what_it_declares(files: Files, tmp_path: Path) -> None:
    manifest = json.loads(files["manifest.json"])
    huge = b"\x00" * 3_000_000
    for entry in manifest["files"]:
        if entry["path"] == "golden/view.npz":
            entry["size_bytes"] = len(huge)
    data = zipped(files | {"manifest.json": json.dumps(manifest).encode(), "golden/view.npz": huge})
    assert len(data) < 10_000
    assert refused(data, tmp_path / "here")[0] == "model:too_large"


def test_a_bomb_that_lies_about_its_size_ends_at_that_size(files: Files, tmp_path: Path) -> None:
    honest = len(files["golden/view.npz"])
    data = bytearray(zipped(files | {"golden/view.npz": b"\x00" * 5_000_000}))
    place = -1
    while (place := data.find(b"PK\x01\x02", place + 1)) >= 0:  # the directory says what the manifest says
        name_length = struct.unpack_from("<H", data, place + 28)[0]
        if data[place + 46 : place + 46 + name_length] == b"golden/view.npz":
            struct.pack_into("<I", data, place + 24, honest)
    assert refused(bytes(data), tmp_path / "here")[0] in ("input:archive_refused", "input:not_an_archive")
    written = sum(path.stat().st_size for path in (tmp_path / "here").rglob("*") if path.is_file())
    assert written < sum(map(len, files.values())) + 100


def test_a_directory_that_claims_gigabytes_is_not_read(files: Files, tmp_path: Path) -> None:
    data = bytearray(zipped(files))
    end = data.rfind(b"PK\x05\x06")
    filler = b"\x00" * 9_000_000
    data[end:end] = filler
    end += len(filler)
    size = struct.unpack_from("<I", data, end + 12)[0]
    struct.pack_into("<I", data, end + 12, size + len(filler))
    code, detail = refused(bytes(data), tmp_path / "here")
    assert (code, "directory" in detail) == ("input:not_an_archive", True)
