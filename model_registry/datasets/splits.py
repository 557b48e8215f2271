"""Dividing a collection so that no woman, and no original of augmented copies, is on both sides.

Not for choosing what to train on: that is datasets.combine and the training configuration.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from model_registry.datasets.assembly import WITHOUT_PATIENTS
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset


class PatientsUnknownWarning(UserWarning):
    """The source does not say whose images these are; the split keeps copies of an original together and nothing more."""


def folds_by_patient(dataset: Dataset, *, folds: int, seed: int, level: Literal["patient", "image"] = "patient") -> np.ndarray:
    """A fold index per record, (n,) int64, whole patients each, classes spread as evenly as whole patients allow.

    Folds given by the source win, whatever number was asked for. Raises DatasetError `dataset:image_level_split_refused` when
    `level` is "image" and patients are known, `dataset:too_few_patients`, `dataset:folds_invalid`, and
    `dataset:patient_in_two_splits` for given folds that tear a patient apart. Warns where patients are not known.
    """
    records = dataset.records
    if level == "image" and any(record.patient_id for record in records):
        raise DatasetError(
            "dataset:image_level_split_refused",
            f"{dataset.title} says whose image is whose: images of one woman on both sides of a split are a leak",
        )
    if records and all(record.fold is not None for record in records):
        given = np.asarray([record.fold for record in records], dtype=np.int64)
        split_check(dataset, given.tolist())
        return given
    if folds < 2:
        raise DatasetError("dataset:folds_invalid", f"{folds} folds; at least 2 are needed")
    groups = [record.group_id for record in records]
    if (count := len(set(groups))) < folds:
        raise DatasetError("dataset:too_few_patients", f"{count} patients cannot make {folds} folds")
    if dataset.grouping == "image":
        warnings.warn(WITHOUT_PATIENTS, PatientsUnknownWarning, stacklevel=2)
    labels = [dataset.classes.index(record.label) for record in records]
    counts = np.bincount(labels)
    if (rarest := int(counts[counts > 0].min())) < folds:
        raise DatasetError("dataset:too_few_images", f"a class of {rarest} images cannot be in each of {folds} folds")
    result = np.zeros(len(records), dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(records)), labels, groups)):
        result[held_out] = fold
    split_check(dataset, result.tolist())
    return result


def split_check(dataset: Dataset, parts: Sequence[object]) -> None:
    """Raises DatasetError `dataset:patient_in_two_splits` when two of `parts`, one per record, hold one patient or original."""
    seen: dict[str, object] = {}
    torn: set[str] = set()
    for record, part in zip(dataset.records, parts, strict=True):
        if seen.setdefault(record.group_id, part) != part:
            torn.add(record.group_id)
    if torn:
        examples = ", ".join(sorted(torn)[:3])
        raise DatasetError("dataset:patient_in_two_splits", f"{len(torn)} patients are in two parts, such as {examples}")
