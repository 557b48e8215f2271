"""Events out of other rooms, as rows: written in the transaction that makes them true, sent later by a process of its own.

An event carries ids, states, codes and addresses of the API. No patient identity, no result and no reference of the sender's:
whoever receives it fetches what it may see. This module sends nothing.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from accounts.models import Site
from batches.models import Batch
from catalog.models import Deployment
from common import clock
from jobs.api.documents import job_url
from jobs.models import READER_PURPOSES, Job, JobStatus
from monitoring.models import Alert
from notifications.event_types import EVENT_TYPES, EventType
from notifications.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

logger = logging.getLogger(__name__)

_JOB_TYPES = {
    JobStatus.SUCCEEDED.value: EventType.JOB_SUCCEEDED,
    JobStatus.FAILED.value: EventType.JOB_FAILED,
    JobStatus.CANCELLED.value: EventType.JOB_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that has become true at a site. `data` must be JSON and name nobody."""

    site_id: UUID
    type: str
    data: Mapping[str, Any]


def event_publish(*, site: Site, type: str, data: Mapping[str, Any]) -> None:
    """Tell the site's endpoints, if the caller's transaction commits. One query where the site has none.

    Raises ValueError for a type that is not in EventType.
    """
    events_publish([NewEvent(site.pk, type, data)])


def events_publish(events: Sequence[NewEvent]) -> int:
    """The same for many events, in three queries; returns how many deliveries were written."""
    if unknown := {event.type for event in events} - EVENT_TYPES:
        raise ValueError(f"no such event type: {', '.join(sorted(unknown))}")
    endpoints: dict[UUID, list[WebhookEndpoint]] = defaultdict(list)
    for endpoint in WebhookEndpoint.objects.filter(site_id__in={event.site_id for event in events}, deleted_at=None):
        endpoints[endpoint.site_id].append(endpoint)
    if not endpoints:
        return 0
    now = clock.now()
    # Also where every endpoint is off just now: the time in between can be replayed afterwards.
    wanted = [event for event in events if event.site_id in endpoints]
    rows = [_event_row(event, now) for event in wanted]
    WebhookEvent.objects.bulk_create(rows)
    deliveries = [
        delivery_new(endpoint=endpoint, event=row, now=now)
        for row in rows
        for endpoint in endpoints[row.site_id]
        if endpoint.is_active and wants(endpoint, row.type)
    ]
    WebhookDelivery.objects.bulk_create(deliveries)
    return len(deliveries)


def wants(endpoint: WebhookEndpoint, event_type: str) -> bool:
    return not endpoint.event_types or event_type in endpoint.event_types


def delivery_new(
    *, endpoint: WebhookEndpoint, event: WebhookEvent, now: datetime.datetime, is_replay: bool = False
) -> WebhookDelivery:
    """Not saved."""
    return WebhookDelivery(endpoint=endpoint, event=event, next_attempt_at=now, created_at=now, is_replay=is_replay)


def event_body(*, type: str, data: Mapping[str, Any], at: datetime.datetime) -> str:
    """What is sent and signed, byte for byte, at every attempt."""
    return json.dumps({"type": type, "timestamp": _iso(at), "data": data}, separators=(",", ":"))


def _event_row(event: NewEvent, now: datetime.datetime) -> WebhookEvent:
    body = event_body(type=event.type, data=event.data, at=now)
    return WebhookEvent(site_id=event.site_id, type=event.type, body=body, created_at=now)


# ── What this room listens to ─────────────────────────────────────────────────────────────────────────────────────────


def jobs_changed_publish(*, jobs: Sequence[Job]) -> None:
    """Tells of jobs that have ended. Called inside the ledger's transaction."""
    ended = [job for job in jobs if job.status in _JOB_TYPES and job.purpose in READER_PURPOSES]
    _announce([NewEvent(job.site_id, _JOB_TYPES[job.status], _job_data(job)) for job in ended])


def batch_changed_publish(*, batch: Batch, at: datetime.datetime) -> None:
    """Tells of every state a batch reaches after it was closed. Called inside the transaction that changes it."""
    type = f"batch.{batch.state}"
    if type in EVENT_TYPES:
        _announce([NewEvent(batch.site_id, type, _batch_data(batch, at))])


def _announce(events: Sequence[NewEvent]) -> None:
    """What came about is worth more than the news of it: what fails here is undone and logged, and only a database that is away
    ends the transaction, which then is repeated as a whole."""
    if not events:
        return
    try:
        with transaction.atomic():
            events_publish(events)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("webhooks: %d events could not be announced", len(events))


def _batch_data(batch: Batch, at: datetime.datetime) -> dict[str, Any]:
    return {"batch_id": str(batch.pk), "state": str(batch.state), "at": _iso(at), "url": f"/api/v1/batches/{batch.pk}"}


def _iso(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _job_data(job: Job) -> dict[str, Any]:
    return {
        "job_id": str(job.pk),
        "study_id": str(job.study_id),
        "status": str(job.status),
        "attempt": job.attempt,
        "priority": job.priority,
        "deployment": job.deployment_name,
        "purpose": str(job.purpose),
        "failure_code": job.failure_code or None,
        "finished_at": _iso(job.finished_at) if job.finished_at else None,
        "url": job_url(job.pk),
    }


def alert_changed_publish(*, alert: Alert, type: EventType) -> None:
    """Tells of an alert whom the list of alerts shows it to: its site, or every site where it is about none. Called inside the
    transaction that raises or ends it."""
    data = {
        "alert_id": alert.pk,
        "metric": alert.metric,
        "message": alert.message,
        "deployment": alert.deployment_name or None,
        "scope": "site" if alert.site_id else "all",
        "package": alert.package_id,
        "value": alert.value,
        "threshold": alert.threshold,
        "raised_at": _iso(alert.raised_at),
        "resolved_at": _iso(alert.resolved_at) if alert.resolved_at else None,
        "url": "/api/v1/monitoring/alerts",
    }
    _announce([NewEvent(site_id, type, data) for site_id in _sites_told(alert.site_id)])


def _sites_told(site_id: UUID | None) -> list[UUID]:
    """Of something that is of one site, that site; else every site with an endpoint."""
    if site_id is not None:
        return [site_id]
    return list(WebhookEndpoint.objects.filter(deleted_at=None).order_by().values_list("site_id", flat=True).distinct())


def deployment_changed_publish(*, deployment_id: UUID) -> None:
    """Called after the change was committed: if the process dies in between, this news is lost; the history has it."""
    deployment = Deployment.objects.filter(pk=deployment_id).select_related("package").first()
    if deployment is None:
        return
    data = {
        "deployment": deployment.name,
        "scope": "site" if deployment.site_id else "all",
        "package": deployment.package_id,
        "package_name": deployment.package.name,
        "package_version": deployment.package.version,
    }
    told = _sites_told(deployment.site_id)
    try:
        with transaction.atomic():
            events_publish([NewEvent(site_id, EventType.DEPLOYMENT_CHANGED, data) for site_id in told])
    except Exception:
        logger.exception("webhooks: the change of a deployment could not be announced")
