"""The two Mendeley collections: copies of one original stay together, the union is not read twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_registry.datasets.registry import dataset_read
from model_registry.datasets.splits import PatientsUnknownWarning, folds_by_patient
from tests.model_registry_tests.datasets_tests.trees import picture

CLASSES = (
    "Density1Benign",
    "Density1Malignant",
    "Density2Benign",
    "Density2Malignant",
    "Density3Benign",
    "Density3Malignant",
    "Density4Benign",
    "Density4Malignant",
)


def test_eight_classes_in_training_order_and_copies_in_one_fold(tmp_path: Path) -> None:
    for position, label in enumerate(CLASSES):
        for original in range(2):
            for copy in range(3):
                name = (
                    f"{20586900 + 10 * position + original} ({copy}).png"
                    if copy
                    else f"{20586900 + 10 * position + original}.png"
                )
                picture(tmp_path / label / name, seed=position)
    dataset = dataset_read(tmp_path)
    assert (dataset.kind, dataset.classes, dataset.grouping) == ("mendeley-density", CLASSES, "image")
    assert dataset.records[0].attributes == {"density": "1"}
    assert not dataset.problems
    with pytest.warns(PatientsUnknownWarning, match="whose image is whose"):
        folds = folds_by_patient(dataset, folds=2, seed=3)
    places: dict[str | None, set[int]] = {}
    for record, fold in zip(dataset.records, folds.tolist(), strict=True):
        places.setdefault(record.source_image_id, set()).add(fold)
    assert [len(found) for found in places.values()] == [1] * 16
    assert sorted(folds.tolist()) == [0] * 24 + [1] * 24


def test_the_short_spelling_of_the_folders_is_known(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "Density2Malign" / "20586908 (1).png")
    picture(tmp_path / "train" / "Density2Benign" / "20586934 (1).png")
    dataset = dataset_read(tmp_path)
    assert [record.label for record in dataset.records] == ["Density2Benign", "Density2Malignant"]


@pytest.fixture
def masses(tmp_path: Path) -> Path:
    base = tmp_path / "Dataset of Mammography with Benign Malignant Breast Masses"
    files = {
        "INbreast Dataset/Benign Masses": ["20586908 (3).png", "20586908 (4).png"],
        "MIAS Dataset/Malignant Masses": ["mdb023 (1).png", "mdb024.png"],
        "DDSM Dataset/Benign Masses": ["D1_A_1177_1.RIGHT_CC (3).png", "D1_A_1177_1.LEFT_MLO.png"],
        "DDSM Dataset/Malignant Masses": ["D2_B_3002_1.LEFT_CC (2).png"],
    }
    for folder, names in files.items():
        for number, name in enumerate(names):
            picture(base / folder / name, seed=number)
            picture(base / "INbreast+MIAS+DDSM Dataset" / folder.split("/")[1] / name, seed=number)
    return tmp_path


def test_the_union_is_read_only_where_the_single_folders_are_missing(masses: Path) -> None:
    dataset = dataset_read(masses)
    assert (dataset.kind, len(dataset.records)) == ("mendeley-masses", 7)
    assert [problem.code for problem in dataset.problems] == ["dataset:folder_unused"]
    alone = dataset_read(next(masses.glob("*/INbreast+MIAS+DDSM Dataset")))
    assert sorted(record.label for record in alone.records) == sorted(record.label for record in dataset.records)


def test_names_tell_source_original_and_where_they_can_the_woman(masses: Path) -> None:
    records = {record.path.name: record for record in dataset_read(masses).records}
    assert {record.attributes["source"] for record in records.values()} == {"INbreast", "MIAS", "DDSM"}
    assert records["20586908 (3).png"].group_id == records["20586908 (4).png"].group_id == "20586908"
    assert records["mdb023 (1).png"].patient_id == "mias-p012"
    assert records["mdb024.png"].patient_id == "mias-p012"
    ddsm = records["D1_A_1177_1.RIGHT_CC (3).png"]
    assert (ddsm.patient_id, ddsm.image_laterality, ddsm.view_position) == ("A_1177_1", "R", "CC")
    assert ddsm.group_id == records["D1_A_1177_1.LEFT_MLO.png"].group_id


def test_an_original_under_two_labels_and_a_nameless_copy_are_reported(masses: Path) -> None:
    base = next(masses.glob("*/INbreast Dataset"))
    picture(base / "Malignant Masses" / "20586908 (9).png")
    picture(base / "Malignant Masses" / "picture.png")
    codes = [problem.code for problem in dataset_read(masses).problems]
    assert codes.count("dataset:label_conflict") == 1
    assert codes.count("dataset:original_unknown") == 1
