"""From a loader's records to a Dataset: what holds for every collection is checked in one place.

Not for reading files, and not for leaks that only pixels show: those are datasets.deep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset, ImageRecord, Problem

WITHOUT_PATIENTS = (
    "The source does not say whose image is whose: a split can keep copies of one image together, not images of one woman. "
    "Figures from such a split are optimistic."
)


@dataclass(frozen=True, slots=True)
class About:
    """What a collection is, wherever it lies: its name, title, citation and the licence to respect."""

    name: str
    title: str
    citation: str
    licence: str


def dataset_assemble(
    *,
    about: About,
    classes: Sequence[str],
    records: Iterable[ImageRecord],
    problems: Iterable[Problem] = (),
    notes: Sequence[str] = (),
) -> Dataset:
    """Put a Dataset together. Raises DatasetError when nothing was found or a patient is in two given folds.

    A patient in both given splits goes to the training part, with a problem that says so: the test part then holds nobody a
    network was trained on. `attributes["given_split"]` keeps what the source said.
    """
    kept, noted = _identities(records, list(problems))
    if not kept:
        seen = "; ".join(f"{problem.detail} ({problem.path})" for problem in noted[:3])
        raise DatasetError("dataset:empty", f"no labelled image was found in this {about.title}" + (f": {seen}" if seen else ""))
    kept = _splits_mend(kept, noted)
    folds_check(kept)
    grouping = "patient" if all(record.patient_id for record in kept) else "image"
    words = [*notes, *([WITHOUT_PATIENTS] if grouping == "image" else [])]
    return Dataset(
        name=about.name,
        title=about.title,
        classes=tuple(classes),
        records=tuple(kept),
        problems=tuple(noted),
        grouping="patient" if grouping == "patient" else "image",
        citation=about.citation,
        licence=about.licence,
        kind=about.name,
        notes=tuple(words),
    )


def _identities(records: Iterable[ImageRecord], problems: list[Problem]) -> tuple[list[ImageRecord], list[Problem]]:
    seen: set[str] = set()
    kept = []
    for record in records:
        if record.image_id in seen:
            problems.append(Problem("dataset:image_listed_twice", f"{record.image_id} is listed twice; the first counts"))
            continue
        seen.add(record.image_id)
        kept.append(record)
    return kept, problems


def _splits_mend(records: list[ImageRecord], problems: list[Problem]) -> list[ImageRecord]:
    splits: dict[str, set[str]] = {}
    for record in records:
        if record.split:
            splits.setdefault(record.group_id, set()).add(record.split)
    torn = {group for group, names in splits.items() if len(names) > 1}
    if not torn:
        return records
    moved = Counter(record.group_id for record in records if record.group_id in torn and record.split != "train")
    for group, count in sorted(moved.items()):
        problems.append(
            Problem("dataset:patient_in_two_splits", f"{group} is in both given splits; {count} test images count as training")
        )
    return [
        replace(record, split="train", attributes={**record.attributes, "given_split": record.split or ""})
        if record.group_id in torn
        else record
        for record in records
    ]


def folds_check(records: Iterable[ImageRecord]) -> None:
    """Raises DatasetError `dataset:patient_in_two_splits` when a given fold tears one patient's images apart."""
    folds: dict[str, int] = {}
    for record in records:
        if record.fold is not None and folds.setdefault(record.group_id, record.fold) != record.fold:
            raise DatasetError(
                "dataset:patient_in_two_splits",
                f"patient {record.group_id} is in two folds; films of one woman must stay together",
            )
