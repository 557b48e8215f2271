"""Batches hear what becomes of jobs, which know nothing of batches."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "batches"

    def ready(self) -> None:
        from jobs.signals import jobs_changed

        jobs_changed.connect(_jobs_changed, dispatch_uid="batches.jobs_changed")


def _jobs_changed(jobs: Any, events: Any, **_: Any) -> None:
    from batches.changes import jobs_followed

    # A job that has just been made belongs to no item yet, and progress within a status concerns none.
    moved = {event.job_id for event in events if event.from_status and event.from_status != event.to_status}
    if moved:
        jobs_followed([job for job in jobs if job.pk in moved])
