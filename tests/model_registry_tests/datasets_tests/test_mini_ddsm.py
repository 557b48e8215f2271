"""Mini-DDSM on a small tree: backslashes, dashes, cases labelled for both breasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_registry.datasets.masks import dataset_locate
from model_registry.datasets.registry import dataset_read
from tests.model_registry_tests.datasets_tests.trees import picture, xlsx

COLUMNS = ["fullPath", "fileName", "View", "Side", "Status", "Tumour_Contour", "Tumour_Contour2", "Age", "Density"]


def row(status: str, case: str, side: str, view: str, *, masks: int = 0, age: object = 61, density: int = 3) -> list[object]:
    folder = f"{status}\\{case.split('_')[1]}\\"
    stem = f"{case}.{side}_{view}"
    contours = [f"{folder}{stem}_Mask{number or ''}.jpg" if index < masks else "-" for index, number in enumerate((0, 2))]
    return [f"{folder}{stem}.jpg", f"{stem}.jpg", view, side, status, *contours, age, density]


ROWS = [
    row("Cancer", "C_0029_1", "LEFT", "CC", masks=2),
    row("Cancer", "C_0029_1", "LEFT", "MLO"),
    row("Cancer", "C_0029_1", "RIGHT", "CC"),
    row("Benign", "A_1004_1", "RIGHT", "MLO", masks=1, density=0),
    row("Normal", "B_3660_1", "LEFT", "CC", age="-"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "MINI-DDSM-Complete-JPEG-8"
    xlsx(base / "DataWMask.xlsx", [COLUMNS, *ROWS])
    for number, line in enumerate(ROWS):
        picture(base / str(line[0]).replace("\\", "/"), seed=number, size=(64, 48))
        for contour in (str(line[5]), str(line[6])):
            if contour != "-":
                mask = np.zeros((64, 48), dtype=np.uint8)
                mask[16:33, 8:25] = 255
                Image.fromarray(mask).save(base / contour.replace("\\", "/"), quality=75)
    return tmp_path


def test_cases_are_patients_and_status_is_the_label(folder: Path) -> None:
    dataset = dataset_read(folder)
    assert (dataset.kind, dataset.grouping, dataset.problems) == ("mini-ddsm", "patient", ())
    assert [record.label for record in dataset.records] == ["malignant", "malignant", "malignant", "benign", "normal"]
    assert [record.patient_id for record in dataset.records] == ["C_0029_1"] * 3 + ["A_1004_1", "B_3660_1"]
    assert dataset.records[0].image_id == "C_0029_1.LEFT_CC"
    assert dataset.records[0].attributes == {"density": "3", "age": "61", "breast_marked": "yes"}
    assert dataset.records[3].attributes == {"age": "61", "breast_marked": "yes"}
    assert dataset.records[4].attributes == {"density": "3"}


def test_the_other_breast_of_a_case_is_kept_unlocated_or_dropped(folder: Path) -> None:
    kept = dataset_read(folder)
    assert [record.is_located for record in kept.records] == [True, False, False, True, True]
    assert [record.attributes.get("breast_marked") for record in kept.records] == ["yes", "yes", "no", "yes", None]
    assert kept.notes == ("1 images are of a breast on which nothing is marked; their label is the case's.",)
    dropped = dataset_read(folder, options={"unmarked_breasts": "drop"})
    assert [record.image_id for record in dropped.records] == [
        record.image_id for record in kept.records if record.attributes.get("breast_marked") != "no"
    ]


def test_lossy_masks_keep_their_edges(folder: Path) -> None:
    dataset = dataset_locate(dataset_read(folder))
    first, second = dataset.records[0].lesions
    assert (first.column, first.row) == pytest.approx((16, 24), abs=0.5)
    assert first.radius == pytest.approx(8 * 2**0.5 + 0.5, abs=0.7)
    assert (first.label, second.label) == (2, 2)


def test_the_sixteen_bit_table_is_preferred_and_the_other_named(folder: Path) -> None:
    base = folder / "MINI-DDSM-Complete-PNG-16"
    line = [str(value).replace(".jpg", ".png") if isinstance(value, str) else value for value in ROWS[4]]
    xlsx(base / "DataWMask.xlsx", [COLUMNS, line])
    picture(base / "Normal/3660/B_3660_1.LEFT_CC.png")
    dataset = dataset_read(folder)
    assert [record.path.suffix for record in dataset.records] == [".png"]
    assert [(problem.code, problem.path) for problem in dataset.problems] == [
        ("dataset:table_unused", "MINI-DDSM-Complete-JPEG-8/DataWMask.xlsx")
    ]


def test_a_table_cannot_lead_out_of_the_folder(folder: Path) -> None:
    base = folder / "MINI-DDSM-Complete-JPEG-8"
    picture(folder.parent / "outside.jpg")
    hostile = ["..\\..\\..\\outside.jpg", "outside.jpg", "CC", "LEFT", "Cancer", "C:\\secret.jpg", "-", 50, 1]
    xlsx(base / "DataWMask.xlsx", [COLUMNS, *ROWS, hostile])
    dataset = dataset_read(folder)
    assert len(dataset.records) == len(ROWS)
    assert [problem.code for problem in dataset.problems] == ["dataset:path_refused"]
