"""The mini-MIAS reader on a small tree of the published layout: its traps, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_registry.datasets.lesions import LesionCircle, lesions_array, lesions_move
from model_registry.datasets.mias import DatasetError, mias_read
from model_registry.datasets.pixels import record_image
from model_registry.datasets.registry import dataset_read

LABELS = """image_id,file,patient_id,label,density,abnormalities,fold
mdb001,mdb001.png,p001,benign,G,CIRC,1
mdb002,mdb002.png,p001,normal,G,NORM,1
mdb059,mdb059.png,p030,malignant,D,MISC,2
mdb144,mdb144.png,p072,malignant,F,MISC,2
mdb212,mdb212.png,p106,benign,G,CALC,0
"""
LESIONS = """image_id,k,cls,severity,x_512,y_512_from_top,radius_512
mdb001,0,CIRC,B,267.5,299.5,98.5
mdb059,0,CIRC,B,,,
mdb144,0,MISC,B,116.5,15.0,14.5
mdb144,1,MISC,M,156.5,242.0,13.5
mdb212,0,CALC,B,343.5,71.0,1.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "lesions.csv").write_text(LESIONS)
    (tmp_path / "png512").mkdir()
    for line in LABELS.splitlines()[1:]:
        (tmp_path / "png512" / line.split(",")[1]).write_bytes(b"")
    return tmp_path


def test_labels_folds_and_circles_are_read_in_order(folder: Path) -> None:
    images = mias_read(folder)
    assert [image.image_id for image in images] == ["mdb001", "mdb002", "mdb059", "mdb144", "mdb212"]
    assert [image.label for image in images] == [1, 0, 2, 2, 1]
    assert [image.fold for image in images] == [1, 1, 2, 2, 0]
    assert (images[0].density, images[0].finding) == ("fatty-glandular", "circumscribed mass")
    assert images[0].lesions == (LesionCircle(column=267.5, row=299.5, radius=98.5, label=1),)


def test_an_image_of_both_severities_counts_as_malignant_and_keeps_both_circles(folder: Path) -> None:
    both = mias_read(folder)[3]
    assert (both.label, [lesion.label for lesion in both.lesions]) == (2, [1, 2])


def test_abnormal_images_without_a_circle_on_the_breast_are_not_located(folder: Path) -> None:
    located = {image.image_id: image.is_located for image in mias_read(folder)}
    assert located == {"mdb001": True, "mdb002": True, "mdb059": False, "mdb144": True, "mdb212": False}
    assert mias_read(folder)[4].lesions == ()


def test_a_woman_in_two_folds_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_text(
        LABELS.replace("mdb002,mdb002.png,p001,normal,G,NORM,1", "mdb002,mdb002.png,p001,normal,G,NORM,3")
    )
    with pytest.raises(DatasetError, match="p001 is in two folds"):
        mias_read(folder)


@pytest.mark.parametrize("name", ["labels.csv", "lesions.csv", "png512/mdb059.png"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=Path(name).name):
        mias_read(folder)


def test_a_missing_column_is_named(folder: Path) -> None:
    (folder / "labels.csv").write_text(LABELS.replace("fold", "part"))
    with pytest.raises(DatasetError, match="fold"):
        mias_read(folder)


def test_a_circle_moves_with_the_image_and_grows_with_it() -> None:
    circle = lesions_array((LesionCircle(column=10, row=20, radius=5, label=2),))
    mirrored_twice_as_large = np.array([[-2.0, 0.0, 100.0], [0.0, 2.0, 1.0]])
    np.testing.assert_allclose(lesions_move(circle, mirrored_twice_as_large), [[80, 41, 10, 2]])
    assert lesions_move(lesions_array(()), mirrored_twice_as_large).shape == (0, 4)


INFO = """MIAS MiniMammographic Database
1st column: MIAS database reference number.

mdb001 G CIRC B 535 425 197
mdb002 G NORM
mdb144 F MISC B 233 994 29
mdb144 F MISC M 313 540 27
mdb212 G CALC B 687 882 3
mdb216 D CALC M *NOTE 3*
mdb300 F NORM
"""


@pytest.fixture
def original(tmp_path: Path) -> Path:
    (tmp_path / "all-mias").mkdir()
    (tmp_path / "Info.txt").write_text(INFO)
    for number in (1, 2, 144, 212, 216, 217):
        pixels = np.full((1024, 1024), number % 256, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "all-mias" / f"mdb{number:03d}.pgm")
    return tmp_path


def test_the_published_layout_is_read_with_rows_from_the_top(original: Path) -> None:
    dataset = dataset_read(original)
    records = {record.image_id: record for record in dataset.records}
    assert (dataset.kind, dataset.grouping) == ("mini-mias", "patient")
    assert {name: record.label for name, record in records.items()} == {
        "mdb001": "benign",
        "mdb002": "normal",
        "mdb144": "malignant",
        "mdb212": "benign",
        "mdb216": "malignant",
    }
    assert records["mdb001"].lesions == (LesionCircle(column=535, row=599, radius=197, label=1),)
    assert [lesion.label for lesion in records["mdb144"].lesions] == [1, 2]
    assert {name: record.is_located for name, record in records.items() if record.label != "normal"} == {
        "mdb001": True,
        "mdb144": True,
        "mdb212": False,
        "mdb216": False,
    }
    assert {(problem.code, problem.path) for problem in dataset.problems} == {
        ("dataset:file_missing", "mdb300"),
        ("dataset:label_missing", "all-mias/mdb217.pgm"),
    }


def test_two_films_are_one_woman_and_odd_numbers_are_left(original: Path) -> None:
    first, second = dataset_read(original).records[:2]
    assert (first.patient_id, first.image_laterality) == ("p001", "L")
    assert (second.patient_id, second.image_laterality) == ("p001", "R")


def test_a_portable_greymap_decodes_to_its_own_values(original: Path) -> None:
    image = record_image(dataset_read(original).records[2])
    assert (image.stored.shape, int(image.stored.min()), int(image.stored.max())) == ((1024, 1024), 144, 144)
