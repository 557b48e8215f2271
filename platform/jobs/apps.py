"""Connects jobs to what happens in the catalogue, which knows nothing of jobs; names them for the audit history."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from accounts.audit_names import names_register
        from catalog.signals import deployment_changed

        deployment_changed.connect(_deployment_changed, dispatch_uid="jobs.hot_swap")
        names_register("job", _names)


def _deployment_changed(**_: Any) -> None:
    from jobs.hot_swap import packages_announce

    packages_announce()


def _names(keys: frozenset[str]) -> dict[str, str]:
    """By the sender's own reference of the study."""
    from accounts.audit_names import keys_as_uuids
    from jobs.models import Job

    rows = Job.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "study__external_id")
    return {str(pk): external_id for pk, external_id in rows if external_id}
