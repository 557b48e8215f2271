"""Signed webhooks: events out, deliveries in the open. Connects this room to what others announce."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from catalog.signals import deployment_changed
        from jobs.signals import jobs_ended

        jobs_ended.connect(_jobs_ended, dispatch_uid="notifications.jobs_ended")
        deployment_changed.connect(_deployment_changed, dispatch_uid="notifications.deployment_changed")


def _jobs_ended(jobs: Any, **_: Any) -> None:
    from notifications.events import jobs_ended_publish

    jobs_ended_publish(jobs=jobs)


def _deployment_changed(deployment_id: Any, **_: Any) -> None:
    from notifications.events import deployment_changed_publish

    deployment_changed_publish(deployment_id=deployment_id)
