"""Any folder of images sorted by label: ROOT/<label>/**/image.png, .jpg or .dcm.

Whose images these are comes from patients.csv (columns file and patient_id), else from the headers where all are DICOM, else
nobody knows, and the dataset says so. train/, val/ and test/ folders above the labels are kept as the source's split.

Traps: "image (2).png" beside "image.png" may be a copy or another image: they are kept together; a header's Patient ID is an
identity, so only a digest of it is kept; one file under two labels is found by datasets.deep.
"""

from __future__ import annotations

import re

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.header import header_read
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tables import table_read
from model_registry.datasets.tree import Tree, media_type_of

PATIENTS_TABLE = "patients.csv"
_SPLITS = {"train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train", "test": "test"}
_COPY = re.compile(r"\s*\(\d+\)$")
_ABOUT = About("class-folders", "images in a folder per class", "", "not stated: whoever made the folder must know")


def recognise(tree: Tree) -> str | None:
    labels = {found[1] for found in map(_place, tree.images) if found}
    return f"{len(labels)} folders of images: {', '.join(sorted(labels)[:8])}" if len(labels) >= 2 else None


def class_folders_dataset(tree: Tree) -> Dataset:
    """Classes are the folders' names in alphabetical order. Raises DatasetError for fewer than two, or a file of two patients."""
    problems = list(tree.problems)
    patients = _patients(tree, problems)
    found = []
    for name in tree.images:
        place = _place(name)
        if place is None:
            problems.append(Problem("dataset:label_missing", "lies in no label's folder", name))
        else:
            found.append((name, *place))
    classes = sorted({label for _, _, label in found})
    if len(classes) < 2:
        raise DatasetError("dataset:not_recognised", f"two folders of images, one per class, are needed; found {classes}")
    # reading headers costs a millisecond each: only where they can tell every patient
    from_headers = not patients and all(media_type_of(name) == "application/dicom" for name, _, _ in found)
    records = []
    for name, split, label in found:
        header = header_read(tree.path(name)) if from_headers else None
        if from_headers and header is None:
            problems.append(Problem("dataset:image_unreadable", "no DICOM header can be read", name))
            continue
        patient = patients.get(name) or (header.patient_key if header else None)
        if patient is None and (patients or from_headers):
            problems.append(Problem("dataset:patient_missing", "nothing says whose image this is", name))
        records.append(
            ImageRecord(
                image_id=name,
                path=tree.path(name),
                media_type=media_type_of(name) or "",
                label=label,
                patient_id=patient,
                image_laterality=header.image_laterality if header else None,
                view_position=header.view_position if header else None,
                is_located=False,
                split=split,
                source_image_id=_COPY.sub("", name.rsplit(".", 1)[0]),
            )
        )
    return dataset_assemble(about=_ABOUT, classes=classes, records=records, problems=problems)


def _place(name: str) -> tuple[str | None, str] | None:
    """Split and label of a file, or None outside any label's folder."""
    parts = name.split("/")
    split = _SPLITS.get(parts[0].lower()) if len(parts) > 2 else None
    folders = parts[1:-1] if split else parts[:-1]
    return (split, folders[0]) if folders else None


def _patients(tree: Tree, problems: list[Problem]) -> dict[str, str]:
    if PATIENTS_TABLE not in tree.files:
        return {}
    patients: dict[str, str] = {}
    for row in table_read(tree.path(PATIENTS_TABLE), columns=("file", "patient_id")):
        name = tree.take(row["file"], problems)
        if name is None or not row["patient_id"]:
            continue
        if patients.setdefault(name, row["patient_id"]) != row["patient_id"]:
            raise DatasetError("dataset:patient_conflict", f"{PATIENTS_TABLE} gives {name} to two patients")
    return patients
