"""Labels renamed with their lesions, collections joined with their warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model_registry.datasets.combine import LEAVE_OUT, dataset_relabel, datasets_join
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import LesionCircle
from model_registry.datasets.records import Dataset, ImageRecord

CBIS = ("benign_without_callback", "benign", "malignant")


def dataset(kind: str, classes: tuple[str, ...], **records: str) -> Dataset:
    """Keyword arguments are patient=label."""
    made = tuple(
        ImageRecord(
            image_id=f"{patient}_CC",
            path=Path(f"{patient}.png"),
            media_type="image/png",
            label=label,
            patient_id=patient,
            fold=1,
            lesions=(LesionCircle(1, 2, 3, classes.index(label)),),
            mask_paths=(Path("m.png"),),
            mask_labels=(label,),
        )
        for patient, label in records.items()
    )
    return Dataset(kind, kind, classes, made, (), "patient", f"cite {kind}", "free", kind=kind)


def test_merged_labels_take_lesions_and_masks_along() -> None:
    source = dataset("cbis-ddsm", CBIS, p1="benign_without_callback", p2="malignant", p3="benign")
    merged = dataset_relabel(source, labels={"benign_without_callback": "benign"}, classes=("malignant", "benign"))
    assert [record.label for record in merged.records] == ["benign", "malignant", "benign"]
    assert [record.lesions[0].label for record in merged.records] == [1, 0, 1]
    assert [record.mask_labels for record in merged.records] == [("benign",), ("malignant",), ("benign",)]
    fewer = dataset_relabel(source, labels={"benign_without_callback": LEAVE_OUT}, classes=("benign", "malignant"))
    assert [record.patient_id for record in fewer.records] == ["p2", "p3"]
    with pytest.raises(DatasetError, match="benign_without_callback") as refused:
        dataset_relabel(source, labels={}, classes=("benign", "malignant"))
    assert refused.value.code == "dataset:label_unmapped"


def test_joined_collections_keep_their_women_apart_and_name_a_source_shortcut() -> None:
    classes = (*CBIS, "normal")
    abnormal = dataset_relabel(dataset("cbis-ddsm", CBIS, p1="benign", p2="malignant"), labels={}, classes=classes)
    normal = dataset_relabel(dataset("ddsm", ("normal",), p1="normal"), labels={}, classes=classes)
    joined = datasets_join([abnormal, normal], classes=classes)
    assert len({record.patient_id for record in joined.records}) == 3
    assert [record.attributes["collection"] for record in joined.records] == ["cbis-ddsm", "cbis-ddsm", "ddsm"]
    assert "Every normal image is from ddsm: a network may learn the scanner for the class." in joined.notes
    assert (joined.problems, joined.citation, joined.grouping) == ((), "cite cbis-ddsm\ncite ddsm", "patient")
    unfolded = replace(normal, records=tuple(replace(record, fold=None) for record in normal.records))
    assert {record.fold for record in datasets_join([abnormal, unfolded], classes=classes).records} == {None}


def test_two_cuts_of_one_collection_are_reported() -> None:
    both = [dataset(kind, ("malignant",), p1="malignant") for kind in ("cbis-ddsm", "mini-ddsm")]
    (problem,) = datasets_join(both, classes=("malignant",)).problems
    assert (problem.code, "DDSM" in problem.detail) == ("dataset:origins_overlap", True)


def test_collections_of_other_classes_are_not_joined() -> None:
    with pytest.raises(DatasetError, match="relabel"):
        datasets_join([dataset("ddsm", ("normal",), p1="normal")], classes=("benign",))
