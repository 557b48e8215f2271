"""Tells the ledger what happens, in few messages. Publishes dictionaries; knows no Celery, no results and no images.

One thread gathers the events of all others for a moment and publishes them together, in order. While the broker is away it
retries with a growing pause: what ended an attempt is kept until it is delivered, mere progress is not.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inference_worker.contract.checks import CheckEvent, CheckProgress
from inference_worker.contract.events import AttemptReference, EventKind, JobEvent, JobStage, WorkerHeartbeat

logger = logging.getLogger(__name__)

Publish = Callable[[list[dict[str, Any]]], None]

_TERMINAL = frozenset({EventKind.SUCCEEDED, EventKind.FAILED, EventKind.ABANDONED})
_DETAIL_LENGTH_MAXIMUM = 1000
_BUSY_EVENTS = 2  # in one message


@dataclass(slots=True)
class _Progress:
    """The stage an attempt is in, and what the ledger was told last and when."""

    stage: JobStage | None
    reported: JobStage | None
    reported_at: float


class Reporter:
    """Events of one worker. Methods are safe from any thread and return at once, save when `backlog_limit` terminal events
    wait for an absent broker: then finishing another attempt waits too.

    `publish` sends one message and raises whatever it likes when it cannot. `heartbeat` makes a WorkerHeartbeat.
    """

    def __init__(
        self,
        *,
        worker: str,
        publish: Publish,
        heartbeat: Callable[[str, str], WorkerHeartbeat] | None = None,
        flush_seconds: float = 0.05,
        busy_flush_seconds: float = 0.2,
        progress_seconds: float = 0.5,
        heartbeat_seconds: float = 5.0,
        backlog_limit: int = 1000,
        message_limit: int = 100,
        retry_pauses_seconds: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0),
    ) -> None:
        self._worker = worker
        self._publish = publish
        self._heartbeat = heartbeat
        self._flush_seconds = flush_seconds
        self._busy_flush_seconds = busy_flush_seconds
        self._progress_seconds = progress_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._backlog_limit = backlog_limit
        self._message_limit = message_limit
        self._retry_pauses_seconds = retry_pauses_seconds
        self._backlog: deque[tuple[bool, dict[str, Any]]] = deque()  # whether it ends something, and the event
        self._terminal_waiting = 0
        self._is_busy = False
        self._progress: dict[AttemptReference, _Progress] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._failures = 0
        self._thread = threading.Thread(target=self._serve, name="reporter", daemon=True)
        self._thread.start()

    def started(self, attempt: AttemptReference, *, provider: str | None) -> None:
        with self._changed:
            self._progress[attempt] = _Progress(stage=None, reported=None, reported_at=time.monotonic())
            self._append(self._event(EventKind.STARTED, attempt, provider=provider))

    def stage(self, attempt: AttemptReference, stage: JobStage) -> None:
        """Note the stage. It is published only if the attempt is still in it half a second after the last report."""
        with self._changed:
            progress = self._progress.get(attempt)
            if progress is not None:
                progress.stage = stage

    def succeeded(self, attempt: AttemptReference, *, result: dict[str, Any]) -> None:
        """Raises ValueError if the result is not strict JSON, so that the caller can report a failure in its place."""
        json.dumps(result, allow_nan=False)
        self._end(self._event(EventKind.SUCCEEDED, attempt, result=result))

    def failed(self, attempt: AttemptReference, *, code: str, detail: str) -> None:
        self._end(self._event(EventKind.FAILED, attempt, failure_code=code, failure_detail=detail[:_DETAIL_LENGTH_MAXIMUM]))

    def abandoned(self, attempt: AttemptReference) -> None:
        self._end(self._event(EventKind.ABANDONED, attempt))

    def check(
        self,
        reference: AttemptReference,
        progress: CheckProgress,
        *,
        step: str = "",
        steps_done: int = 0,
        steps_total: int = 0,
        report: dict[str, Any] | None = None,
        failure: tuple[str, str] | None = None,
    ) -> None:
        """What happens to registry work; `reference` names the check. `failure` is (code, detail). Raises ValueError for a report
        that is not strict JSON."""
        json.dumps(report, allow_nan=False)
        code, detail = failure or (None, None)
        event = CheckEvent(
            event_id=uuid.uuid4().hex,
            check_id=reference.job_id,
            attempt=reference.attempt,
            progress=progress,
            worker=self._worker,
            occurred_at=_now(),
            step=step,
            steps_done=steps_done,
            steps_total=steps_total,
            report=report,
            failure_code=code,
            failure_detail=None if detail is None else detail[:_DETAIL_LENGTH_MAXIMUM],
        )
        with self._changed:
            self._queue(event.to_wire(), is_terminal=progress is not CheckProgress.RUNNING)

    def close(self, *, timeout_seconds: float = 10.0) -> int:
        """Publish what waits, then stop. Returns how many terminal events could not be delivered; their leases run out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_seconds)
        with self._changed:
            lost = self._terminal_waiting
        if lost:
            logger.error("reporter.closed_with_undelivered_events terminal=%d", lost)
        return lost

    def _event(self, kind: EventKind, attempt: AttemptReference, **fields: Any) -> JobEvent:
        return JobEvent(
            event_id=uuid.uuid4().hex,
            kind=kind,
            job_id=attempt.job_id,
            attempt=attempt.attempt,
            worker=self._worker,
            occurred_at=_now(),
            **fields,
        )

    def _end(self, event: JobEvent) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._terminal_waiting < self._backlog_limit)
            self._progress.pop(AttemptReference(event.job_id, event.attempt), None)
            self._append(event)

    def _append(self, event: JobEvent) -> None:
        self._queue(event.to_wire(), is_terminal=event.kind in _TERMINAL)

    def _queue(self, wire: dict[str, Any], *, is_terminal: bool) -> None:
        self._backlog.append((is_terminal, wire))
        self._terminal_waiting += is_terminal
        if len(self._backlog) > 2 * self._backlog_limit:
            # The broker has been away for long. An end implies its start, so only ends are worth their memory.
            self._backlog = deque(item for item in self._backlog if item[0])

    def _serve(self) -> None:
        heartbeat_due = time.monotonic()
        while True:
            if self._closed and self._failures:
                time.sleep(min(self._pause_seconds(), 0.5))  # the last tries before the end are spaced too
            with self._changed:
                self._changed.wait_for(lambda: self._closed, self._pause_seconds())
                closing = self._closed
                self._report_progress()
                waiting = [wire for _, wire in list(self._backlog)[: self._message_limit]]
            message = list(waiting)
            if self._heartbeat is not None and time.monotonic() >= heartbeat_due:
                heartbeat_due = time.monotonic() + self._heartbeat_seconds
                message += self._heartbeat_wire()
            # Many events a message means many jobs a second: then fewer, larger messages spare both ends of the queue.
            self._is_busy = len(waiting) > _BUSY_EVENTS
            if message:
                self._deliver(message, taken=len(waiting))
            with self._changed:
                if closing and (not self._backlog or self._failures > len(self._retry_pauses_seconds)):
                    return

    def _pause_seconds(self) -> float:
        if self._failures:
            return self._retry_pauses_seconds[min(self._failures, len(self._retry_pauses_seconds)) - 1]
        if len(self._backlog) >= self._message_limit:
            return 0.0
        return self._busy_flush_seconds if self._is_busy else self._flush_seconds

    def _report_progress(self) -> None:
        now = time.monotonic()
        for attempt, progress in self._progress.items():
            is_news = progress.stage is not None and progress.stage is not progress.reported
            if is_news and now - progress.reported_at >= self._progress_seconds:
                progress.reported, progress.reported_at = progress.stage, now
                self._append(self._event(EventKind.PROGRESS, attempt, stage=progress.stage))

    def _heartbeat_wire(self) -> list[dict[str, Any]]:
        assert self._heartbeat is not None
        try:
            return [self._heartbeat(uuid.uuid4().hex, _now()).to_wire()]
        except Exception:  # the edge of this thread: without it nothing at all would be reported any more
            logger.exception("reporter.heartbeat_failed")
            return []

    def _deliver(self, message: list[dict[str, Any]], *, taken: int) -> None:
        try:
            self._publish(message)
        except Exception as error:  # noqa: BLE001 - the edge of this thread; every broker library has errors of its own
            self._failures += 1
            if self._failures in (1, 10, 100) or self._failures % 1000 == 0:
                logger.warning("reporter.broker_away tries=%d waiting=%d error=%s", self._failures, taken, type(error).__name__)
            return
        if self._failures:
            logger.info("reporter.broker_back tries=%d", self._failures)
        self._failures = 0
        sent = {wire["event_id"] for wire in message}
        with self._changed:
            # Not simply the first ones: old progress may have been dropped while this message was under way.
            while self._backlog and self._backlog[0][1]["event_id"] in sent:
                is_terminal, _ = self._backlog.popleft()
                self._terminal_waiting -= is_terminal
            self._changed.notify_all()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
