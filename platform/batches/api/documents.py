"""Batches, items and quarantine as the JSON documents of API v1. Shapes only: reads rows that a selector fetched."""

from __future__ import annotations

import uuid
from typing import Any

from batches.models import Batch, BatchItem, BatchSource, QuarantineState
from batches.states import ENDED_STATES, BatchState, ItemStatus
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.api.documents import failure_document, job_url, moment
from jobs.models import JobStatus

_COUNTED = ("total", *(status.value for status in ItemStatus))
_MOMENTS = ("validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_STOPPABLE = (BatchState.OPEN, BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING)


def batch_url(batch_id: uuid.UUID) -> str:
    return f"/api/v1/batches/{batch_id}"


def quarantine_url(item_id: uuid.UUID) -> str:
    return f"/api/v1/quarantine/{item_id}"


def batch_document(batch: Batch) -> dict[str, Any]:
    """One batch. Needs its sources."""
    url = batch_url(batch.pk)
    failed = batch.state == BatchState.FAILED and batch.failure_code
    return {
        "id": str(batch.pk),
        "url": url,
        "name": batch.name,
        "state": batch.state,
        "priority": ORDER_QUEUES[batch.urgency],
        "deployment": batch.deployment_name,
        "metadata": batch.metadata,
        "duplicates": batch.duplicates,
        "expires_after_seconds": batch.expires_after_seconds,
        "request_counts": {name: getattr(batch, f"{name}_count") for name in _COUNTED},
        "sources": [_source(source) for source in sorted(batch.sources.all(), key=lambda source: source.position)],
        "queue_position": batch.queue_position,
        "eta_seconds": batch.eta_seconds,
        "failure": failure_document(batch.failure_code) if failed else None,
        "created_at": moment(batch.created_at),
        "expires_at": moment(batch.expires_at),
        **{f"{name}_at": moment(getattr(batch, f"{name}_at")) for name in _MOMENTS},
        "items_url": f"{url}/items",
        "results_url": f"{url}/results",
        "heatmaps_url": f"{url}/heatmaps",
        "actions": {
            "append": batch.state == BatchState.OPEN,
            "close": batch.state == BatchState.OPEN,
            "cancel": batch.state in _STOPPABLE,
            "retry": batch.state != BatchState.CANCELLING and bool(batch.failed_count or batch.cancelled_count),
        },
    }


def batch_has_ended(batch: Batch) -> bool:
    return batch.state in ENDED_STATES


def item_document(item: BatchItem) -> dict[str, Any]:
    """One item. Needs its job and source."""
    return {
        "custom_id": item.custom_id,
        "position": item.position,
        "external_id": item.external_id,
        "status": item.status,
        "priority": ORDER_QUEUES[item.urgency],
        "deployment": item.deployment_name,
        "metadata": item.metadata,
        **_files(item),
        "reused": item.reused,
        "study": str(item.study_id) if item.study_id else None,
        "job": _job(item),
        "failure": item_failure(item),
        "quarantine_url": quarantine_url(item.pk) if item.quarantine == QuarantineState.HELD else None,
        "created_at": moment(item.created_at),
        "ended_at": moment(item.ended_at),
    }


def item_failure(item: BatchItem) -> dict[str, Any] | None:
    """Why it has no result, in the catalogue's words; None where it has one or may still get one. Needs its job."""
    if item.status not in (ItemStatus.FAILED, ItemStatus.CANCELLED, ItemStatus.QUARANTINED):
        return None
    job = item.job
    code, detail = item.failure_code, item.failure_detail
    if not code and job is not None:
        code, detail = job.failure_code, job.failure_detail
    return {**failure_document(code or "system:unexpected"), "detail": detail, "files": item.failure_files}


def quarantine_document(item: BatchItem) -> dict[str, Any]:
    """One item that was kept aside. `failure` is null again once it has been released. Needs its job and source."""
    return {
        "id": str(item.pk),
        "url": quarantine_url(item.pk),
        "batch": str(item.batch_id),
        "custom_id": item.custom_id,
        "external_id": item.external_id,
        "state": item.quarantine,
        "failure": item_failure(item),
        **_files(item),
        "quarantined_at": moment(item.quarantined_at),
        "purged_at": moment(item.quarantine_ends_at) if item.quarantine == QuarantineState.HELD else None,
    }


def _source(source: BatchSource) -> dict[str, Any]:
    return {
        "archive": str(source.upload) if source.upload else None,
        "prefix": source.prefix or None,
        "state": source.state,
        "items": source.item_count,
    }


def _files(item: BatchItem) -> dict[str, Any]:
    source = item.source
    return {
        "uploads": item.uploads,
        "prefix": item.prefix or (source.prefix if source is not None else "") or None,
        "archive": str(source.upload) if source is not None and source.upload else None,
    }


def _job(item: BatchItem) -> dict[str, Any] | None:
    if item.job is None:
        return None
    url = job_url(item.job.pk)
    return {
        "id": str(item.job.pk),
        "url": url,
        "result_url": f"{url}/result" if item.job.status == JobStatus.SUCCEEDED else None,
    }
