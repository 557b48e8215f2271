"""Collections made to fit a network: labels renamed, merged and put in order, several collections joined.

Not for balancing or augmentation, which belong to training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import LesionCircle
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.registry import KINDS

LEAVE_OUT = ""


def dataset_relabel(dataset: Dataset, *, labels: Mapping[str, str], classes: Sequence[str]) -> Dataset:
    """Rename labels to `classes`, in that order; a label mapped to LEAVE_OUT takes its images along.

    Labels `labels` does not name keep their name. Raises DatasetError `dataset:label_unmapped` for one that then is no class.
    """
    names = {name: labels.get(name, name) for name in dataset.classes}
    if lost := sorted(name for name, target in names.items() if target not in (*classes, LEAVE_OUT)):
        raise DatasetError("dataset:label_unmapped", f"{lost} of {dataset.title} are none of {list(classes)}")
    records = []
    for record in dataset.records:
        if names[record.label] == LEAVE_OUT:
            continue
        kept = [lesion for lesion in record.lesions if names[dataset.classes[lesion.label]] != LEAVE_OUT]
        masks = [
            (path, names[label])
            for path, label in zip(record.mask_paths, record.mask_labels, strict=True)
            if names[label] != LEAVE_OUT
        ]
        records.append(
            replace(
                record,
                label=names[record.label],
                lesions=tuple(
                    LesionCircle(lesion.column, lesion.row, lesion.radius, classes.index(names[dataset.classes[lesion.label]]))
                    for lesion in kept
                ),
                mask_paths=tuple(path for path, _ in masks),
                mask_labels=tuple(label for _, label in masks),
            )
        )
    return replace(dataset, classes=tuple(classes), records=tuple(records))


def datasets_join(datasets: Sequence[Dataset], *, classes: Sequence[str]) -> Dataset:
    """One collection of several, each already relabelled to `classes`. Given folds and splits are dropped unless all give them.

    Patients and images are named apart by collection. Problems say where two collections hold films of one origin, which no name
    ties together, and notes where a class comes from one collection alone, so that its scanner gives it away.
    """
    if any(dataset.classes != tuple(classes) for dataset in datasets):
        raise DatasetError("dataset:label_unmapped", "relabel every collection to the same classes before joining")
    records: list[ImageRecord] = []
    keep_folds = all(record.fold is not None for dataset in datasets for record in dataset.records)
    keep_splits = all(record.split is not None for dataset in datasets for record in dataset.records)
    for number, dataset in enumerate(datasets):
        prefix = f"{number}-{dataset.name}:"
        records.extend(
            replace(
                record,
                image_id=prefix + record.image_id,
                patient_id=prefix + record.patient_id if record.patient_id else None,
                source_image_id=prefix + record.source_image_id if record.source_image_id else None,
                fold=record.fold if keep_folds else None,
                split=record.split if keep_splits else None,
                attributes={**record.attributes, "collection": dataset.name},
            )
            for record in dataset.records
        )
    problems = [problem for dataset in datasets for problem in dataset.problems]
    notes = [note for dataset in datasets for note in dataset.notes]
    for position, first in enumerate(datasets):
        for second in datasets[position + 1 :]:
            if shared := _origins(first) & _origins(second):
                detail = (
                    f"{first.title} and {second.title} both hold films of {', '.join(sorted(shared))}: the same women, unnamed"
                )
                problems.append(Problem("dataset:origins_overlap", detail))
    for label in classes:
        sources = {record.attributes["collection"] for record in records if record.label == label}
        if len(sources) == 1 and len(datasets) > 1:
            notes.append(f"Every {label} image is from {next(iter(sources))}: a network may learn the scanner for the class.")
    return Dataset(
        name="+".join(dataset.name for dataset in datasets),
        title=" + ".join(dataset.title for dataset in datasets),
        classes=tuple(classes),
        records=tuple(records),
        problems=tuple(problems),
        grouping="patient" if all(dataset.grouping == "patient" for dataset in datasets) else "image",
        citation="\n".join(dict.fromkeys(dataset.citation for dataset in datasets if dataset.citation)),
        licence="\n".join(dict.fromkeys(f"{dataset.title}: {dataset.licence}" for dataset in datasets)),
        kind="joined",
        reason="joined",
        notes=tuple(dict.fromkeys(notes)),
    )


def _origins(dataset: Dataset) -> frozenset[str]:
    kind = KINDS.get(dataset.kind)
    return kind.origins if kind else frozenset()
