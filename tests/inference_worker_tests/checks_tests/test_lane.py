"""The worker's one thread for registry work: what is taken is held, done once and reported, or given up when the worker ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_worker.checks import lane as lane_module
from inference_worker.checks.child_process import CheckAbandoned
from inference_worker.checks.lane import CheckLane
from inference_worker.contract.checks import CheckOrder, CheckReport, CheckTask
from inference_worker.contract.events import AttemptReference
from inference_worker.contract.failures import CodedError
from inference_worker.reporter import Reporter
from tests.inference_worker_tests.factories import Bench

PASSED = CheckReport(passed=True, items=(), provider="cpu", software={})


class Ledger:
    """What would reach the ledger."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def publish(self, events: list[dict[str, Any]]) -> None:
        self.events += events

    def ends(self, check_id: str) -> list[tuple[str, str | None]]:
        return [
            (event["progress"], event["failure_code"])
            for event in self.events
            if event["check_id"] == check_id and event["progress"] != "running"
        ]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def reporter(ledger: Ledger) -> Iterator[Reporter]:
    made = Reporter(worker="worker-1", publish=ledger.publish, flush_seconds=0.01)
    yield made
    made.close()


@pytest.fixture
def lane(bench: Bench, reporter: Reporter) -> Iterator[CheckLane]:
    made = CheckLane(packages=bench.packages, store=bench.store, settings=bench.settings, reporter=lambda: reporter)
    yield made
    made.close()


def order(check_id: str = "one", **fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"package_digest": "sha256:" + "0" * 64, "package_key": "packages/0"}
    return CheckOrder(check_id, 1, CheckTask.VALIDATE, 60, **(values | fields)).to_wire()


def until(look: Any) -> None:
    deadline = time.monotonic() + 10
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_checks_are_done_one_after_the_other_and_each_once(
    lane: CheckLane, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, running = threading.Event(), []

    def validate(order: CheckOrder, **_: Any) -> CheckReport:
        running.append(order.check_id)
        assert go.wait(10)
        return PASSED

    monkeypatch.setattr(lane_module, "validation_run", validate)
    assert lane.take(order("one"))
    assert lane.take(order("two"))
    assert not lane.take(order("one"))  # delivered twice
    until(lambda: running == ["one"])
    assert lane.active == (AttemptReference("one", 1), AttemptReference("two", 1))
    until(lambda: {event["check_id"] for event in ledger.events} == {"one", "two"})  # taken is begun: its lease holds
    go.set()
    until(lambda: lane.active == ())
    until(lambda: ledger.ends("one") == ledger.ends("two") == [("done", None)])
    assert running == ["one", "two"]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (CodedError("system:storage_unavailable", "away"), "system:storage_unavailable"),
        (CheckAbandoned(), "system:worker_lost"),
        (ZeroDivisionError(), "system:unexpected"),
    ],
)
def test_what_the_worker_could_not_do_is_said_with_its_code(
    lane: CheckLane, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str
) -> None:
    def fail(*_: Any, **__: Any) -> CheckReport:
        raise raised

    monkeypatch.setattr(lane_module, "validation_run", fail)
    lane.take(order())
    until(lambda: ledger.ends("one") == [("failed", code)])


def test_an_unreadable_order_is_answered_where_it_names_its_check(lane: CheckLane, ledger: Ledger) -> None:
    assert not lane.take({"check_id": 7, "attempt": 1})
    assert not lane.take("nonsense")
    assert lane.take({"check_id": "one", "attempt": 1, "task": "dance", "lease_seconds": 60})
    until(lambda: ledger.ends("one") == [("failed", "system:contract_violation")])


def test_a_worker_that_ends_gives_up_what_it_holds(
    lane: CheckLane, reporter: Reporter, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(order: CheckOrder, *, is_cancelled: Any, **_: Any) -> CheckReport:
        until(is_cancelled)
        raise CheckAbandoned

    monkeypatch.setattr(lane_module, "validation_run", wait)
    lane.take(order("one"))
    lane.take(order("two"))
    lane.close()
    reporter.close()
    assert ledger.ends("one") == ledger.ends("two") == [("failed", "system:worker_lost")]
    assert not lane.take(order("three"))


def test_a_missing_package_is_the_first_items_failure(lane: CheckLane, ledger: Ledger, tmp_path: Path) -> None:
    lane.take(order())
    until(lambda: ledger.ends("one") == [("done", None)])
    report = CheckReport.from_wire(next(event for event in ledger.events if event["progress"] == "done")["report"])
    assert (report.passed, report.items[0].code) == (False, "model:package_missing")
