"""The results of a batch as streams: JSON Lines, CSV, a ZIP of overlays. Every item in the order of the manifest, at any time.

Read in pieces, so that a batch of fifty thousand costs no more memory than one of a hundred. It computes no score.
"""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from batches.api.documents import item_failure
from batches.models import Batch, BatchItem
from batches.states import ItemStatus
from common.object_store import object_store
from common.spreadsheets import cell_safe
from inference_worker.contract.failures import CodedError
from jobs.api.result_document import result_document
from jobs.models import Job, JobStatus, Result
from studies.identity import identities_of
from studies.models import Image

_CHUNK = 200
_COPY_BYTES = 256 * 1024
USE = "research only, not for diagnosis"
CSV_COLUMNS = (
    *("custom_id", "position", "external_id", "status", "reused", "study", "job"),
    *("assessment", "label", "suspicion", "threshold", "above_threshold", "package", "package_version", "package_digest"),
    *("failure_code", "failure_message", "failure_action", "study_instance_uid", "patient_id", "accession_number", "use"),
)
_INDEX_COLUMNS = ("custom_id", "folder", "file", "target", "raw_maximum", "scaling")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


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


def heatmaps_zip(*, batch: Batch) -> Iterator[bytes]:
    """Overlays (else the maps themselves) of every result, a folder for each item, and an index. Stored, not deflated: they are PNGs.

    A file that the object store has lost is left out and said so in the index.
    """
    out = _Pipe()
    index = io.StringIO()
    rows = csv.writer(index)
    rows.writerow(_INDEX_COLUMNS)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for items in _chunks(batch, [ItemStatus.SUCCEEDED]):
            payloads = dict(Result.objects.filter(job_id__in=[item.job_id for item in items]).values_list("job_id", "payload"))
            for item in items:
                folder = f"{item.position:05d}-{_UNSAFE.sub('_', item.custom_id)}"
                for number, image in enumerate(payloads[item.job_id]["images"] if item.job_id in payloads else ()):
                    view = "-".join(filter(None, (image["image_laterality"], image["view_position"], str(number))))
                    for heatmap in image["heatmaps"]:
                        key = heatmap["overlay_key"] or heatmap["heatmap_key"]
                        name = f"{view}/{PurePosixPath(key).name}"
                        found = yield from _stored(archive, out, key, f"{folder}/{name}")
                        file = name if found else f"{name} (missing)"
                        row = (item.custom_id, folder, file, heatmap["target"], heatmap["raw_maximum"], heatmap["scaling"])
                        rows.writerow(map(cell_safe, row))
        archive.writestr("index.csv", index.getvalue())
    yield out.taken()


def _stored(archive: zipfile.ZipFile, out: _Pipe, key: str, name: str) -> Iterator[Any]:
    """Copy one object into the archive; whether it was there."""
    try:
        source = object_store().open(key)
    except CodedError as error:
        if error.code != "system:object_missing":
            raise
        return False
    with source, archive.open(zipfile.ZipInfo(name), "w") as target:
        while data := source.read(_COPY_BYTES):
            target.write(data)
            yield out.taken()
    yield out.taken()
    return True


class _Pipe(io.RawIOBase):
    """What a ZIP is written to: it cannot be sought, and gives away what it holds."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _entries(batch: Batch, statuses: Sequence[str], with_identifiers: bool) -> Iterator[_Entry]:
    for items in _chunks(batch, statuses):
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


def _chunks(batch: Batch, statuses: Sequence[str]) -> Iterator[list[BatchItem]]:
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
