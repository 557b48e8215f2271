"""Batches hear what becomes of jobs, which know nothing of batches; the audit history is told what they are called."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "batches"

    def ready(self) -> None:
        from accounts.audit_names import names_register
        from jobs.signals import jobs_changed

        jobs_changed.connect(_jobs_changed, dispatch_uid="batches.jobs_changed")
        names_register("batch", _names)
        names_register("batch_item", _item_names)


def _jobs_changed(jobs: Any, events: Any, **_: Any) -> None:
    from batches.changes import jobs_followed

    # A job that has just been made belongs to no item yet, and progress within a status concerns none.
    moved = {event.job_id for event in events if event.from_status and event.from_status != event.to_status}
    if moved:
        jobs_followed([job for job in jobs if job.pk in moved])


def _names(keys: frozenset[str]) -> dict[str, str]:
    from accounts.audit_names import keys_as_uuids
    from batches.models import Batch

    rows = Batch.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "name")
    return {str(pk): name for pk, name in rows if name}


def _item_names(keys: frozenset[str]) -> dict[str, str]:
    from accounts.audit_names import keys_as_uuids
    from batches.models import BatchItem

    rows = BatchItem.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "custom_id")
    return {str(pk): custom_id for pk, custom_id in rows}
