"""Archives that strangers make: every kind of hostile entry is refused with its code, and the rest goes on."""

from __future__ import annotations

import zipfile
from pathlib import Path

from accounts.models import Site
from studies.intake import study_receive
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from transfers.archives import archive_studies
from transfers.grouping import ArchiveStudy


def zip_make(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_a_tree_becomes_studies_by_uid_and_pictures_by_folder(tmp_path: Path, site: Site, store) -> None:
    right = mammogram_make(SOPInstanceUID="1.2.3.1")
    left = mammogram_make(SOPInstanceUID="1.2.3.2", ImageLaterality="L")
    other = mammogram_make(SOPInstanceUID="1.2.3.3", StudyInstanceUID="1.2.3.9", PatientID="MRN-0043")
    path = zip_make(
        tmp_path / "a.zip",
        {"p1/im1": right, "p2/im1": other, "p1/deep/im2": left, "film/RCC.png": png_make(), "DICOMDIR": b"x", "README.txt": b"x"},
    )

    found = list(archive_studies(path))

    assert [one.code for one in found if not isinstance(one, ArchiveStudy)] == ["input:entry_ignored"] * 2
    studies = [one for one in found if isinstance(one, ArchiveStudy)]
    assert [(one.study_instance_uid, len(one.entries)) for one in studies] == [
        ("1.2.826.0.1.3680043.10.99.2", 2),
        ("1.2.3.9", 1),
        ("", 1),
    ]
    with studies[0].open() as unpacked:
        received = study_receive(site=site, files=unpacked.files)
        assert [image.image_laterality for image in received.images] == ["R", "L"]
    with studies[2].open() as unpacked:
        assert study_receive(site=site, files=unpacked.files).images[0].view_position == "CC"
