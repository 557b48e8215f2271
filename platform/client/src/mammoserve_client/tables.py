"""Results as files people open: CSV with one row a study, or JSON Lines. A file appears when it is whole."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mammoserve_client.models import ItemResult

COLUMNS = (
    "source",
    "custom_id",
    "status",
    "assessment",
    "label",
    "suspicion",
    "threshold",
    "above_threshold",
    "package",
    "package_version",
    "package_digest",
    "study",
    "job",
    "failure_code",
    "failure_message",
    "failure_action",
    "study_instance_uid",
    "patient_id",
    "accession_number",
    "use",
)
USE = "research only; not for diagnosis"
# A spreadsheet runs what begins so; a quote before it makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Tally:
    """What came out, for the last lines on the terminal."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    actions: dict[str, str] = field(default_factory=dict)

    def count(self, item: ItemResult) -> None:
        self.statuses[item.status] += 1
        if item.failure:
            self.failures[item.failure.code] += 1
            self.actions[item.failure.code] = item.failure.action


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file that takes its name when everything is in it."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        yield file
    part.replace(path)


def results_write(path: Path, answers: Iterable[tuple[str, ItemResult]]) -> Tally:
    """CSV, or JSON Lines where the name ends in .jsonl. `answers`: source and item."""
    tally = Tally()
    with whole_file(path) as file:
        table = None if path.suffix == ".jsonl" else csv.DictWriter(file, COLUMNS)
        if table:
            table.writeheader()
        for source, item in answers:
            tally.count(item)
            if table:
                table.writerow({name: _cell(value) for name, value in row_of(source, item).items()})
            else:
                file.write(json.dumps({"source": source, **item.document}, ensure_ascii=False) + "\n")
    return tally


def row_of(source: str, item: ItemResult) -> dict[str, Any]:
    result, identifiers = item.result or {}, item.identifiers or {}
    package, study = result.get("package") or {}, result.get("study") or {}
    suspicion, threshold = study.get("suspicion"), (result.get("suspicion") or {}).get("threshold")
    return {
        "source": source,
        "custom_id": item.custom_id,
        "status": item.status,
        "assessment": study.get("assessment"),
        "label": study.get("label"),
        "suspicion": suspicion,
        "threshold": threshold,
        "above_threshold": None if suspicion is None or threshold is None else suspicion > threshold,
        "package": package.get("name"),
        "package_version": package.get("version"),
        "package_digest": package.get("digest"),
        "study": item.study,
        "job": item.job,
        "failure_code": item.failure.code if item.failure else None,
        "failure_message": item.failure.message if item.failure else None,
        "failure_action": item.failure.action if item.failure else None,
        "study_instance_uid": identifiers.get("study_instance_uid"),
        "patient_id": identifiers.get("patient_id"),
        "accession_number": identifiers.get("accession_number"),
        "use": USE,
    }


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
