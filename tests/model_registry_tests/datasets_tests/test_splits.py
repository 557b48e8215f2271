"""Splits keep a woman on one side, say so where they cannot, and refuse what would leak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.datasets.splits import PatientsUnknownWarning, folds_by_patient, split_check

CLASSES = ("normal", "malignant")


def collection(patients: Sequence[str | None], labels: Sequence[int] | None = None, original: str | None = None) -> Dataset:
    records = [
        ImageRecord(
            image_id=f"i{number}",
            path=Path(f"i{number}.png"),
            media_type="image/png",
            label=CLASSES[labels[number] if labels else number % 2],
            patient_id=patient,
            source_image_id=original,
        )
        for number, patient in enumerate(patients)
    ]
    return dataset_assemble(about=About("drawn", "Drawn", "", ""), classes=CLASSES, records=records)


@settings(max_examples=40, deadline=None)
@given(
    owners=st.lists(st.integers(0, 12), min_size=30, max_size=60).filter(lambda found: len(set(found)) >= 6),
    folds=st.integers(2, 4),
    seed=st.integers(0, 5),
)
def test_no_woman_is_in_two_folds_and_no_image_is_lost(owners: list[int], folds: int, seed: int) -> None:
    dataset = collection([f"w{owner}" for owner in owners])
    result = folds_by_patient(dataset, folds=folds, seed=seed)
    assert (result.shape, set(result.tolist()) <= set(range(folds))) == ((len(owners),), True)
    for owner in set(owners):
        assert len(set(result[[number for number, other in enumerate(owners) if other == owner]])) == 1
    np.testing.assert_array_equal(result, folds_by_patient(dataset, folds=folds, seed=seed))


def test_classes_are_spread_evenly() -> None:
    dataset = collection([f"w{number // 2}" for number in range(80)], [int(number // 2 % 4 == 0) for number in range(80)])
    folds = folds_by_patient(dataset, folds=5, seed=1)
    for fold in range(5):
        inside = [record.label for record, where in zip(dataset.records, folds, strict=True) if where == fold]
        assert (len(inside), inside.count("malignant")) == (16, 4)


def test_given_folds_win() -> None:
    dataset = collection([f"w{number}" for number in range(6)])
    folds = [2, 2, 0, 0, 1, 1]
    records = tuple(replace(record, fold=fold) for record, fold in zip(dataset.records, folds, strict=True))
    assert folds_by_patient(replace(dataset, records=records), folds=3, seed=0).tolist() == folds


def test_splitting_images_is_refused_where_patients_are_known_and_warned_of_where_not() -> None:
    with pytest.raises(DatasetError) as refused:
        folds_by_patient(collection(["a", "b", "a", "b"]), folds=2, seed=0, level="image")
    assert refused.value.code == "dataset:image_level_split_refused"
    with pytest.warns(PatientsUnknownWarning, match="optimistic"):
        folds_by_patient(collection([None] * 8), folds=2, seed=0)


@pytest.mark.parametrize(
    ("patients", "folds", "code"),
    [(["a", "b"] * 3, 3, "dataset:too_few_patients"), (["a", "b", "c"], 1, "dataset:folds_invalid"),
     (["a", "b", "c"], 3, "dataset:too_few_images")],
)  # fmt: skip
def test_impossible_divisions_are_refused(patients: list[str], folds: int, code: str) -> None:
    with pytest.raises(DatasetError) as refused:
        folds_by_patient(collection(patients), folds=folds, seed=0)
    assert refused.value.code == code


def test_parts_that_share_a_woman_or_an_original_are_refused() -> None:
    with pytest.raises(DatasetError, match="such as a") as refused:
        split_check(collection(["a", "a", "b"]), ["train", "test", "train"])
    assert refused.value.code == "dataset:patient_in_two_splits"
    copies = collection([None, None], original="20586908")
    with pytest.raises(DatasetError, match="20586908"):
        split_check(copies, [0, 1])
    split_check(collection(["a", "a", "b"]), ["train", "train", "test"])


def test_an_empty_collection_and_an_image_listed_twice_are_told() -> None:
    with pytest.raises(DatasetError) as refused:
        collection([])
    assert refused.value.code == "dataset:empty"
    twice = ImageRecord(image_id="i", path=Path("i.png"), media_type="image/png", label="normal")
    dataset = dataset_assemble(about=About("drawn", "Drawn", "", ""), classes=CLASSES, records=[twice, twice])
    assert (len(dataset.records), dataset.problems[0].code) == (1, "dataset:image_listed_twice")
