"""INbreast on a small tree of its release: BI-RADS, patients from file names, outlines, and hostile outlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.registry import dataset_read
from tests.model_registry_tests.datasets_tests.trees import dicom, outline, put, xlsx

HEADER = ["Patient ID", "Patient age", "Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads", "Mass ", "Micros"]
IMAGES = [
    ("22678622", "61b13c59bcba149e", "L", "CC", 1, "1", "", ""),
    ("22678646", "61b13c59bcba149e", "R", "ML", 4, "2", "", "X"),
    ("22678694", "36aff22a9f3d1c0a", "L", "MLO", 2, "4c", "X", ""),
    ("22678787", "36aff22a9f3d1c0a", "R", "CC", 2, "6", "", ""),
]
SQUARE = [(10.0, 20.0), (20.0, 20.0), (20.0, 30.0), (10.0, 30.0)]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "INbreast Release 1.0"
    rows: list[list[object]] = [list(HEADER)]
    for number, patient, side, view, acr, birads, mass, micros in IMAGES:
        rows.append(["removed", "removed", side, view, 201001, float(number), acr, birads, mass, micros])
        dicom(folder / "AllDICOMs" / f"{number}_{patient}_MG_{side}_{view}_ANON.dcm", size=(40, 30), dtype=np.uint16)
    # the real table ends with two rows of totals
    rows += [["", "", "", "", "", "", "", ""], ["", "", "", "", "", "", "mean", 2.5]]
    xlsx(folder / "INbreast.xlsx", rows, sheet="Sheet1")
    put(folder / "AllXML" / "22678646.xml", outline(("Calcification", [(5.0, 6.0)]), ("Pectoral Muscle", SQUARE)))
    put(folder / "AllXML" / "22678694.xml", outline(("Mass", SQUARE)))
    return tmp_path


def test_labels_come_from_bi_rads_and_patients_from_file_names(release: Path) -> None:
    dataset = dataset_read(release)
    assert (dataset.kind, dataset.grouping, dataset.problems) == ("inbreast", "patient", ())
    assert [record.label for record in dataset.records] == ["normal", "benign", "malignant", "malignant"]
    assert [record.patient_id for record in dataset.records] == [patient for _, patient, *_ in IMAGES]
    assert [record.view_position for record in dataset.records] == ["CC", "MLO", "MLO", "CC"]
    assert dataset.records[1].attributes == {"density": "4", "birads": "2", "finding": "calcification"}


def test_outlines_become_circles_and_the_pectoral_muscle_does_not(release: Path) -> None:
    _, clicked, drawn, unmarked = dataset_read(release).records
    (point,) = clicked.lesions
    assert (point.column, point.row, point.radius, point.label) == (5, 6, 1, 1)
    (lesion,) = drawn.lesions
    assert (lesion.column, lesion.row, lesion.radius) == pytest.approx((15, 25, 50**0.5), abs=0.01)
    assert (unmarked.lesions, unmarked.is_located, drawn.is_located) == ((), False, True)


def test_the_meaning_of_bi_rads_can_be_chosen(release: Path) -> None:
    options = {"label_of_birads": {"1": "benign", "2": "benign", "4": "malignant", "4c": "benign"}}
    dataset = dataset_read(release, options=options)
    assert [record.label for record in dataset.records] == ["benign", "benign", "benign"]
    assert [problem.code for problem in dataset.problems] == ["dataset:label_missing"]
    with pytest.raises(DatasetError, match="suspicious"):
        dataset_read(release, options={"label_of_birads": {"4": "suspicious"}})
    with pytest.raises(DatasetError, match="threshold") as refused:
        dataset_read(release, options={"threshold": 3})
    assert refused.value.code == "dataset:option_unknown"


def test_the_table_with_semicolons_reads_the_same(release: Path) -> None:
    folder = release / "INbreast Release 1.0"
    expected = [(record.image_id, record.label) for record in dataset_read(release).records]
    (folder / "INbreast.xlsx").unlink()
    lines = ["Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"]
    lines += [
        f"removed;removed;{side};{view};201001;{number};{acr};{birads}" for number, _, side, view, acr, birads, *_ in IMAGES
    ]
    put(folder / "INbreast.csv", "\n".join(lines))
    assert [(record.image_id, record.label) for record in dataset_read(release).records] == expected


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaa"><!ENTITY b "&a;&a;&a;">]><plist><string>&b;</string></plist>',
        '<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/passwd">]><plist><string>&a;</string></plist>',
        outline(("Mass", SQUARE)).replace("(10.000000, 20.000000)", "(1e999, 2)"),
        outline(("Mass", SQUARE)).replace("(10.000000, 20.000000)", "here"),
        outline(("Mass", SQUARE))[:-40],
        "not xml",
    ],
)
def test_a_hostile_or_broken_outline_is_a_problem_and_not_a_lesion(release: Path, content: str) -> None:
    put(release / "INbreast Release 1.0" / "AllXML" / "22678694.xml", content)
    dataset = dataset_read(release)
    assert [problem.code for problem in dataset.problems] == ["dataset:outline_unreadable"]
    assert (dataset.records[2].lesions, dataset.records[2].is_located) == ((), False)
