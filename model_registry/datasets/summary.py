"""A collection in numbers, as plain values: what the inspect command prints and what a program
reads. Not for figures of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from model_registry.datasets.deep import DeepReading
from model_registry.datasets.records import Dataset, ImageRecord, Problem

EXAMPLES = 3
# attributes of more values than this are identities or measurements, not groups
MAX_GROUPS = 12
NOT_SAID = "not said"


def dataset_summary(dataset: Dataset, *, deep: DeepReading | None = None) -> dict[str, Any]:
    """Counts by class, side, view, split, fold and attribute; patients; lesions; problems with examples. JSON-ready."""
    records = dataset.records
    images = Counter(record.patient_id for record in records if record.patient_id)
    originals = {record.source_image_id for record in records if record.source_image_id}
    problems = (*dataset.problems, *(deep.problems if deep else ()))
    lesions = Counter(dataset.classes[lesion.label] for record in records for lesion in record.lesions)
    masks = Counter(label for record in records for label in record.mask_labels)
    return {
        "kind": dataset.kind,
        "title": dataset.title,
        "reason": dataset.reason,
        "grouping": dataset.grouping,
        "images": len(records),
        "classes": [
            {
                "name": name,
                "images": sum(record.label == name for record in records),
                "patients": len({record.patient_id for record in records if record.label == name and record.patient_id}),
                "not_located": sum(record.label == name and not record.is_located for record in records),
                "lesions": lesions[name],
                "masks": masks[name],
            }
            for name in dataset.classes
        ],
        "patients": len(images),
        "images_without_patient": sum(record.patient_id is None for record in records),
        "images_per_patient": {str(count): number for count, number in sorted(Counter(images.values()).items())},
        "originals": len(originals),
        "image_laterality": _count(records, lambda record: record.image_laterality),
        "view_position": _count(records, lambda record: record.view_position),
        "media_type": _count(records, lambda record: record.media_type),
        "split": _count(records, lambda record: record.split),
        "fold": _count(records, lambda record: None if record.fold is None else str(record.fold)),
        "attributes": _attributes(records),
        "problems": problems_summary(problems),
        "sizes": {f"{rows} x {columns}": number for (rows, columns), number in deep.sizes.most_common()} if deep else None,
        "bits_stored": {str(bits): number for bits, number in sorted(deep.bits.items())} if deep else None,
        "notes": list(dataset.notes),
        "citation": dataset.citation,
        "licence": dataset.licence,
    }


def problems_summary(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """By code, most frequent first, with a few examples each."""
    by_code: dict[str, list[Problem]] = {}
    for problem in problems:
        by_code.setdefault(problem.code, []).append(problem)
    return [
        {
            "code": code,
            "count": len(found),
            "examples": [f"{problem.path}: {problem.detail}" if problem.path else problem.detail for problem in found[:EXAMPLES]],
        }
        for code, found in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _count(records: Iterable[ImageRecord], value: Callable[[ImageRecord], str | None]) -> dict[str, int]:
    """Empty where the source says nothing of any image."""
    found = Counter(value(record) or NOT_SAID for record in records)
    return {} if set(found) == {NOT_SAID} else dict(sorted(found.items()))


def _attributes(records: tuple[ImageRecord, ...]) -> dict[str, dict[str, int]]:
    names = sorted({name for record in records for name in record.attributes})
    counted = {name: Counter(record.attributes.get(name, NOT_SAID) for record in records) for name in names}
    return {name: dict(sorted(found.items())) for name, found in counted.items() if len(found) <= MAX_GROUPS}
