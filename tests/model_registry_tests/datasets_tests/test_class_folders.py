"""Folders per class: patients from a table or from headers, else nobody's; identities are not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.registry import dataset_read
from tests.model_registry_tests.datasets_tests.trees import dicom, picture, put


def test_without_patients_the_dataset_says_what_a_split_is_worth(tmp_path: Path) -> None:
    for number, name in enumerate(("cyst/a.png", "cyst/deep/b.jpg", "tumour/a.png", "tumour/._a.png")):
        picture(tmp_path / name, seed=number)
    dataset = dataset_read(tmp_path)
    assert (dataset.kind, dataset.classes, dataset.grouping) == ("class-folders", ("cyst", "tumour"), "image")
    assert [record.image_id for record in dataset.records] == ["cyst/a.png", "cyst/deep/b.jpg", "tumour/a.png"]
    assert any("optimistic" in note for note in dataset.notes)


def test_a_patient_table_makes_it_patient_level_and_splits_are_kept(tmp_path: Path) -> None:
    names = ("train/cyst/a.png", "train/tumour/b.png", "test/cyst/c.png", "test/tumour/d.png")
    for number, name in enumerate(names):
        picture(tmp_path / name, seed=number)
    put(tmp_path / "patients.csv", "File,Patient ID\n" + "".join(f"{name},w{number}\n" for number, name in enumerate(names)))
    dataset = dataset_read(tmp_path)
    assert (dataset.grouping, dataset.classes) == ("patient", ("cyst", "tumour"))
    assert {record.image_id: (record.patient_id, record.split) for record in dataset.records} == {
        name: (f"w{number}", name.split("/")[0]) for number, name in enumerate(names)
    }
    put(tmp_path / "patients.csv", f"file,patient_id\n{names[0]},w1\n{names[0]},w2\n")
    with pytest.raises(DatasetError) as refused:
        dataset_read(tmp_path)
    assert refused.value.code == "dataset:patient_conflict"


def test_headers_tell_the_patient_and_the_identity_is_not_kept(tmp_path: Path) -> None:
    for number, (label, patient) in enumerate((("cyst", "DOE^JANE"), ("tumour", "DOE^JANE"), ("tumour", "ROE^ANN"))):
        dicom(tmp_path / label / f"{number}.dcm", size=(8, 6), PatientID=patient, ImageLaterality="R", ViewPosition="CC")
    dataset = dataset_read(tmp_path)
    patients = [record.patient_id for record in dataset.records]
    assert (dataset.grouping, patients[0] == patients[1] != patients[2]) == ("patient", True)
    assert "DOE" not in repr(dataset)
    assert (dataset.records[0].image_laterality, dataset.records[0].view_position) == ("R", "CC")


def test_one_folder_of_images_is_not_a_collection(tmp_path: Path) -> None:
    picture(tmp_path / "all" / "a.png")
    with pytest.raises(DatasetError) as refused:
        dataset_read(tmp_path)
    assert refused.value.code == "dataset:not_recognised"
    with pytest.raises(DatasetError) as refused:
        dataset_read(tmp_path, kind="class-folders")
    assert refused.value.code == "dataset:not_recognised"
