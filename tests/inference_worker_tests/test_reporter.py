"""The reporter with a ledger that only listens, and at times does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inference_worker.contract.events import AttemptReference, EventKind, JobStage, WorkerHeartbeat, event_from_wire
from inference_worker.reporter import Reporter

ONE = AttemptReference("job-1", 1)


class Ledger:
    def __init__(self) -> None:
        self.messages: list[list[dict[str, Any]]] = []
        self.away = False
        self.tries = 0

    def publish(self, events: list[dict[str, Any]]) -> None:
        self.tries += 1
        if self.away:
            raise ConnectionError("away")
        self.messages.append(events)

    def events(self) -> list[dict[str, Any]]:
        return [event for message in self.messages for event in message]

    def kinds(self, job_id: str = "job-1") -> list[str]:
        return [event["kind"] for event in self.events() if event.get("job_id") == job_id]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def make(ledger: Ledger) -> Iterator[Callable[..., Reporter]]:
    made: list[Reporter] = []

    def reporter(**options: Any) -> Reporter:
        values = {"flush_seconds": 0.02, "retry_pauses_seconds": (0.01,), **options}
        made.append(Reporter(worker="w", publish=ledger.publish, **values))
        return made[-1]

    yield reporter
    ledger.away = False
    for one in made:
        one.close()


def test_a_quick_attempt_sends_its_start_and_its_end_and_nothing_else(make: Callable[..., Reporter], ledger: Ledger) -> None:
    reporter = make(progress_seconds=60.0)
    reporter.started(ONE, provider="cpu")
    for stage in JobStage:
        reporter.stage(ONE, stage)
    reporter.succeeded(ONE, result={"study": 1})
    reporter.close()
    assert ledger.kinds() == ["started", "succeeded"]
    assert ledger.events()[0]["provider"] == "cpu"
    assert ledger.events()[1]["result"] == {"study": 1}


def test_a_stage_that_lasts_is_reported_once_and_late_stages_win(make: Callable[..., Reporter], ledger: Ledger) -> None:
    reporter = make(progress_seconds=0.5)
    reporter.started(ONE, provider=None)
    reporter.stage(ONE, JobStage.FETCHING)
    reporter.stage(ONE, JobStage.INFERRING)
    until(lambda: "progress" in ledger.kinds())
    reporter.stage(ONE, JobStage.INFERRING)
    time.sleep(0.8)
    reporter.abandoned(ONE)
    reporter.close()
    assert ledger.kinds() == ["started", "progress", "abandoned"]
    assert ledger.events()[1]["stage"] == "INFERRING"


def test_events_of_many_threads_travel_together_and_in_order(make: Callable[..., Reporter], ledger: Ledger) -> None:
    reporter = make(flush_seconds=5.0)

    def attempt(number: int) -> None:
        reference = AttemptReference(f"job-{number}", 1)
        reporter.started(reference, provider=None)
        reporter.failed(reference, code="system:unexpected", detail="x")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.close()
    assert len(ledger.messages) <= 3
    assert all(ledger.kinds(f"job-{number}") == ["started", "failed"] for number in range(20))


def test_a_busy_worker_sends_fewer_and_larger_messages(make: Callable[..., Reporter], ledger: Ledger) -> None:
    reporter = make(flush_seconds=0.2, busy_flush_seconds=3600.0)
    attempts = [AttemptReference(f"job-{number}", 1) for number in range(8)]
    for attempt in attempts[:4]:
        reporter.started(attempt, provider="CPU")
    until(lambda: len(ledger.events()) == 4)
    for attempt in attempts[4:]:
        reporter.started(attempt, provider="CPU")
    time.sleep(0.5)
    assert len(ledger.events()) == 4  # the rest waits for company
    reporter.close()  # and does not wait for the pause to end
    assert [event["job_id"] for event in ledger.events()] == [attempt.job_id for attempt in attempts]
    assert len(ledger.messages) == 2


def test_what_ended_an_attempt_survives_an_absent_broker(make: Callable[..., Reporter], ledger: Ledger) -> None:
    ledger.away = True
    reporter = make()
    reporter.started(ONE, provider=None)
    reporter.succeeded(ONE, result={})
    until(lambda: ledger.tries >= 5)
    assert ledger.messages == []
    ledger.away = False
    until(lambda: "succeeded" in ledger.kinds())
    assert ledger.kinds() == ["started", "succeeded"]


def test_memory_stays_bounded_while_the_broker_is_away_and_no_end_is_lost(make: Callable[..., Reporter], ledger: Ledger) -> None:
    ledger.away = True
    reporter = make(backlog_limit=10)
    for number in range(200):
        reporter.started(AttemptReference(f"begun-{number}", 1), provider=None)
    for number in range(9):
        reporter.failed(AttemptReference(f"ended-{number}", 1), code="system:unexpected", detail="")
    assert len(reporter._backlog) <= 21
    ledger.away = False
    until(lambda: all(ledger.kinds(f"ended-{number}") == ["failed"] for number in range(9)))


def test_ending_more_attempts_than_the_backlog_holds_waits_for_the_broker(make: Callable[..., Reporter], ledger: Ledger) -> None:
    ledger.away = True
    reporter = make(backlog_limit=2)
    done = threading.Event()

    def end_three() -> None:
        for number in range(3):
            reporter.failed(AttemptReference(f"job-{number}", 1), code="system:unexpected", detail="")
        done.set()

    threading.Thread(target=end_three, daemon=True).start()
    assert not done.wait(0.2)
    ledger.away = False
    assert done.wait(10)
    until(lambda: ledger.kinds("job-2") == ["failed"])


def test_closing_without_a_broker_says_what_was_not_delivered(make: Callable[..., Reporter], ledger: Ledger) -> None:
    ledger.away = True
    reporter = make()
    reporter.failed(ONE, code="system:unexpected", detail="")
    assert reporter.close() == 1


def test_heartbeats_come_on_their_own_and_read_back(make: Callable[..., Reporter], ledger: Ledger) -> None:
    def heartbeat(event_id: str, occurred_at: str) -> WorkerHeartbeat:
        return WorkerHeartbeat(event_id=event_id, worker="w", occurred_at=occurred_at, active=(ONE,), concurrency=4)

    make(heartbeat=heartbeat, heartbeat_seconds=0.05)
    until(lambda: len(ledger.messages) >= 3)
    read = [event_from_wire(event) for event in ledger.events()]
    assert all(isinstance(event, WorkerHeartbeat) and event.active == (ONE,) for event in read)
    assert len({event.event_id for event in read}) == len(read)


def test_a_heartbeat_that_fails_does_not_silence_the_reporter(make: Callable[..., Reporter], ledger: Ledger) -> None:
    def heartbeat(event_id: str, occurred_at: str) -> WorkerHeartbeat:
        raise RuntimeError("no memory figures today")

    reporter = make(heartbeat=heartbeat, heartbeat_seconds=0.01)
    reporter.failed(ONE, code="system:unexpected", detail="")
    until(lambda: ledger.kinds() == ["failed"])


def test_a_result_that_is_not_strict_json_is_refused_before_it_is_queued(make: Callable[..., Reporter], ledger: Ledger) -> None:
    reporter = make()
    with pytest.raises(ValueError, match="not JSON compliant"):
        reporter.succeeded(ONE, result={"probability": float("nan")})
    reporter.failed(ONE, code="system:unexpected", detail="x" * 5000)
    reporter.close()
    assert ledger.kinds() == [EventKind.FAILED]
    assert len(ledger.events()[0]["failure_detail"]) == 1000
