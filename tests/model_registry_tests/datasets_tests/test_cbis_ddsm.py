"""CBIS-DDSM on small trees of its layouts: stale paths, swapped columns, merged rows, women in two tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.masks import dataset_locate
from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.datasets.registry import dataset_read
from tests.model_registry_tests.datasets_tests.trees import STUDY, dicom, picture, put

FULL, CROP = (80, 60), (10, 12)
HEADER = (
    "patient_id,{density},left or right breast,image view,abnormality id,abnormality type,{kind},assessment,pathology,subtlety,"
    "image file path,cropped image file path,ROI mask file path\n"
)


class Download:
    """Writes rows and their files. `folder` says where a series lies, from subject and series UID."""

    def __init__(self, root: Path, folder: str = "CBIS-DDSM/{subject}/{study}/{series}") -> None:
        self.root, self.folder, self.series = root, folder, 0
        self.tables: dict[str, str] = {}
        self.metadata: list[str] = []

    def uid(self) -> str:
        self.series += 1
        return f"{STUDY}.{self.series}"

    def place(self, subject: str, series: str, what: str) -> Path:
        place = self.folder.format(subject=subject, study=STUDY, series=series, what=what, number=self.series)
        self.metadata.append(f"{series},{subject},{what},.\\{place.replace('/', chr(92))}")
        return self.root / place

    def add(self, table: str, patient: str, side: str, view: str, pathology: str, *, number: int = 1, full: str | None = None,
            swapped: bool = False, square: tuple[slice, slice] = (slice(20, 31), slice(30, 41))) -> str:  # fmt: skip
        kind, split = table.split("_")
        subject = f"{kind.title()}-{'Training' if split == 'train' else 'Test'}_{patient}_{side}_{view}"
        if full is None:
            full = self.uid()
            dicom(self.place(subject, full, "full mammogram images") / "1-1.dcm", size=FULL)
        region = self.uid()
        folder = self.place(f"{subject}_{number}", region, "cropped images")
        dicom(folder / "1-1.dcm", size=CROP)
        dicom(folder / "1-2.dcm", size=FULL, dtype=np.uint8, square=square)
        paths = [f"{subject}_{number}/{STUDY}/{region}/{name}.dcm" for name in ("000000", "000001")]
        crop, mask = reversed(paths) if swapped else paths
        density = "breast_density" if kind == "mass" else "breast density"
        header = HEADER.format(density=density, kind="mass shape" if kind == "mass" else "calc type")
        self.tables.setdefault(table, header)
        self.tables[table] += (
            f'{patient},3,{side},{view},{number},{kind},X,4,{pathology},2,{subject}/{STUDY}/{full}/000000.dcm,{crop},"{mask}\n"\n'
        )
        return full

    def read(self, kind: str = "auto") -> Dataset:
        for table, text in self.tables.items():
            kinds, split = table.split("_")
            put(self.root / f"{kinds}_case_description_{split}_set.csv", text)
        return dataset_read(self.root, kind=kind)


@pytest.fixture
def download(tmp_path: Path) -> Download:
    return Download(tmp_path)


def only(dataset: Dataset) -> ImageRecord:
    (record,) = dataset.records
    return record


def codes(dataset: Dataset) -> list[str]:
    return [problem.code for problem in dataset.problems]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_mask_is_told_from_the_crop_by_size_not_by_column(download: Download, swapped: bool) -> None:
    download.add("mass_train", "P_00001", "LEFT", "CC", "MALIGNANT", swapped=swapped)
    record = only(download.read())
    assert [path.name for path in record.mask_paths] == ["1-2.dcm"]
    assert (record.image_id, record.patient_id, record.label, record.split) == (
        "P_00001_LEFT_CC",
        "P_00001",
        "malignant",
        "train",
    )
    assert (record.image_laterality, record.view_position, record.is_located) == ("L", "CC", True)
    assert record.attributes == {"density": "3", "finding": "mass", "birads": "4", "subtlety": "2", "abnormalities": "1"}


def test_abnormalities_of_one_film_merge_and_the_worst_pathology_is_the_label(download: Download) -> None:
    full = download.add("mass_train", "P_00002", "RIGHT", "MLO", "BENIGN")
    download.add("mass_train", "P_00002", "RIGHT", "MLO", "MALIGNANT", number=2, full=full, square=(slice(50, 61), slice(5, 16)))
    download.add("calc_train", "P_00002", "RIGHT", "MLO", "BENIGN_WITHOUT_CALLBACK")
    record = only(download.read())
    assert (record.label, record.mask_labels) == ("malignant", ("benign", "malignant", "benign_without_callback"))
    assert record.attributes["finding"] == "calcification+mass"
    assert len(set(record.mask_paths)) == 3


def test_masks_become_circles_of_their_own_label(download: Download) -> None:
    download.add("mass_train", "P_00003", "LEFT", "CC", "BENIGN", square=(slice(20, 31), slice(30, 41)))
    dataset = dataset_locate(download.read())
    (lesion,) = only(dataset).lesions
    assert (lesion.column, lesion.row) == pytest.approx((35, 25), abs=0.1)
    assert lesion.radius == pytest.approx(5 * 2**0.5 + 0.5, abs=0.1)
    assert dataset.classes[lesion.label] == "benign"


def test_folders_named_by_date_are_found_through_metadata(tmp_path: Path) -> None:
    download = Download(tmp_path, folder="CBIS-DDSM/{subject}/07-20-2016-DDSM-NA-74994/1.000000-{what}-{number}")
    download.add("calc_test", "P_00038", "LEFT", "MLO", "BENIGN")
    put(tmp_path / "metadata.csv", "Series UID,Subject ID,Series Description,File Location\n" + "\n".join(download.metadata))
    record = only(download.read())
    assert (record.split, len(record.mask_paths), record.path.parent.name) == ("test", 1, "1.000000-full mammogram images-1")


def test_without_metadata_the_subject_folder_is_enough(tmp_path: Path) -> None:
    download = Download(tmp_path, folder="CBIS-DDSM/{subject}/07-20-2016-DDSM-NA-74994/1.000000-{what}-{number}")
    download.add("mass_test", "P_00040", "LEFT", "CC", "BENIGN")
    assert only(download.read()).is_located


def test_a_woman_in_both_splits_counts_as_training_and_is_reported(download: Download) -> None:
    download.add("mass_train", "P_00005", "LEFT", "CC", "BENIGN")
    download.add("calc_test", "P_00005", "RIGHT", "CC", "MALIGNANT")
    download.add("calc_test", "P_00006", "RIGHT", "CC", "BENIGN")
    dataset = download.read()
    assert {record.image_id: record.split for record in dataset.records} == {
        "P_00005_LEFT_CC": "train",
        "P_00005_RIGHT_CC": "train",
        "P_00006_RIGHT_CC": "test",
    }
    assert codes(dataset) == ["dataset:patient_in_two_splits"]


def test_a_missing_mask_leaves_the_film_unlocated(download: Download) -> None:
    download.add("mass_train", "P_00007", "LEFT", "CC", "BENIGN")
    next(download.root.rglob("1-2.dcm")).unlink()
    dataset = download.read()
    assert (only(dataset).mask_paths, only(dataset).is_located, codes(dataset)) == ((), False, ["dataset:mask_missing"])


def test_a_path_out_of_the_folder_is_refused_and_the_rest_is_read(download: Download, tmp_path: Path) -> None:
    download.add("mass_train", "P_00008", "LEFT", "CC", "BENIGN")
    download.tables["mass_train"] += (
        "P_00009,3,LEFT,CC,1,mass,X,4,MALIGNANT,2,../../etc/x/passwd,a/b/c/d.dcm,a/b/c/d.dcm\n"
        "P_00010,3,LEFT,CC,1,mass,X,4,MALIGNANT,2,gone/1.2/1.3/000000.dcm,a/b/c/d.dcm,a/b/c/d.dcm\n"
        "P_00011,3,LEFT,CC,1,mass,X,4,UNSURE,2,gone/1.2/1.3/000000.dcm,a/b/c/d.dcm,a/b/c/d.dcm\n"
    )
    dataset = download.read()
    assert len(dataset.records) == 1
    assert codes(dataset) == ["dataset:label_missing", "dataset:path_refused", "dataset:file_missing"]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    put(tmp_path / "mass_case_description_train_set.csv", "patient_id,pathology\nP_00001,BENIGN\n")
    with pytest.raises(DatasetError, match="ROI mask file path") as refused:
        dataset_read(tmp_path)
    assert refused.value.code == "dataset:column_missing"


def test_the_jpeg_mirror_is_read_by_series_and_by_size(tmp_path: Path) -> None:
    uids = {name: f"{STUDY}.{number}" for number, name in enumerate(("full", "region"), start=1)}
    picture(tmp_path / "jpeg" / uids["full"] / "1-172.jpg", size=FULL)
    picture(tmp_path / "jpeg" / uids["region"] / "1-033.jpg", size=FULL)
    picture(tmp_path / "jpeg" / uids["region"] / "2-044.jpg", size=CROP)
    subject = "Mass-Training_P_00001_LEFT_CC"
    put(
        tmp_path / "csv" / "dicom_info.csv",
        "file_path,image_path,PatientID,SeriesDescription,SeriesInstanceUID,Rows,Columns\n"
        f"x,CBIS-DDSM/jpeg/{uids['full']}/1-172.jpg,{subject},full mammogram images,{uids['full']},{FULL[0]},{FULL[1]}\n"
        # the mirror leaves the description of hundreds of files empty
        f"x,CBIS-DDSM/jpeg/{uids['region']}/2-044.jpg,{subject}_1,,{uids['region']},{CROP[0]},{CROP[1]}\n"
        f"x,CBIS-DDSM/jpeg/{uids['region']}/1-033.jpg,{subject}_1,,{uids['region']},{FULL[0]},{FULL[1]}\n",
    )
    put(
        tmp_path / "csv" / "mass_case_description_train_set.csv",
        HEADER.format(density="breast_density", kind="mass shape")
        + f"P_00001,0,LEFT,CC,1,mass,OVAL,4,MALIGNANT,4,{subject}/{STUDY}/{uids['full']}/000000.dcm,"
        f"{subject}_1/{STUDY}/{uids['region']}/000000.dcm,{subject}_1/{STUDY}/{uids['region']}/000001.dcm\n",
    )
    dataset = dataset_read(tmp_path)
    record = only(dataset)
    assert dataset.kind == "cbis-ddsm-jpeg"
    assert (record.path.name, record.media_type, [path.name for path in record.mask_paths]) == (
        "1-172.jpg",
        "image/jpeg",
        ["1-033.jpg"],
    )
    assert "density" not in record.attributes
