"""A folder as studies: grouped by the UID in the header, whatever the names, and nobody's name in what is sent."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from mammoserve_client.dicom import study_instance_uid
from mammoserve_client.folder import folder_scan

PNG = b"\x89PNG\r\n\x1a\n"


def dicom_write(path: Path, *, uid: str | None, syntax: str = ExplicitVRLittleEndian, undefined: bool = False) -> Path:
    dataset = Dataset()
    dataset.SOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.1.2")
    inner = Dataset()
    inner.CodeValue = "R-10226"
    deeper = Dataset()
    deeper.CodeMeaning = "deep"
    inner.EquivalentCodeSequence = Sequence([deeper])
    dataset.ReferencedStudySequence = Sequence([inner, inner])
    dataset.PatientName = "DOE^JANE"
    if uid:
        dataset.StudyInstanceUID = uid
    dataset.Rows = 1
    if undefined:
        dataset["ReferencedStudySequence"].is_undefined_length = True
        for item in dataset.ReferencedStudySequence:
            item.is_undefined_length_sequence_item = True
            item["EquivalentCodeSequence"].is_undefined_length = True
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, pydicom.uid.UID("1.2.3")
    dataset.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless])
def test_the_uid_is_found_in_every_usual_encoding(tmp_path: Path, syntax: str, undefined: bool) -> None:
    assert study_instance_uid(dicom_write(tmp_path / "a", uid="1.2.826.77", syntax=syntax, undefined=undefined)) == "1.2.826.77"


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_an_encoding_that_is_not_read_is_said_to_be_so(tmp_path: Path, syntax: str) -> None:
    assert study_instance_uid(dicom_write(tmp_path / "a", uid="1.2", syntax=syntax)) == ""


def test_a_header_without_the_uid_answers_none(tmp_path: Path) -> None:
    assert study_instance_uid(dicom_write(tmp_path / "a", uid=None)) is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_header_never_raises(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = dicom_write(tmp_path_factory.getbasetemp() / "damaged", uid="1.2.826.77", undefined=True)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    found = study_instance_uid(path)
    assert found is None or isinstance(found, str)


def test_studies_are_grouped_by_uid_and_pictures_by_folder(tmp_path: Path) -> None:
    for name, uid in (("flat/1.dcm", "1.1"), ("flat/2", "1.2"), ("other/3.dcm", "1.1")):
        dicom_write(tmp_path / name, uid=uid)
    for name in ("case-a/rcc.png", "case-a/lcc.PNG", "case-b/rcc.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PNG)
    (tmp_path / "flat" / "broken.dcm").write_bytes(b"no DICOM at all")
    (tmp_path / "flat" / "notes.txt").write_text("read me")
    (tmp_path / "flat" / "DICOMDIR").write_bytes(b"junk")
    (tmp_path / "flat" / ".hidden.dcm").write_bytes(b"junk")
    (tmp_path / "link.dcm").symlink_to(tmp_path / "flat" / "1.dcm")

    found = folder_scan(tmp_path, salt="s")

    files = [[path.relative_to(tmp_path).as_posix() for path in study.files] for study in found.studies]
    assert sorted(files) == [
        ["case-a/lcc.PNG", "case-a/rcc.png"],
        ["case-b/rcc.png"],
        ["flat/1.dcm", "other/3.dcm"],
        ["flat/2"],
        ["flat/broken.dcm"],
    ]
    assert [path.name for path in found.ignored] == ["notes.txt"]
    assert len({study.custom_id for study in found.studies}) == 5


def test_ids_are_the_same_again_with_the_same_salt_and_lead_nowhere_with_another(tmp_path: Path) -> None:
    dicom_write(tmp_path / "DOE^JANE" / "1.dcm", uid="1.2.826.77")
    once, again, other = (folder_scan(tmp_path, salt=salt).studies[0].custom_id for salt in ("a", "a", "b"))
    assert once == again != other
    assert "DOE" not in once
    assert len(once) == len("study-") + 20
