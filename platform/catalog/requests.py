"""Changes of deployments that people ask for: checked, perhaps approved by a second person, perhaps for a later moment, applied.

Everything is checked when it is asked for and again when it is applied, under the deployment's row lock. What a change does
stands in catalog.deployments; who may ask is catalog.api's concern.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import Site, User
from catalog import deployments
from catalog.deployments import REASON_MAXIMUM, Because
from catalog.models import CandidateMode, Deployment, DeploymentRequest, ModelPackage, RequestKind, RequestState
from catalog.packages import package_deployable_check
from catalog.selectors import previous_package
from common import clock
from inference_worker.contract.failures import CodedError

logger = logging.getLogger(__name__)

REASON_MINIMUM = 5
#: What an automatic roll-back may look at: name → (smallest, largest) allowed value.
RULES: Mapping[str, tuple[float, float]] = {
    "minimum_jobs": (1, 100_000),
    "window_minutes": (1, 7 * 24 * 60),
    "failure_share": (0.0, 1.0),
    "latency_p95_seconds": (0.001, 3600.0),
}
_NEEDS_PACKAGE = frozenset({RequestKind.ACTIVATE, RequestKind.CANDIDATE_START})
#: Ways back to safety never wait for a second person.
_NEVER_WAITS = frozenset({RequestKind.ROLLBACK, RequestKind.CANDIDATE_STOP})
#: Addresses of the API that are no deployments.
RESERVED_NAMES = frozenset({"all", "requests", "history"})
#: Scheduled changes applied in one round of the dispatcher's loop.
_ROUND = 50


def deployment_request(
    *,
    kind: RequestKind | str,
    name: str,
    site: Site | None,
    requested_by: User | None,
    reason: str,
    package: ModelPackage | None = None,
    candidate_mode: str = "",
    candidate_share: float = 0.0,
    rules: Mapping[str, Any] | None = None,
    apply_at: datetime.datetime | None = None,
) -> DeploymentRequest:
    """Ask for a change. Applied at once unless a second person must approve it or `apply_at` lies ahead; the state says which.

    `candidate_share` is the share (0, 1] of submissions. Raises CodedError: input:reason_missing, input:invalid_field,
    input:no_previous_package, input:no_candidate, input:already_candidate, or what package_deployable_check raises.
    """
    kind = RequestKind(kind)
    reason = reason.strip()
    if len(reason) < REASON_MINIMUM:
        raise CodedError("input:reason_missing")
    if len(reason) > REASON_MAXIMUM:
        raise CodedError("input:invalid_field", f"reason: at most {REASON_MAXIMUM} characters")
    with transaction.atomic():
        deployment = deployments.locked(name, site)
        request = DeploymentRequest(
            kind=kind,
            deployment_name=name,
            site=site,
            package=package,
            candidate_mode=candidate_mode,
            candidate_share=candidate_share,
            rules=rules_checked(rules or {}) if kind is RequestKind.RULES else {},
            based_on=deployment.package if deployment else None,
            reason=reason,
            requested_by=requested_by,
            apply_at=apply_at,
            state=RequestState.SCHEDULED,
        )
        _check(request, deployment)
        if settings.DEPLOYMENT_APPROVAL_REQUIRED and kind not in _NEVER_WAITS:
            request.state = RequestState.PENDING
        request.save()
        _audit(request, action="request.create", actor=requested_by)
        if request.state == RequestState.SCHEDULED and (apply_at is None or apply_at <= clock.now()):
            _apply(request, deployment)
    return request


def request_approve(*, request_id: UUID, approved_by: User, reason: str = "") -> DeploymentRequest:
    """A second person agrees: the change is applied, or waits for its moment.

    Raises CodedError input:needs_second_person, input:request_decided, input:deployment_moved, or what applying raises.
    """
    with transaction.atomic():
        request = _pending(request_id)
        if request.requested_by_id == approved_by.pk:
            raise CodedError("input:needs_second_person")
        deployment = deployments.locked(request.deployment_name, request.site)
        if request.based_on_id != (deployment.package_id if deployment else None):
            raise CodedError("input:deployment_moved")
        _decide(request, by=approved_by, state=RequestState.SCHEDULED, reason=reason, action="request.approve")
        _check(request, deployment)
        if request.apply_at is None or request.apply_at <= clock.now():
            _apply(request, deployment)
    return request


def request_reject(*, request_id: UUID, rejected_by: User, reason: str = "") -> DeploymentRequest:
    """A second person refuses. Raises CodedError input:request_decided."""
    with transaction.atomic():
        request = _open(request_id)
        _decide(request, by=rejected_by, state=RequestState.REJECTED, reason=reason, action="request.reject")
    return request


def request_withdraw(*, request_id: UUID, withdrawn_by: User, reason: str = "") -> DeploymentRequest:
    """Whoever asked takes it back, pending or scheduled. Raises CodedError input:request_decided."""
    with transaction.atomic():
        request = _open(request_id)
        _decide(request, by=withdrawn_by, state=RequestState.WITHDRAWN, reason=reason, action="request.withdraw")
    return request


def requests_apply_due() -> int:
    """Apply what was scheduled and is due; returns how many were tried. One that cannot be applied any more is FAILED with its
    code, and the others go on. For the dispatcher's loop."""
    due = DeploymentRequest.objects.filter(state=RequestState.SCHEDULED, apply_at__lte=clock.now()).order_by("apply_at", "pk")
    keys = list(due.values_list("pk", flat=True)[:50])
    for key in keys:
        with transaction.atomic():
            request = DeploymentRequest.objects.select_for_update().get(pk=key)
            if request.state != RequestState.SCHEDULED:
                continue  # another dispatcher was quicker
            try:
                with transaction.atomic():
                    deployment = deployments.locked(request.deployment_name, request.site)
                    _check(request, deployment)
                    _apply(request, deployment)
            except CodedError as error:
                request.state = RequestState.FAILED
                request.failure_code = error.code
                request.save(update_fields=["state", "failure_code"])
                _audit(request, action="request.failed", actor=None, code=error.code)
                logger.warning("deployments: a scheduled change of %s failed: %s", request.deployment_name, error.code)
    return len(keys)


