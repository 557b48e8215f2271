"""Endpoints and deliveries as JSON. Secrets are in none of them."""

from __future__ import annotations

from typing import Any

from jobs.api.documents import moment
from notifications.models import DeliveryAttempt, DeliveryState, WebhookDelivery, WebhookEndpoint


def endpoint_document(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Needs `pending` and `failed` counted (notifications.selectors)."""
    return {
        "id": str(endpoint.pk),
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "is_active": endpoint.is_active,
        "disabled_at": moment(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": moment(endpoint.failing_since),
        "consecutive_failures": endpoint.consecutive_failures,
        "last_success_at": moment(endpoint.last_success_at),
        "previous_secret_until": moment(endpoint.previous_secret_until),
        "deliveries_pending": endpoint.pending,  # type: ignore[attr-defined]  # annotated by notifications.selectors
        "deliveries_failed": endpoint.failed,  # type: ignore[attr-defined]
        "created_at": moment(endpoint.created_at),
    }


def delivery_document(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": str(delivery.pk),
        "webhook": str(delivery.endpoint_id),
        "event_id": str(delivery.event_id),
        "event_type": delivery.event.type,
        "state": delivery.state,
        "is_replay": delivery.is_replay,
        "created_at": moment(delivery.created_at),
        "next_attempt_at": moment(delivery.next_attempt_at) if delivery.state == DeliveryState.PENDING else None,
        "finished_at": moment(delivery.finished_at),
        "payload": delivery.event.body,
        "attempts": [_attempt(row) for row in sorted(delivery.attempts.all(), key=lambda row: row.number)],
    }


def _attempt(row: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": row.number,
        "at": moment(row.at),
        "request_id": row.request_id,
        "status": row.status,
        "error": row.error or None,
        "elapsed_seconds": row.elapsed_seconds,
        "answer": row.answer,
    }
