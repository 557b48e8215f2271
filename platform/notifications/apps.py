"""Signed webhooks: events out, deliveries in the open. Connects this room to what others announce."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from accounts.audit_names import names_register
        from batches.signals import batch_changed
        from catalog.signals import deployment_changed
        from jobs.signals import jobs_changed
        from monitoring.signals import alert_raised, alert_resolved

        jobs_changed.connect(_jobs_changed, dispatch_uid="notifications.jobs_changed")
        batch_changed.connect(_batch_changed, dispatch_uid="notifications.batch_changed")
        deployment_changed.connect(_deployment_changed, dispatch_uid="notifications.deployment_changed")
        alert_raised.connect(_alert_raised, dispatch_uid="notifications.alert_raised")
        alert_resolved.connect(_alert_resolved, dispatch_uid="notifications.alert_resolved")
        names_register("webhook", _names)


def _jobs_changed(jobs: Any, **_: Any) -> None:
    from notifications.events import jobs_changed_publish

    jobs_changed_publish(jobs=jobs)


def _batch_changed(batch: Any, at: Any, **_: Any) -> None:
    from notifications.events import batch_changed_publish

    batch_changed_publish(batch=batch, at=at)


def _deployment_changed(deployment_id: Any, **_: Any) -> None:
    from notifications.events import deployment_changed_publish

    deployment_changed_publish(deployment_id=deployment_id)


def _alert_raised(alert: Any, **_: Any) -> None:
    from notifications.event_types import EventType
    from notifications.events import alert_changed_publish

    alert_changed_publish(alert=alert, type=EventType.ALERT_RAISED)


def _alert_resolved(alert: Any, **_: Any) -> None:
    from notifications.event_types import EventType
    from notifications.events import alert_changed_publish

    alert_changed_publish(alert=alert, type=EventType.ALERT_RESOLVED)


def _names(keys: frozenset[str]) -> dict[str, str]:
    """What the audit history calls endpoints: an address may hold a credential, its host does not."""
    from urllib.parse import urlsplit

    from accounts.audit_names import keys_as_uuids
    from notifications.models import WebhookEndpoint

    rows = WebhookEndpoint.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "description", "url")
    return {str(pk): description or urlsplit(url).hostname or "" for pk, description, url in rows}
