"""Converted DDSM volumes: case files, labels by volume."""

from __future__ import annotations

from pathlib import Path

from model_registry.datasets.registry import dataset_read
from tests.model_registry_tests.datasets_tests.trees import picture, put

ICS = """ics_version 1.0
filename A-0200-1
DATE_OF_STUDY 2 7 1995
PATIENT_AGE {age}
FILM
FILM_TYPE REGULAR
DENSITY {density}
DATE_DIGITIZED 7 22 1997
DIGITIZER DBA 21
SEQUENCE
LEFT_CC LINES 4696 PIXELS_PER_LINE 3024 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
"""


def test_normal_volumes_are_read_with_their_case_files(tmp_path: Path) -> None:
    case = tmp_path / "cases/normals/normal_01/case0200"
    put(case / "A-0200-1.ics", ICS.format(age=42, density=4))
    picture(case / "A_0200_1.LEFT_CC.png", seed=1)
    picture(case / "A_0200_1.RIGHT_MLO.LJPEG.png", seed=2)
    other = tmp_path / "cases/normals/normal_01/case0201"
    put(other / "A-0201-1.ics", ICS.format(age="00", density=0))
    picture(other / "A_0201_1.LEFT_CC.png", seed=3)
    dataset = dataset_read(tmp_path)
    assert (dataset.kind, dataset.classes, dataset.grouping) == ("ddsm", ("normal",), "patient")
    assert [record.image_id for record in dataset.records] == ["A_0200_1.LEFT_CC", "A_0200_1.RIGHT_MLO", "A_0201_1.LEFT_CC"]
    assert [record.patient_id for record in dataset.records] == ["A_0200_1", "A_0200_1", "A_0201_1"]
    assert (dataset.records[1].image_laterality, dataset.records[1].view_position) == ("R", "MLO")
    facts = {"digitizer": "DBA 21", "film_type": "REGULAR"}
    assert dataset.records[0].attributes == {"age": "42", "density": "4", **facts}
    assert dataset.records[2].attributes == facts


def test_other_volumes_are_labelled_by_their_folder_and_unlocated(tmp_path: Path) -> None:
    for number, volume in enumerate(("cancer_05", "benign_01", "benign_without_callback_02", "normal_03", "photographs")):
        case = tmp_path / volume / f"case000{number}"
        put(case / f"B-000{number}-1.ics", ICS.format(age=50, density=2))
        picture(case / f"B_000{number}_1.LEFT_CC.png", seed=number)
    dataset = dataset_read(tmp_path)
    assert dataset.classes == ("normal", "benign_without_callback", "benign", "malignant")
    assert {record.label: record.is_located for record in dataset.records} == {
        "malignant": False,
        "benign": False,
        "benign_without_callback": False,
        "normal": True,
    }
    assert [problem.code for problem in dataset.problems] == ["dataset:label_missing"]