def rules_checked(rules: Mapping[str, Any]) -> dict[str, float]:
    """The rules of an automatic roll-back, or CodedError input:invalid_field naming the one that is wrong. Empty: none."""
    checked: dict[str, float] = {}
    for name, value in rules.items():
        if name not in RULES:
            raise CodedError("input:invalid_field", f"rules.{str(name)[:40]}: there are {', '.join(RULES)}")
        low, high = RULES[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not low <= value <= high:
            raise CodedError("input:invalid_field", f"rules.{name}: a number from {low:g} to {high:g}")
        checked[name] = value
    if checked and not {"failure_share", "latency_p95_seconds"} & set(checked):
        raise CodedError("input:invalid_field", "rules: give failure_share, latency_p95_seconds, or both")
    return checked


def _check(request: DeploymentRequest, deployment: Deployment | None) -> None:
    """Whether the change makes sense on the world as it is; called under the deployment's lock, when asked and when applied."""
    kind = RequestKind(request.kind)
    if kind in _NEEDS_PACKAGE:
        if request.package is None:
            raise CodedError("input:unknown_package")
        # locked, so that it is not archived between this look and the change
        locked = ModelPackage.objects.select_for_update()
        request.package.refresh_from_db(fields=["validation_state", "archived_at"], from_queryset=locked)
        package_deployable_check(request.package)
    if kind is RequestKind.ACTIVATE:
        if deployment is None and request.deployment_name in RESERVED_NAMES:
            raise CodedError("input:invalid_field", f"name: {request.deployment_name!r} is reserved")
        return
    if deployment is None:
        raise CodedError("input:unknown_deployment")
    if kind is RequestKind.ROLLBACK:
        back = previous_package(deployment=deployment)
        if back is None:
            raise CodedError("input:no_previous_package")
        if back.archived_at is not None:
            raise CodedError("model:package_archived", str(back))
    elif kind is RequestKind.CANDIDATE_STOP and deployment.candidate_id is None:
        raise CodedError("input:no_candidate")
    elif kind is RequestKind.CANDIDATE_START:
        if request.package_id == deployment.package_id:
            raise CodedError("input:already_candidate")
        if request.candidate_mode not in CandidateMode.values or not 0 < request.candidate_share <= 1:
            raise CodedError("input:invalid_field", "candidate: mode is shadow or canary, share above 0 and at most 1")


def _open(request_id: UUID) -> DeploymentRequest:
    request = DeploymentRequest.objects.select_for_update().get(pk=request_id)
    if request.state not in (RequestState.PENDING, RequestState.SCHEDULED):
        raise CodedError("input:request_decided", request.state)
    return request


def _pending(request_id: UUID) -> DeploymentRequest:
    request = _open(request_id)
    if request.state != RequestState.PENDING:
        raise CodedError("input:request_decided", request.state)
    return request


def _decide(request: DeploymentRequest, *, by: User, state: RequestState, reason: str, action: str) -> None:
    request.state = state
    request.decided_by = by
    request.decided_at = clock.now()
    request.decision_reason = reason.strip()[:REASON_MAXIMUM]
    request.save(update_fields=["state", "decided_by", "decided_at", "decision_reason"])
    _audit(request, action=action, actor=by)


def _apply(request: DeploymentRequest, deployment: Deployment | None) -> None:
    """Carry out a checked request under the lock."""
    kind = RequestKind(request.kind)
    because = Because(changed_by=request.requested_by, reason=request.reason, request=request)
    if kind is RequestKind.ACTIVATE:
        assert request.package is not None
        deployments.activate(name=request.deployment_name, site=request.site, package=request.package, because=because)
    else:
        assert deployment is not None
        if kind is RequestKind.ROLLBACK:
            request.package = previous_package(deployment=deployment)
            assert request.package is not None
            deployments.point(deployment, package=request.package, kind=kind, because=because)
        elif kind is RequestKind.CANDIDATE_START:
            assert request.package is not None
            deployments.candidate_begin(
                deployment,
                package=request.package,
                mode=CandidateMode(request.candidate_mode),
                share=request.candidate_share,
                because=because,
            )
        elif kind is RequestKind.CANDIDATE_STOP:
            deployments.candidate_end(deployment, because=because)
        else:
            deployments.rules_set(deployment, rules=request.rules, because=because)
    request.state = RequestState.APPLIED
    request.applied_at = clock.now()
    request.save(update_fields=["state", "applied_at", "package"])


def _audit(request: DeploymentRequest, *, action: str, actor: User | None, **detail: Any) -> None:
    audit_record(
        actor=actor,
        site=request.site,
        action=action,
        subject=request.deployment_name,
        request=str(request.pk),
        kind=str(request.kind),
        package=request.package_id,
        reason=request.decision_reason or request.reason,
        **detail,
    )
