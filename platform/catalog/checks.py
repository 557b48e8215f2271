"""Registry work in inference workers: what came of it, once and fenced by attempt. What is asked for is catalog.check_orders'.

    QUEUED ── running ──► RUNNING ── done ──► PASSED | FAILED
       ▲                     │  └── failed, or its worker lost, as often as is allowed ──► FAILED
       └── attempt + 1 ◄─────┘

A build that ends is handed on to catalog.uploads, which installs its package. This module loads no model.
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

from catalog.check_orders import OPEN, package_follow
from catalog.models import CheckKind, CheckState, PackageCheck
from catalog.uploads import build_failed, build_finished
from common import clock
from inference_worker.contract.checks import CheckEvent, CheckProgress, CheckReport
from inference_worker.contract.failures import failure_for
from inference_worker.contract.wire import ContractViolation

logger = logging.getLogger(__name__)

ATTEMPTS_MAXIMUM = 3
#: A published order that nobody began for so long is published again: two workers at it are fenced, none is not noticed.
_UNBEGUN_AFTER = datetime.timedelta(minutes=10)
_PAUSE = datetime.timedelta(seconds=5)
_REPORT_BYTES_MAXIMUM = 500_000


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
    if check is None or event.attempt != check.attempt or check.state not in OPEN:
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
    package_follow(check)
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
            build_failed(check=check)
    package_follow(check)


def _finish(check: PackageCheck) -> None:
    check.finished_at = clock.now()
    check.lease_until = None
    check.step = ""
    check.save()
    logger.info("check %s of kind %s ended %s %s", check.pk, check.kind, check.state, check.failure_code)


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
