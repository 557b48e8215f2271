"""Registry work as rows: published like orders, applied once and in any order, sent round again when its worker is lost."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path
from typing import Any

import pytest

from catalog.check_orders import check_order, checks_due, checks_republish, validation_request
from catalog.checks import ATTEMPTS_MAXIMUM, checks_reap
from catalog.models import CheckState, ModelPackage, PackageCheck
from catalog.packages import package_install
from common import clock
from common.object_store import ObjectStore
from inference_worker.contract.checks import CheckEvent, CheckItem, CheckProgress, CheckReport, Verdict
from inference_worker.contract.events import AttemptReference, WorkerHeartbeat
from jobs.dispatcher import checks_dispatch
from jobs.ledger import events_apply
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import package_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def package(store: ObjectStore, tmp_path: Path) -> ModelPackage:
    return package_install(folder=package_folder(tmp_path))


@pytest.fixture
def check(package: ModelPackage) -> PackageCheck:
    return validation_request(package=package, requested_by=None)


def report(*verdicts: str, passed: bool | None = None, **more: Any) -> dict[str, Any]:
    items = tuple(
        CheckItem(name=f"item-{index}", verdict=Verdict(verdict), code="model:golden_mismatch" if verdict == "failed" else None)
        for index, verdict in enumerate(verdicts)
    )
    ok = "failed" not in verdicts if passed is None else passed
    return {
        **CheckReport(passed=ok, items=items, provider="CPUExecutionProvider", software={"onnxruntime": "1"}).to_wire(),
        **more,
    }


def tell(check: PackageCheck, progress: str, **fields: Any) -> dict[str, int]:
    values: dict[str, Any] = {
        "event_id": uuid.uuid4().hex,
        "check_id": str(check.pk),
        "attempt": 1,
        "progress": CheckProgress(progress),
        "worker": "worker-1",
        "occurred_at": clock.now().isoformat(),
    }
    return dict(events_apply([CheckEvent(**{**values, **fields}).to_wire()]).counts)


def now(check: PackageCheck) -> tuple[str, int, str]:
    check.refresh_from_db()
    assert check.package is not None
    check.package.refresh_from_db()
    assert check.package.validation_state == check.state
    return check.state, check.attempt, check.failure_code


def test_a_validation_runs_once_at_a_time(package: ModelPackage, check: PackageCheck) -> None:
    assert validation_request(package=package, requested_by=None) == check
    assert now(check) == ("QUEUED", 1, "")
    order = check_order(check)
    assert (order.package_digest, order.package_key) == (package.pk, package.object_key)


def test_progress_and_a_passing_report(check: PackageCheck) -> None:
    assert tell(check, "running", step="golden", steps_done=2, steps_total=9) == {"check": 1}
    tell(check, "running", step="structure", steps_done=1, steps_total=9)  # late
    assert now(check) == ("RUNNING", 1, "")
    assert (check.step, check.steps_done, check.steps_total, check.worker) == ("golden", 2, 9, "worker-1")
    tell(check, "done", report=report("passed", "warning", "skipped"))
    assert now(check) == ("PASSED", 1, "")
    assert [item["name"] for item in check.report["items"]] == ["item-0", "item-1", "item-2"]
    assert check.provider == "CPUExecutionProvider"
    assert tell(check, "done", report=report("failed")) == {"check_ignored": 1}
    assert now(check) == ("PASSED", 1, "")


def test_a_report_without_its_start_counts(check: PackageCheck) -> None:
    tell(check, "done", report=report("passed", "failed"))
    assert now(check) == ("FAILED", 1, "model:golden_mismatch")
    assert check.started_at is not None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        report("passed", passed=False),
        report("failed", passed=True),
        report("passed", software={"x": float("nan")}),
        report("passed", software={"x": "y\x00"}),
        report("passed", software={"x": "y" * 600_000}),
    ],
)
def test_a_report_that_is_none_fails_the_check(check: PackageCheck, bad: Any) -> None:
    tell(check, "done", report=bad)
    assert now(check) == ("FAILED", 1, "system:contract_violation")


def test_events_of_another_attempt_or_check_change_nothing(check: PackageCheck) -> None:
    assert tell(check, "done", attempt=2, report=report("passed")) == {"check_ignored": 1}
    assert tell(check, "done", check_id=str(uuid.uuid4()), report=report("passed")) == {"check_ignored": 1}
    assert tell(check, "done", check_id="none", report=report("passed")) == {"check_ignored": 1}
    assert now(check) == ("QUEUED", 1, "")


def test_a_lost_worker_means_another_attempt_and_in_the_end_a_failure(check: PackageCheck, moving_clock: Clock) -> None:
    for attempt in range(1, ATTEMPTS_MAXIMUM + 1):
        tell(check, "running", attempt=attempt, step="structure")
        moving_clock.advance(60 * 5)
        assert checks_reap() == 1
    assert now(check) == ("FAILED", ATTEMPTS_MAXIMUM, "system:worker_lost")


def test_a_heartbeat_keeps_the_lease(check: PackageCheck, moving_clock: Clock) -> None:
    tell(check, "running", step="structure")
    for _ in range(4):
        moving_clock.advance(40)
        beat = WorkerHeartbeat(
            event_id=uuid.uuid4().hex,
            worker="worker-1",
            occurred_at=clock.now().isoformat(),
            active=(),
            concurrency=1,
            checks=(AttemptReference(str(check.pk), 1), AttemptReference("not-a-key", 1)),
            refused_packages={"sha256:" + "1" * 64: "model:golden_mismatch"},
        )
        events_apply([beat.to_wire()])
        assert checks_reap() == 0
    assert now(check)[0] == "RUNNING"


def test_a_failure_that_may_pass_is_tried_again_and_another_is_not(check: PackageCheck, moving_clock: Clock) -> None:
    tell(check, "failed", failure_code="system:storage_unavailable")
    assert now(check) == ("QUEUED", 2, "")
    assert checks_due() == []
    moving_clock.advance(60 * 1)
    assert checks_due() == [check]
    tell(check, "failed", attempt=2, failure_code="model:digest_mismatch")
    assert now(check) == ("FAILED", 2, "model:digest_mismatch")


def test_orders_go_out_once_and_again_after_a_broker_forgot(redis_broker: Any, check: PackageCheck) -> None:
    assert checks_dispatch() == 1
    assert redis_broker.llen("maintenance") == 1
    assert checks_dispatch() == 0
    assert checks_republish() == 1
    assert checks_dispatch() == 1


def test_an_order_that_nobody_begins_goes_out_again(redis_broker: Any, check: PackageCheck, moving_clock: Clock) -> None:
    checks_dispatch()
    moving_clock.advance(60 * 11)
    assert checks_reap() == 1
    assert checks_dispatch() == 1


def test_a_package_stands_as_its_latest_validation(package: ModelPackage, check: PackageCheck) -> None:
    tell(check, "done", report=report("passed"))
    later = validation_request(package=package, requested_by=None)
    PackageCheck.objects.filter(pk=later.pk).update(requested_at=clock.now() + datetime.timedelta(seconds=1))
    tell(later, "done", report=report("failed"))
    assert now(later)[0] == CheckState.FAILED
