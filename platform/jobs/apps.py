"""Connects jobs to what happens in the catalogue, which knows nothing of jobs."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from catalog.signals import deployment_changed

        deployment_changed.connect(_deployment_changed, dispatch_uid="jobs.hot_swap")


def _deployment_changed(**_: Any) -> None:
    from jobs.hot_swap import packages_announce

    packages_announce()
