"""The results of a batch as streams: JSON Lines and CSV. Every item in the order of the manifest, at any time.

Read in pieces, so that a batch of fifty thousand costs no more memory than one of a hundred. It computes no score.
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batches.api.documents import item_failure
from batches.models import Batch, BatchItem
from batches.states import ItemStatus
from common.spreadsheets import cell_safe
from jobs.api.result_document import result_document
from jobs.models import Job, JobStatus
from studies.identity import identities_of
from studies.models import Image

_CHUNK = 200
USE = "research only, not for diagnosis"
CSV_COLUMNS = (
    *("custom_id", "position", "external_id", "status", "reused", "study", "job"),
    *("assessment", "label", "suspicion", "threshold", "above_threshold", "package", "package_version", "package_digest"),
    *("failure_code", "failure_message", "failure_action", "study_instance_uid", "patient_id", "accession_number", "use"),
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One item with what is known of it; `images` of its study as (id, position), by position."""

    item: BatchItem
    result: dict[str, Any] | None
    identifiers: dict[str, Any] | None


def results_jsonl(*, batch: Batch, statuses: Sequence[str], with_identifiers: bool) -> Iterator[bytes]:
    """One JSON object a line."""
    for entry in _entries(batch, statuses, with_identifiers):
        item = entry.item
        line = {
            "custom_id": item.custom_id,
            "position": item.position,
            "external_id": item.external_id,
            "metadata": item.metadata,
            "status": item.status,
            "reused": item.reused,
            "study": str(item.study_id) if item.study_id else None,
            "job": str(item.job_id) if item.job_id else None,
            "result": entry.result,
            "failure": item_failure(item),
            "identifiers": entry.identifiers,
        }
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def results_csv(*, batch: Batch, statuses: Sequence[str], with_identifiers: bool) -> Iterator[bytes]:
    """A header and one row for each item; no cell is taken for a formula by a spreadsheet."""
    yield _csv_line(CSV_COLUMNS)
    for entry in _entries(batch, statuses, with_identifiers):
        item, result = entry.item, entry.result
        row: dict[str, Any] = {name: getattr(item, name) for name in ("custom_id", "position", "external_id", "status")}
        row |= {"reused": str(item.reused).lower(), "study": item.study_id, "job": item.job_id, "use": USE}
        if result is not None:
            threshold, suspicion = result["suspicion"]["threshold"], result["study"]["suspicion"]
            row |= {name: result["study"][name] for name in ("assessment", "label", "suspicion")}
            row["threshold"] = threshold
            if threshold is not None and suspicion is not None:
                row["above_threshold"] = str(suspicion >= threshold).lower()
            package = result["package"]
            row |= {"package": package["name"], "package_version": package["version"], "package_digest": package["digest"]}
        if (failure := item_failure(item)) is not None:
            row |= {f"failure_{name}": failure[name] for name in ("code", "message", "action")}
        if entry.identifiers is not None:
            row |= {name: entry.identifiers[name] for name in ("study_instance_uid", "patient_id", "accession_number")}
        yield _csv_line([row.get(name) for name in CSV_COLUMNS])


def _entries(batch: Batch, statuses: Sequence[str], with_identifiers: bool) -> Iterator[_Entry]:
    for items in items_in_chunks(batch, statuses):
        done = [item.job_id for item in items if item.status == ItemStatus.SUCCEEDED and item.job_id]
        rows = Job.objects.filter(pk__in=done, status=JobStatus.SUCCEEDED).select_related("study", "result")
        jobs = {job.pk: job for job in rows.prefetch_related("package")}
        studies = {item.study_id for item in items if item.study_id}
        images: dict[uuid.UUID, list[tuple[str, int]]] = {}
        for study_id, pk, position in (
            Image.objects.filter(study_id__in=studies).order_by("position").values_list("study_id", "pk", "position")
        ):
            images.setdefault(study_id, []).append((str(pk), position))
        identities = identities_of(site_id=batch.site_id, study_ids=studies) if with_identifiers else {}
        for item in items:
            of_study = images.get(item.study_id, []) if item.study_id else []
            job = jobs.get(item.job_id) if item.job_id else None
            known = identities.get(item.study_id) if item.study_id else None
            yield _Entry(
                item=item,
                result=None if job is None else result_document(job=job, result=job.result, image_positions=dict(of_study)),
                identifiers=None if known is None else _identifiers(known, of_study),
            )


def _identifiers(known: dict[str, Any], images: list[tuple[str, int]]) -> dict[str, Any]:
    uids = known["sop_instance_uids"]
    return {
        **{name: known[name] or None for name in ("study_instance_uid", "patient_id", "accession_number")},
        "images": [
            {"id": pk, "position": position, "sop_instance_uid": uids[position]}
            for pk, position in images
            if position < len(uids) and uids[position]
        ],
    }


def items_in_chunks(batch: Batch, statuses: Sequence[str]) -> Iterator[list[BatchItem]]:
    """Items in manifest order with their jobs, read piece by piece; of all statuses where none is given."""
    items = BatchItem.objects.filter(batch=batch).select_related("job").order_by("position")
    if statuses:
        items = items.filter(status__in=statuses)
    last = -1
    while chunk := list(items.filter(position__gt=last)[:_CHUNK]):
        yield chunk
        last = chunk[-1].position


def _csv_line(values: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([cell_safe(value) for value in values])
    return line.getvalue().encode()
