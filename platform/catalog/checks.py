"""Registry work in inference workers: what is asked for, and what came of it, once and fenced by attempt.

    QUEUED ── running ──► RUNNING ── done ──► PASSED | FAILED
       ▲                     │  └── failed, or its worker lost, as often as is allowed ──► FAILED
       └── attempt + 1 ◄─────┘

A check is no job: it has no study, and its row is its own outbox. This module publishes nothing and loads no model.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.audit import audit_record
from accounts.models import User
from catalog.models import CheckKind, CheckState, ModelPackage, PackageCheck, PackageUpload
from common import clock
from inference_worker.contract.checks import CheckEvent, CheckOrder, CheckProgress, CheckReport, CheckTask
from inference_worker.contract.failures import failure_for
from inference_worker.contract.wire import ContractViolation

logger = logging.getLogger(__name__)

ATTEMPTS_MAXIMUM = 3
_OPEN = (CheckState.QUEUED, CheckState.RUNNING)
#: A published order that nobody began for so long is published again: two workers at it are fenced, none is not noticed.
_UNBEGUN_AFTER = datetime.timedelta(minutes=10)
_PAUSE = datetime.timedelta(seconds=5)
_REPORT_BYTES_MAXIMUM = 500_000


def validation_request(
    *, package: ModelPackage, requested_by: User | None, not_before: datetime.datetime | None = None
) -> PackageCheck:
    """Ask a worker to prove the package, at once or not before a moment. While one validation of it is open, that one is
    returned."""
    with transaction.atomic():
        ModelPackage.objects.select_for_update().get(pk=package.pk)
        running = PackageCheck.objects.filter(package=package, kind=CheckKind.VALIDATE, state__in=_OPEN).first()
        if running is not None:
            return running
        check = PackageCheck.objects.create(
            kind=CheckKind.VALIDATE, package=package, requested_by=requested_by, not_before=not_before or clock.now()
        )
        _package_state(check)
        audit_record(actor=requested_by, action="package.validate", subject=package.pk, check=str(check.pk))
    package.validation_state = check.state
    return check


def build_request(*, upload: PackageUpload, requested_by: User) -> PackageCheck:
    """Ask a worker to build a package from an uploaded ONNX file and its form. Joins the caller's transaction."""
    return PackageCheck.objects.create(kind=CheckKind.BUILD, upload=upload, requested_by=requested_by, not_before=clock.now())


def checks_due() -> list[PackageCheck]:
    """Checks that the broker does not hold and that may start, oldest first, locked until the caller's transaction ends."""
    rows = PackageCheck.objects.select_for_update(of=("self",)).select_related("package", "upload")
    return list(
        rows.filter(state=CheckState.QUEUED, published_at=None, not_before__lte=clock.now()).order_by("requested_at")[:20]
    )


def check_order(check: PackageCheck) -> CheckOrder:
    """What a worker is told."""
    if check.kind == CheckKind.BUILD:
        assert check.upload is not None
        return CheckOrder(
            check_id=str(check.pk),
            attempt=check.attempt,
            task=CheckTask.BUILD,
            lease_seconds=settings.JOB_LEASE_SECONDS,
            source_key=check.upload.object_key,
            source_sha256=check.upload.sha256,
            form=check.upload.form,
            output_prefix=output_prefix(check),
        )
    assert check.package is not None
    return CheckOrder(
        check_id=str(check.pk),
        attempt=check.attempt,
        task=CheckTask.VALIDATE,
        lease_seconds=settings.JOB_LEASE_SECONDS,
        package_digest=check.package.pk,
        package_key=check.package.object_key,
    )


def output_prefix(check: PackageCheck) -> str:
    """The folder in the object store where this attempt, and no other, writes."""
    return f"checks/{check.pk}/{check.attempt}"


def checks_published(checks: Sequence[PackageCheck]) -> None:
    """The broker holds these now."""
    PackageCheck.objects.filter(pk__in=[check.pk for check in checks]).update(published_at=clock.now())


def checks_republish() -> int:
    """The broker forgot everything: what waited there waits here again."""
    return PackageCheck.objects.filter(state=CheckState.QUEUED, published_at__isnull=False).update(published_at=None)


def checks_reap() -> int:
    """Checks whose worker fell silent, and orders that nobody began: round again; returns how many."""
    now = clock.now()
    reaped = PackageCheck.objects.filter(state=CheckState.QUEUED, published_at__lt=now - _UNBEGUN_AFTER).update(published_at=None)
    with transaction.atomic():
        lost = PackageCheck.objects.select_for_update(of=("self",)).filter(state=CheckState.RUNNING, lease_until__lt=now)
        for check in lost.select_related("package", "upload"):
            _attempt_failed(check, code="system:worker_lost", detail="lease expired")
            reaped += 1
    return reaped


