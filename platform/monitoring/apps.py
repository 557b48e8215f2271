"""Connects monitoring to what other rooms announce."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from jobs.signals import deployment_rolled_back, dispatcher_round

        deployment_rolled_back.connect(_rolled_back, dispatch_uid="monitoring.rolled_back")
        dispatcher_round.connect(_round, dispatch_uid="monitoring.round")


def _rolled_back(change: Any, **_: Any) -> None:
    from monitoring.alerts import rolled_back_alert

    rolled_back_alert(change=change)


def _round(**_: Any) -> None:
    from monitoring.rounds import monitoring_round

    monitoring_round()
