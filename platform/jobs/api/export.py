"""Jobs of the worklist as files: CSV and JSON Lines, written while they are sent. It computes no score.

The hospital's own identifiers are given for studies of one site alone, the caller's: a platform administrator who sees other
sites gets their jobs without them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from common.spreadsheets import csv_lines
from jobs.api.documents import failure_document, moment, outcome_document
from jobs.listing import Sort, jobs_in_chunks
from jobs.models import Job
from studies.identity import identities_of

EXPORT_MAXIMUM = 50_000
_CHUNK = 500
USE = "research only, not for diagnosis"
_OUTCOME = ("assessment", "label", "suspicion", "threshold", "above_threshold")
_FAILURE = ("code", "message", "action")
_IDENTIFIERS = ("study_instance_uid", "patient_id", "accession_number")
COLUMNS = (
    *("job", "site", "study", "external_id", "status", "priority", "deployment", "purpose", "attempt"),
    *_OUTCOME,
    *("package", "package_version", "package_digest"),
    *(f"failure_{name}" for name in _FAILURE),
    *("created_at", "started_at", "finished_at"),
    *_IDENTIFIERS,
    "use",
)


def export_csv(*, jobs: QuerySet[Job], sort: Sort, identifiers_of: uuid.UUID | None) -> Iterator[str]:
    """A header and a row for each; no cell is taken for a formula by a spreadsheet."""
    rows = export_rows(jobs=jobs, sort=sort, identifiers_of=identifiers_of)
    return csv_lines(COLUMNS, ([_cell(row[name]) for name in COLUMNS] for row in rows))


def export_jsonl(*, jobs: QuerySet[Job], sort: Sort, identifiers_of: uuid.UUID | None) -> Iterator[str]:
    """One JSON object a line, with the columns of the CSV as its names."""
    for row in export_rows(jobs=jobs, sort=sort, identifiers_of=identifiers_of):
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def export_rows(*, jobs: QuerySet[Job], sort: Sort, identifiers_of: uuid.UUID | None) -> Iterator[dict[str, Any]]:
    """COLUMNS → value, in the list's order. `identifiers_of`: the site whose studies are given theirs; None for none."""
    for chunk in jobs_in_chunks(jobs, sort=sort, chunk=_CHUNK):
        known = _identities(chunk, identifiers_of)
        for job in chunk:
            yield _row(job, known.get(job.study_id, {}))


def _identities(jobs: Sequence[Job], site_id: uuid.UUID | None) -> dict[uuid.UUID, dict[str, Any]]:
    return {} if site_id is None else identities_of(site_id=site_id, study_ids={job.study_id for job in jobs})


def _row(job: Job, identity: dict[str, Any]) -> dict[str, Any]:
    outcome = outcome_document(job) or {}
    failure = failure_document(job.failure_code) if job.failure_code else {}
    return {
        "job": str(job.pk),
        "site": job.site_slug,  # type: ignore[attr-defined]  # annotated by jobs.selectors
        "study": str(job.study_id),
        "external_id": job.study.external_id,
        "status": job.status,
        "priority": job.priority,
        "deployment": job.deployment_name,
        "purpose": job.purpose,
        "attempt": job.attempt,
        **{name: outcome.get(name) for name in _OUTCOME},
        "package": job.package.name,
        "package_version": job.package.version,
        "package_digest": job.package_id,
        **{f"failure_{name}": failure.get(name) for name in _FAILURE},
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        **{name: identity.get(name) or None for name in _IDENTIFIERS},
        "use": USE,
    }


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