def leases_extend(held: Sequence[tuple[str, int]]) -> None:
    """A worker's heartbeat names the attempts it holds."""
    for check_id, attempt in held:
        try:
            key = UUID(check_id)
        except ValueError:
            continue  # a job's or a stranger's; the heartbeat's other entries count
        until = clock.now() + datetime.timedelta(seconds=settings.JOB_LEASE_SECONDS)
        PackageCheck.objects.filter(pk=key, attempt=attempt, state=CheckState.RUNNING).update(lease_until=until)


def check_apply(event: CheckEvent) -> bool:
    """What a worker reports about one attempt; returns whether it changed anything. To be called inside the ledger's transaction.

    Late, repeated and foreign events change nothing. Raises ContractViolation for an event that is not one.
    """
    try:
        key = UUID(event.check_id)
    except ValueError:
        raise ContractViolation("CheckEvent.check_id is malformed") from None
    rows = PackageCheck.objects.select_for_update(of=("self",)).select_related("package", "upload")
    check = rows.filter(pk=key).first()
    if check is None or event.attempt != check.attempt or check.state not in _OPEN:
        return False
    if check.state == CheckState.QUEUED:
        check.state = CheckState.RUNNING
        check.started_at = clock.now()
        check.worker = _plain(event.worker, 100)
    if event.progress is CheckProgress.DONE:
        _done(check, event)
    elif event.progress is CheckProgress.FAILED:
        _attempt_failed(check, code=event.failure_code or "system:unexpected", detail=event.failure_detail or "")
    else:
        check.steps_total = max(0, min(event.steps_total, 1000))
        if event.steps_done >= check.steps_done:  # progress may arrive out of order
            check.step, check.steps_done = _plain(event.step, 40), min(event.steps_done, check.steps_total)
        check.lease_until = clock.now() + datetime.timedelta(seconds=settings.JOB_LEASE_SECONDS)
        check.save()
    _package_state(check)
    return True


def _done(check: PackageCheck, event: CheckEvent) -> None:
    try:
        report = _report_read(event.report)
    except ContractViolation as error:
        _attempt_failed(check, code="system:contract_violation", detail=str(error))
        return
    check.report = report.to_wire()
    check.provider = _plain(report.provider, 64)
    check.state = CheckState.PASSED if report.passed else CheckState.FAILED
    if not report.passed:
        first = next((item for item in report.items if item.code), None)
        check.failure_code = _plain(first.code or "", 64) if first else ""
        check.failure_detail = _plain(first.detail, 2000) if first else ""
    _finish(check)
    if check.kind == CheckKind.BUILD:
        from catalog.uploads import build_finished  # the room above: uploads ask for checks

        build_finished(check=check, report=report)


def _attempt_failed(check: PackageCheck, *, code: str, detail: str) -> None:
    """Another attempt where that may help and one is left, else the end."""
    if failure_for(code).retryable and check.attempt < ATTEMPTS_MAXIMUM:
        check.state = CheckState.QUEUED
        check.attempt += 1
        check.published_at = check.started_at = check.lease_until = None
        check.not_before = clock.now() + _PAUSE
        check.worker = check.step = ""
        check.steps_done = 0
        check.save()
    else:
        check.state = CheckState.FAILED
        check.failure_code, check.failure_detail = _plain(code, 64), _plain(detail, 2000)
        _finish(check)
        if check.kind == CheckKind.BUILD:
            from catalog.uploads import build_failed

            build_failed(check=check)
    _package_state(check)


def _finish(check: PackageCheck) -> None:
    check.finished_at = clock.now()
    check.lease_until = None
    check.step = ""
    check.save()
    logger.info("check %s of kind %s ended %s %s", check.pk, check.kind, check.state, check.failure_code)


def _package_state(check: PackageCheck) -> None:
    """A package stands as its latest validation does."""
    if check.kind == CheckKind.VALIDATE:
        newer = Q(requested_at__gt=check.requested_at)
        if not PackageCheck.objects.filter(newer, package=check.package, kind=CheckKind.VALIDATE).exists():
            ModelPackage.objects.filter(pk=check.package_id).update(validation_state=check.state)


def _report_read(payload: Any) -> CheckReport:
    if payload is None:
        raise ContractViolation("CheckEvent.report is missing")
    report = CheckReport.from_wire(payload)
    try:
        text = json.dumps(report.to_wire(), allow_nan=False)
    except (ValueError, TypeError):
        raise ContractViolation("report holds a value that JSON has no word for") from None
    if len(text) > _REPORT_BYTES_MAXIMUM or "\\u0000" in text:
        raise ContractViolation("report is too large or holds NUL")
    if not isinstance(report.passed, bool) or any(not math.isfinite(item.seconds) for item in report.items):
        raise ContractViolation("report has not the promised shape")
    if report.passed != all(item.verdict != "failed" for item in report.items):
        raise ContractViolation("report.passed contradicts its items")
    return report


def _plain(value: str, length: int) -> str:
    """Text that every database stores."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:length]
