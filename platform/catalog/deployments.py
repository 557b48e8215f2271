"""What changes a deployment, under its row lock: one DeploymentChange and one audit row each, announced after the commit.

Jobs that were submitted keep the package they were submitted with. What people ask for comes through catalog.requests; the
functions with an id are the platform's own reactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.audit import audit_record
from accounts.models import Site, User
from catalog.models import CandidateMode, Deployment, DeploymentChange, DeploymentRequest, ModelPackage, RequestKind
from catalog.packages import package_deployable_check
from catalog.selectors import previous_package
from catalog.signals import deployment_changed
from common import clock

REASON_MAXIMUM = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """Who changes a deployment and why. `changed_by` None: the platform itself. `detail` holds figures that led to it."""

    changed_by: User | None
    reason: str
    request: DeploymentRequest | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def deployment_activate(
    *, name: str, site: Site | None, package: ModelPackage, changed_by: User | None, reason: str
) -> Deployment:
    """Put a package in service now, for those who need no approval: a first start, an operator at the command line.

    Raises CodedError as package_deployable_check does. Pointing it where it points is no change.
    """
    package_deployable_check(package)
    with transaction.atomic():
        return activate(name=name, site=site, package=package, because=Because(changed_by=changed_by, reason=reason))


def deployment_roll_back(*, deployment_id: UUID, reason: str, detail: Mapping[str, Any]) -> DeploymentChange | None:
    """The platform's own way back, with the figures that caused it. None when there is nothing to go back to."""
    with transaction.atomic():
        deployment = _locked_by_id(deployment_id)
        back = previous_package(deployment=deployment)
        if back is None or back.archived_at is not None:
            return None
        because = Because(changed_by=None, reason=reason, detail=detail)
        return point(deployment, package=back, kind=RequestKind.ROLLBACK, because=because)


def candidate_stop(*, deployment_id: UUID, reason: str, detail: Mapping[str, Any]) -> DeploymentChange | None:
    """The platform stops a candidate that does harm, with the figures that say so. None when there is none any more."""
    with transaction.atomic():
        deployment = _locked_by_id(deployment_id)
        if deployment.candidate is None:
            return None
        return candidate_end(deployment, because=Because(changed_by=None, reason=reason, detail=detail))


# ── Under the caller's lock ───────────────────────────────────────────────────────────────────────────────────────────


def locked(name: str, site: Site | None) -> Deployment | None:
    """The deployment, its row locked until the transaction ends."""
    rows = Deployment.objects.select_for_update(of=("self",)).select_related("package", "candidate")
    return rows.filter(name=name, site=site).first()


def activate(*, name: str, site: Site | None, package: ModelPackage, because: Because) -> Deployment:
    """Make the deployment, or point it at the package. Pointing it where it points is no change."""
    Deployment.objects.get_or_create(name=name, site=site, defaults={"package": package})
    deployment = locked(name, site)
    assert deployment is not None
    if not deployment.changes.exists():
        deployment.activated_at = clock.now()
        _record(deployment, kind=RequestKind.ACTIVATE, previous=None, because=because)
    elif deployment.package_id != package.pk:
        point(deployment, package=package, kind=RequestKind.ACTIVATE, because=because)
    return deployment


def point(deployment: Deployment, *, package: ModelPackage, kind: RequestKind, because: Because) -> DeploymentChange:
    """Move the pointer. A candidate that is now in service is one no longer."""
    previous = deployment.package
    deployment.package = package
    deployment.activated_at = clock.now()
    detail: dict[str, Any] = {}
    if deployment.candidate_id == package.pk:
        detail["promoted"] = {"mode": deployment.candidate_mode, "share": deployment.candidate_share}
        _candidate_clear(deployment)
    return _record(deployment, kind=kind, previous=previous, because=because, detail=detail)


def candidate_begin(
    deployment: Deployment, *, package: ModelPackage, mode: CandidateMode, share: float, because: Because
) -> DeploymentChange:
    """Run a package beside the one in service, for `share` (0, 1] of the submissions."""
    deployment.candidate = package
    deployment.candidate_mode = mode
    deployment.candidate_share = share
    deployment.candidate_since = clock.now()
    detail = {"candidate": package.pk, "mode": mode.value, "share": share}
    return _record(deployment, kind=RequestKind.CANDIDATE_START, previous=deployment.package, because=because, detail=detail)


def candidate_end(deployment: Deployment, *, because: Because) -> DeploymentChange:
    detail = {"candidate": deployment.candidate_id, "mode": deployment.candidate_mode}
    _candidate_clear(deployment)
    return _record(deployment, kind=RequestKind.CANDIDATE_STOP, previous=deployment.package, because=because, detail=detail)


def rules_set(deployment: Deployment, *, rules: Mapping[str, float], because: Because) -> DeploymentChange:
    detail = {"rules_from": deployment.rules, "rules_to": dict(rules)}
    deployment.rules = dict(rules)
    return _record(deployment, kind=RequestKind.RULES, previous=deployment.package, because=because, detail=detail)


def _locked_by_id(deployment_id: UUID) -> Deployment:
    rows = Deployment.objects.select_for_update(of=("self",)).select_related("package", "candidate")
    return rows.get(pk=deployment_id)


def _candidate_clear(deployment: Deployment) -> None:
    deployment.candidate = None
    deployment.candidate_mode = ""
    deployment.candidate_share = 0.0
    deployment.candidate_since = None


def _record(
    deployment: Deployment,
    *,
    kind: RequestKind,
    previous: ModelPackage | None,
    because: Because,
    detail: Mapping[str, Any] | None = None,
) -> DeploymentChange:
    """Save the deployment, write its history and the audit, and tell who listens once it is committed."""
    noted = {**(detail or {}), **because.detail}
    deployment.save()
    change = DeploymentChange.objects.create(
        deployment=deployment,
        kind=kind,
        previous=previous,
        package=deployment.package,
        changed_by=because.changed_by,
        approved_by=because.request.decided_by if because.request else None,
        request=because.request,
        reason=because.reason[:REASON_MAXIMUM],
        detail=noted,
    )
    moved = {"from": previous.pk if previous else None, "to": deployment.package_id, "reason": because.reason}
    audit_record(
        actor=because.changed_by, site=deployment.site, action=f"deployment.{kind}", subject=deployment.name, **moved, **noted
    )
    deployment_id = deployment.pk
    transaction.on_commit(lambda: deployment_changed.send(sender=Deployment, deployment_id=deployment_id))
    return change
