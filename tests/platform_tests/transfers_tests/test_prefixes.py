"""Import by reference: what is open to a site can be read, and nothing beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from accounts.models import Site
from inference_worker.contract.failures import CodedError
from studies.intake import study_receive
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from transfers.entries import ArchiveRefusal, ImportEntry
from transfers.grouping import ArchiveStudy
from transfers.prefixes import prefix_files, prefix_studies


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder that is open to the site “north”; beside it lies a secret."""
    opened = tmp_path / "opened"
    (opened / "deep").mkdir(parents=True)
    (tmp_path / "opened-not").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "image.dcm").write_bytes(mammogram_make(StudyInstanceUID="1.2.66"))
    settings.IMPORT_PREFIXES = {"north": [f"file://{opened}", "memory://bucket/north/"]}
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    return opened


@pytest.fixture
def bucket(folder: Path) -> Iterator[Any]:
    """A store without folders of this machine: fsspec's own, in memory."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def code_of(site: Site, url: str) -> str:
    with pytest.raises(CodedError) as caught:
        list(prefix_files(site=site, url=url))
    return caught.value.code


def test_a_folder_becomes_studies(folder: Path, site: Site, store: Any) -> None:
    (folder / "a.dcm").write_bytes(mammogram_make())
    (folder / "deep" / "b.dcm").write_bytes(mammogram_make(SOPInstanceUID="1.2.9", ImageLaterality="L"))
    (folder / "deep" / "RCC.png").write_bytes(png_make())
    (folder / "deep" / "README").write_bytes(b"x")

    found = list(prefix_studies(site=site, url=f"file://{folder}"))

    assert [one.code for one in found if isinstance(one, ArchiveRefusal)] == ["input:entry_ignored"]
    mammograms, film = [one for one in found if isinstance(one, ArchiveStudy)]
    with mammograms.open() as unpacked:
        assert [image.image_laterality for image in study_receive(site=site, files=unpacked.files).images] == ["R", "L"]
    with film.open() as unpacked:
        assert [file.name for file in unpacked.files] == ["RCC.png"]
    [below] = [one for one in prefix_studies(site=site, url=f"file://{folder}/deep/b.dcm") if isinstance(one, ArchiveStudy)]
    assert [entry.name for entry in below.entries] == ["b.dcm"]


def test_nothing_is_open_without_a_setting(site: Site, other_site: Site, folder: Path, settings: Any) -> None:
    (folder / "a.dcm").write_bytes(mammogram_make())
    assert code_of(other_site, f"file://{folder}") == "input:prefix_not_allowed"
    settings.IMPORT_PREFIXES = {}
    assert code_of(site, f"file://{folder}") == "input:prefix_not_allowed"


@pytest.mark.parametrize(
    "tail",
    [
        "/../secret",
        "/deep/../../secret",
        "-not",
        "/..",
        "/%2e%2e/secret",
        "//deep",
        "/./deep",
        "/a\x00",
        r"\..\secret",
        "/?x",
        "/#x",
    ],
)
def test_no_address_leads_outside(folder: Path, site: Site, tail: str) -> None:
    assert code_of(site, f"file://{folder}{tail}") in ("input:prefix_not_allowed", "input:prefix_unreadable")


def test_other_kinds_of_address_are_refused(folder: Path, site: Site) -> None:
    for url in (
        f"local://{folder}",
        str(folder),
        f"simplecache::file://{folder}",
        f"zip://x::file://{folder}/a.zip",
        f"FILE://{folder}",
        "file:///",
        "http://169.254.169.254/latest",
        "memory://bucket/northern",
        "memory://bucket",
        "",
        "file://" + "/a" * 2000,
    ):
        assert code_of(site, url) == "input:prefix_not_allowed", url


def test_links_are_named_and_not_followed(folder: Path, site: Site, tmp_path: Path) -> None:
    (folder / "good.dcm").write_bytes(mammogram_make())
    (folder / "link.dcm").symlink_to(tmp_path / "secret" / "image.dcm")
    (folder / "linked").symlink_to(tmp_path / "secret", target_is_directory=True)
    os.mkfifo(folder / "pipe.dcm")

    found = list(prefix_files(site=site, url=f"file://{folder}"))

    assert [one.name for one in found if isinstance(one, ImportEntry)] == ["good.dcm"]
    refused = {one.entry_name: one.code for one in found if isinstance(one, ArchiveRefusal)}
    assert refused == dict.fromkeys(["link.dcm", "linked", "pipe.dcm"], "input:entry_special_file")
    for url in (f"file://{folder}/linked", f"file://{folder}/linked/image.dcm", f"file://{folder}/link.dcm"):
        assert code_of(site, url) == "input:prefix_unreadable"


def test_a_link_that_appears_after_the_listing_is_not_followed(folder: Path, site: Site, tmp_path: Path) -> None:
    (folder / "deep" / "image.dcm").write_bytes(mammogram_make())
    [entry] = prefix_files(site=site, url=f"file://{folder}")
    assert isinstance(entry, ImportEntry)
    (folder / "deep" / "image.dcm").unlink()
    (folder / "deep").rmdir()
    (folder / "deep").symlink_to(tmp_path / "secret", target_is_directory=True)

    with pytest.raises(CodedError, match="input:prefix_unreadable"):
        entry.open()


def test_caps_hold_for_places_too(folder: Path, site: Site, settings: Any) -> None:
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(b"x" * 1000)
    (folder / "empty.dcm").write_bytes(b"")
    settings.INTAKE_MAX_FILE_BYTES = 999
    codes = [one.code for one in prefix_files(site=site, url=f"file://{folder}") if isinstance(one, ArchiveRefusal)]
    assert codes == ["input:too_large"] * 3 + ["input:empty_file"]
    settings.ARCHIVE_MAX_UNPACKED_BYTES = 2999
    assert code_of(site, f"file://{folder}") == "input:archive_too_large"
    settings.ARCHIVE_MAX_ENTRIES = 3
    assert code_of(site, f"file://{folder}") == "input:archive_too_many_entries"


def test_a_file_that_grows_while_it_is_read_is_cut_off(folder: Path, site: Site, settings: Any) -> None:
    settings.INTAKE_MAX_FILE_BYTES = 100_000
    (folder / "a.dcm").write_bytes(mammogram_make())
    [study] = prefix_studies(site=site, url=f"file://{folder}")
    assert isinstance(study, ArchiveStudy)
    (folder / "a.dcm").write_bytes(mammogram_make() + b"\0" * 200_000)

    with study.open() as unpacked:
        assert (unpacked.files, [refusal.code for refusal in unpacked.refusals]) == ([], ["input:too_large"])


def test_a_bucket_is_read_below_its_prefix_only(bucket: Any, site: Site, settings: Any) -> None:
    bucket.pipe("/bucket/north/p1/a.dcm", mammogram_make())
    bucket.pipe("/bucket/north/p2/b.dcm", mammogram_make(StudyInstanceUID="1.2.9"))
    bucket.pipe("/bucket/northern/c.dcm", mammogram_make(StudyInstanceUID="1.2.10"))

    studies = list(prefix_studies(site=site, url="memory://bucket/north"))

    assert [(one.folder, len(one.entries)) for one in studies if isinstance(one, ArchiveStudy)] == [("p1", 1), ("p2", 1)]
    with studies[1].open() as unpacked:
        assert unpacked.files[0].read() == mammogram_make(StudyInstanceUID="1.2.9")
    [one] = prefix_files(site=site, url="memory://bucket/north/p1/a.dcm")
    assert isinstance(one, ImportEntry)
    assert (one.name, one.size_bytes) == ("a.dcm", len(mammogram_make()))
    assert code_of(site, "memory://bucket/north/p3") == "input:prefix_unreadable"
    settings.ARCHIVE_MAX_ENTRIES = 1
    assert code_of(site, "memory://bucket/north") == "input:archive_too_many_entries"


def test_a_store_that_does_not_answer_is_said_so(
    folder: Path, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMPORT_PREFIXES = {"north": ["s3://bucket/north"]}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.config.conf.clear()

    assert code_of(site, "s3://bucket/north/x") == "system:storage_unavailable"
