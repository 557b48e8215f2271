"""Jobs and studies as the JSON documents of API v1. Shapes only: it reads rows that a selector fetched and runs no query."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from inference_worker.contract.failures import failure_for
from jobs.models import TERMINAL_STATUSES, Job, JobEvent, JobStatus, Result
from studies.models import Image, Study


def job_url(job_id: uuid.UUID) -> str:
    return f"/api/v1/jobs/{job_id}"


def original_url(study_id: uuid.UUID, image_id: uuid.UUID | str) -> str:
    """Where the de-identified file of an image is."""
    return f"/api/v1/studies/{study_id}/images/{image_id}/original"


def job_document(job: Job, *, queue_position: int | None, eta_seconds: int | None) -> dict[str, Any]:
    """One job. As jobs.selectors fetches it."""
    return {
        "id": str(job.pk),
        "url": job_url(job.pk),
        "site": job.site_slug,  # type: ignore[attr-defined]  # annotated by jobs.selectors, as is_unread
        "study": {"id": str(job.study_id), "external_id": job.study.external_id, "is_sample": job.study.is_sample},
        "status": job.status,
        "stage": job.stage or None,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "priority": job.priority,
        "deployment": job.deployment_name,
        "purpose": job.purpose,
        "origin": str(job.origin_id) if job.origin_id else None,
        "is_canary": job.is_canary,
        "package": {"name": job.package.name, "version": job.package.version, "digest": job.package_id},
        "queue_position": queue_position,
        "eta_seconds": eta_seconds,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "failure": _failure(job),
        "result_url": f"{job_url(job.pk)}/result" if job.status == JobStatus.SUCCEEDED else None,
        "outcome": outcome_document(job),
        "unread": job.is_unread,  # type: ignore[attr-defined]
        "actions": {
            "cancel": job.status not in TERMINAL_STATUSES,
            "retry": job.status in (JobStatus.FAILED, JobStatus.CANCELLED),
        },
    }


def job_summary_document(job: Job) -> dict[str, Any]:
    """A job as its study shows it."""
    return {
        "id": str(job.pk),
        "url": job_url(job.pk),
        "status": job.status,
        "stage": job.stage or None,
        "priority": job.priority,
        "created_at": moment(job.created_at),
        "finished_at": moment(job.finished_at),
        "failure": _failure(job),
        "outcome": outcome_document(job),
    }


def study_document(study: Study, *, latest_job: Job | None, image_count: int) -> dict[str, Any]:
    return {
        "id": str(study.pk),
        "external_id": study.external_id,
        "is_sample": study.is_sample,
        "created_at": moment(study.created_at),
        "image_count": image_count,
        "latest_job": job_summary_document(latest_job) if latest_job is not None else None,
    }


def image_document(image: Image) -> dict[str, Any]:
    """One image. Needs `stored_object` fetched."""
    return {
        "id": str(image.pk),
        "position": image.position,
        "image_laterality": image.image_laterality or None,
        "view_position": image.view_position or None,
        "rows": image.rows,
        "columns": image.columns,
        "media_type": image.stored_object.media_type,
        "modality": image.modality or None,
    }


def event_document(event: JobEvent) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "from_status": event.from_status or None,
        "to_status": event.to_status,
        "stage": event.stage or None,
        "attempt": event.attempt,
        "actor": event.actor,
        "detail": event.detail,
        "occurred_at": moment(event.occurred_at),
    }


def failure_document(code: str) -> dict[str, Any]:
    """The catalogue's words for a code."""
    failure = failure_for(code)
    return {
        "code": failure.code,
        "title": failure.title,
        "message": failure.message,
        "action": failure.action,
        "retryable": failure.retryable,
    }


def moment(value: datetime.datetime | None) -> str | None:
    """ISO 8601 in UTC with a Z, as DRF writes it."""
    return None if value is None else value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _failure(job: Job) -> dict[str, Any] | None:
    if not job.failure_code:
        return None
    return {**failure_document(job.failure_code), "detail": job.failure_detail}


def outcome_document(job: Job) -> dict[str, Any] | None:
    result: Result | None = getattr(job, "result", None)
    if result is None:
        return None
    threshold: float | None = job.suspicion_threshold  # type: ignore[attr-defined]  # annotated by jobs.selectors
    return {
        "assessment": result.assessment,
        "label": result.label or None,
        "suspicion": result.suspicion,
        "threshold": threshold,
        "above_threshold": None if result.suspicion is None or threshold is None else result.suspicion >= threshold,
    }
