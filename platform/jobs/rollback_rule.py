"""The automatic roll-back: a package that fails or is slow beyond its deployment's rules goes out of service by itself, once.

Looks at clinical jobs that ended since the package came into service. What it takes back it never brings in again, and it does
not go back twice in a row: when the package before is no better, people decide.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from catalog.deployments import candidate_stop, deployment_roll_back
from catalog.models import CandidateMode, Deployment, DeploymentChange, RequestKind
from common import clock
from jobs.agreement import percentile
from jobs.models import Job, JobPurpose, JobStatus
from jobs.signals import deployment_rolled_back

logger = logging.getLogger(__name__)

MINIMUM_JOBS = 20
WINDOW_MINUTES = 60
_LOOKED_AT = 5000


def rules_watch() -> int:
    """Look at every deployment with rules; returns how many packages were taken out of service. For the dispatcher's loop."""
    taken = 0
    for deployment in Deployment.objects.exclude(rules={}).select_related("package", "candidate"):
        canary = deployment.candidate_mode == CandidateMode.CANARY and deployment.candidate is not None
        if canary and (broken := _broken(deployment, candidate=True)):
            change = candidate_stop(deployment_id=deployment.pk, reason=_words("Canary stopped", broken), detail=broken)
        elif not _came_back(deployment) and (broken := _broken(deployment, candidate=False)):
            change = deployment_roll_back(deployment_id=deployment.pk, reason=_words("Rolled back", broken), detail=broken)
        else:
            continue
        if change is not None:
            taken += 1
            logger.warning("deployments: %s of %s by its rules: %s", change.kind, deployment.name, broken)
            _announce(change)
    return taken


def _announce(change: DeploymentChange) -> None:
    transaction.on_commit(
        lambda: deployment_rolled_back.send(sender=Deployment, deployment_id=change.deployment_id, change=change)
    )


def _came_back(deployment: Deployment) -> bool:
    """Whether the present package serves because of an automatic roll-back."""
    moves = deployment.changes.filter(kind__in=[RequestKind.ACTIVATE, RequestKind.ROLLBACK]).order_by("-id")
    last = moves.first()
    return last is not None and last.kind == RequestKind.ROLLBACK and last.changed_by_id is None


def _broken(deployment: Deployment, *, candidate: bool) -> dict[str, Any]:
    """The figures that break a rule, with the rule; empty while none is broken or too few jobs have ended."""
    rules = deployment.rules
    since = deployment.candidate_since if candidate else deployment.activated_at
    jobs = _ended(
        deployment,
        package_id=deployment.candidate_id if candidate else deployment.package_id,
        since=since,
        minutes=rules.get("window_minutes", WINDOW_MINUTES),
    )
    if len(jobs) < rules.get("minimum_jobs", MINIMUM_JOBS):
        return {}
    failed = sum(status == JobStatus.FAILED and code.startswith(("model:", "system:")) for status, code, _, _ in jobs)
    share = failed / len(jobs)
    if "failure_share" in rules and share >= rules["failure_share"] and failed:
        return {"rule": "failure_share", "limit": rules["failure_share"], "value": share, "jobs": len(jobs)}
    seconds = sorted((end - start).total_seconds() for status, _, start, end in jobs if status == JobStatus.SUCCEEDED and start)
    p95 = percentile(seconds, 95)
    if "latency_p95_seconds" in rules and p95 is not None and p95 >= rules["latency_p95_seconds"]:
        return {"rule": "latency_p95_seconds", "limit": rules["latency_p95_seconds"], "value": p95, "jobs": len(jobs)}
    return {}


def _ended(deployment: Deployment, *, package_id: str | None, since: datetime.datetime | None, minutes: float) -> Sequence[Any]:
    start = clock.now() - datetime.timedelta(minutes=minutes)
    if since is not None:
        start = max(start, since)
    own = Q(deployment_name=deployment.name, package_id=package_id, purpose=JobPurpose.CLINICAL, study__is_sample=False)
    if deployment.site_id is not None:
        own &= Q(site_id=deployment.site_id)
    rows = Job.objects.filter(own, status__in=[JobStatus.SUCCEEDED, JobStatus.FAILED], finished_at__gte=start)
    return list(rows.order_by("-finished_at").values_list("status", "failure_code", "started_at", "finished_at")[:_LOOKED_AT])


def _words(what: str, broken: dict[str, Any]) -> str:
    value, jobs, limit = broken["value"], broken["jobs"], broken["limit"]
    if broken["rule"] == "failure_share":
        return f"{what}: {value:.0%} of {jobs} jobs failed; the rule allows less than {limit:.0%}."
    return f"{what}: 95 % of {jobs} jobs took up to {value:.1f} s; the rule allows less than {limit:g} s."
