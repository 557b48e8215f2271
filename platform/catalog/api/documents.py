"""Packages, deployments and their history as JSON documents. Shapes only: reads rows a selector fetched and runs no query."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from accounts.models import Site, User
from catalog.compare import Comparison
from catalog.models import Deployment, DeploymentChange, DeploymentRequest, ModelPackage, PackageCheck, PackageUpload
from inference_worker.contract.checks import BUILD_ITEMS, VALIDATION_ITEMS
from inference_worker.contract.failures import failure_for


def moment(value: datetime.datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value is not None else None


def person(user: User | None) -> str | None:
    """Administrators see administrators by their sign-in names; the platform itself has none."""
    return user.username if user is not None else None


def scope_of(site: Site | None) -> dict[str, Any]:
    return {"scope": "all" if site is None else "site", "site": None if site is None else site.slug}


def failure_words(code: str, detail: str = "") -> dict[str, Any] | None:
    """A failure code with its words; None for no failure."""
    if not code:
        return None
    failure = failure_for(code)
    words = {"code": code, "title": failure.title, "message": failure.message, "action": failure.action}
    return {**words, "detail": detail or None}


def package_document(package: ModelPackage) -> dict[str, Any]:
    """One package as lists show it. Its deployments and candidacies must have been prefetched with their sites."""
    manifest = package.manifest
    return {
        "digest": package.pk,
        "name": package.name,
        "version": package.version,
        "title": manifest.get("title", ""),
        "task": manifest.get("task", "classification"),
        "classes": manifest.get("classes", []),
        "size_bytes": package.size_bytes,
        "installed_at": moment(package.installed_at),
        "installed_by": person(package.installed_by),
        "signed_by": package.signed_by or None,
        "validation_state": package.validation_state,
        "archived_at": moment(package.archived_at),
        "deployed_as": [{"name": row.name, **scope_of(row.site)} for row in package.deployments.all()],
        "candidate_of": [
            {"name": row.name, **scope_of(row.site), "mode": row.candidate_mode, "share": row.candidate_share}
            for row in package.candidacies.all()
        ],
        "metrics": manifest.get("metrics", []),
    }


def package_reference(package: ModelPackage | None) -> dict[str, Any] | None:
    """Just enough of a package to name it and link to it."""
    if package is None:
        return None
    return {"digest": package.pk, "name": package.name, "version": package.version, "title": package.manifest.get("title", "")}


def package_detail_document(
    package: ModelPackage, *, card: str | None, checks: Sequence[PackageCheck], jobs: int
) -> dict[str, Any]:
    """One package in full."""
    return {
        **package_document(package),
        "manifest": package.manifest,
        "card": card,
        "files": package.manifest["files"],
        "checks": [check_summary_document(check) for check in checks],
        "jobs": jobs,
    }


def check_summary_document(check: PackageCheck) -> dict[str, Any]:
    """One piece of a worker's registry work, without its report."""
    return {
        "id": str(check.pk),
        "kind": check.kind,
        "state": check.state,
        "package": check.package_id,
        "upload": str(check.upload_id) if check.upload_id else None,
        "attempt": check.attempt,
        "worker": check.worker or None,
        "provider": check.provider or None,
        "step": check.step,
        "steps_done": check.steps_done,
        "steps_total": check.steps_total,
        "requested_at": moment(check.requested_at),
        "requested_by": person(check.requested_by),
        "started_at": moment(check.started_at),
        "finished_at": moment(check.finished_at),
        "failure": failure_words(check.failure_code, check.failure_detail),
    }


def check_document(check: PackageCheck) -> dict[str, Any]:
    """One piece of a worker's registry work with its report; null until there is one."""
    report = check.report or None
    if report is not None:
        report = {
            "passed": report["passed"],
            "provider": report["provider"],
            "software": report["software"],
            "performance": report["performance"] or [],
            "items": [_item_document(item) for item in report["items"]],
        }
    return {**check_summary_document(check), "report": report}


def _item_document(item: Mapping[str, Any]) -> dict[str, Any]:
    titles = VALIDATION_ITEMS | BUILD_ITEMS
    return {
        "name": item["name"],
        "title": titles.get(item["name"], item["name"]),
        "verdict": item["verdict"],
        "detail": item["detail"],
        "code": item["code"],
        "failure": failure_words(item["code"] or ""),
        "figures": item["figures"] or {},
        "seconds": item["seconds"],
    }


def comparison_document(comparison: Comparison, *, left: ModelPackage, right: ModelPackage) -> dict[str, Any]:
    return {
        "left": package_document(left),
        "right": package_document(right),
        "sections": [
            {
                "name": section.name,
                "same": section.same,
                "rows": [{"field": row.field, "left": row.left, "right": row.right, "same": row.same} for row in section.rows],
            }
            for section in comparison.sections
        ],
        "cautions": [
            {"code": caution.code.value, "message": caution.message, "values": {"left": caution.left, "right": caution.right}}
            for caution in comparison.cautions
        ],
        "warnings": [caution.message for caution in comparison.cautions],
    }


def upload_document(upload: PackageUpload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "kind": upload.kind,
        "state": upload.state,
        "package": upload.package_id,
        "failure": failure_words(upload.failure_code, upload.failure_detail),
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "form": upload.form,
        "created_at": moment(upload.created_at),
        "finished_at": moment(upload.finished_at),
        "uploaded_by": person(upload.uploaded_by),
    }


def request_document(request: DeploymentRequest) -> dict[str, Any]:
    return {
        "id": str(request.pk),
        "kind": request.kind,
        "name": request.deployment_name,
        **scope_of(request.site),
        "package": package_reference(request.package),
        "candidate_mode": request.candidate_mode or None,
        "candidate_share": request.candidate_share or None,
        "rules": request.rules,
        "reason": request.reason,
        "requested_by": person(request.requested_by),
        "requested_at": moment(request.requested_at),
        "apply_at": moment(request.apply_at),
        "state": request.state,
        "decided_by": person(request.decided_by),
        "decided_at": moment(request.decided_at),
        "decision_reason": request.decision_reason,
        "applied_at": moment(request.applied_at),
        "failure": failure_words(request.failure_code),
    }


def change_document(change: DeploymentChange) -> dict[str, Any]:
    return {
        "id": change.pk,
        "name": change.deployment.name,
        **scope_of(change.deployment.site),
        "kind": change.kind,
        "previous": package_reference(change.previous),
        "package": package_reference(change.package),
        "changed_by": person(change.changed_by),
        "approved_by": person(change.approved_by),
        "reason": change.reason,
        "detail": change.detail,
        "changed_at": moment(change.changed_at),
    }


def deployment_document(
    deployment: Deployment,
    *,
    previous: ModelPackage | None,
    pending: Sequence[DeploymentRequest],
    history: Sequence[DeploymentChange],
) -> dict[str, Any]:
    """One pointer as administrators see it."""
    candidate = None
    if deployment.candidate is not None:
        candidate = {
            "package": package_document(deployment.candidate),
            "mode": deployment.candidate_mode,
            "share": deployment.candidate_share,
            "since": moment(deployment.candidate_since),
        }
    return {
        "id": str(deployment.pk),
        "name": deployment.name,
        **scope_of(deployment.site),
        "package": package_document(deployment.package),
        "activated_at": moment(deployment.activated_at),
        "candidate": candidate,
        "rules": deployment.rules,
        "previous": package_reference(previous),
        "pending": [request_document(request) for request in pending],
        "history": [change_document(change) for change in history],
    }
