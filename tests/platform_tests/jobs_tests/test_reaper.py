"""The reaper: lost workers, hung attempts, orders the broker swallowed."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.ledger import events_apply
from jobs.ledger_tasks import apply_events
from jobs.models import Job, JobEvent, JobStatus, OutboxMessage, WorkerStatus
from jobs.policy import WORKERS_LOST_FORGIVEN
from jobs.reaper import attempts_time_out, leases_expire, orders_lost_return, reaper_pass, statuses_drop
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat


def published(job: Job, clock: Clock) -> None:
    OutboxMessage.objects.filter(job=job, done=False).update(published_at=clock.now(), publish_count=1)


def is_published(job: Job) -> bool:
    return OutboxMessage.objects.get(job=job, attempt=job.attempt).published_at is not None


def test_a_lost_worker_costs_an_attempt_until_none_is_left(job: Job, moving_clock: Clock, settings: Any) -> None:
    last_attempt = WORKERS_LOST_FORGIVEN + 1
    for attempt in range(1, last_attempt + 1):
        events_apply([event("started", job, attempt=attempt)])
        assert leases_expire() == 0
        moving_clock.advance(settings.JOB_LEASE_SECONDS + 1)
        assert leases_expire() == 1
        job.refresh_from_db()
        expected = (JobStatus.QUEUED, attempt + 1) if attempt < last_attempt else (JobStatus.FAILED, attempt)
        assert (job.status, job.attempt) == expected
    assert job.failure_code == "system:worker_lost"
    last = JobEvent.objects.filter(job=job).order_by("id").last()
    assert last is not None
    assert (last.kind, last.actor, last.detail) == ("failed", "reaper", "system:worker_lost lease expired")
    assert leases_expire() == 0


def test_more_jobs_than_one_chunk_are_all_found(make_job: Callable[..., Job], moving_clock: Clock, monkeypatch: Any) -> None:
    monkeypatch.setattr("jobs.reaper._CHUNK", 2)
    for _ in range(5):
        events_apply([event("started", make_job())])
    moving_clock.advance(1000)
    assert leases_expire() == 5


def test_while_events_do_not_arrive_no_lease_is_held_against_a_worker(job: Job, moving_clock: Clock, settings: Any) -> None:
    apply_events([])
    events_apply([event("started", job)])
    moving_clock.advance(settings.JOB_LEASE_SECONDS + 240)
    assert leases_expire() == 0
    apply_events([event("progress", job, attempt=7)])  # a ledger that works off a backlog has not come to the heartbeats yet
    assert leases_expire() == 0
    apply_events([])  # the dispatcher's ping: everything that was queued before it has been applied
    assert leases_expire() == 0, "the worker could not say anything for five minutes, and gets the time of a lease to do so"
    for _ in range(settings.JOB_LEASE_SECONDS // 10 + 1):
        moving_clock.advance(10)
        apply_events([])
    assert leases_expire() == 1


def test_that_events_do_not_arrive_is_not_forgotten_after_a_day(job: Job, moving_clock: Clock) -> None:
    apply_events([])
    events_apply([event("started", job)])
    moving_clock.advance(3 * 86_400)
    statuses_drop()
    assert leases_expire() == 0


def test_an_attempt_that_hangs_on_a_living_worker_times_out_and_is_called_back(
    job: Job, moving_clock: Clock, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr("jobs.broker.attempts_abandon", lambda *, attempts: told.extend(attempts))
    events_apply([event("started", job)])
    moving_clock.advance(15 * 60)
    events_apply([heartbeat((job, 1))])
    assert attempts_time_out() == 0
    moving_clock.advance(61)
    with django_capture_on_commit_callbacks(execute=True):
        assert attempts_time_out() == 1
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 2)
    assert told == [(str(job.pk), 1)]


def test_an_overtaken_order_was_lost(make_job: Callable[..., Job], moving_clock: Clock, settings: Any) -> None:
    swallowed, later, fresh = make_job(), make_job(), make_job()
    published(swallowed, moving_clock)
    moving_clock.advance(1)
    published(later, moving_clock)
    now = moving_clock.now()
    events_apply([event("started", later)])
    OutboxMessage.objects.filter(job=later).update(taken_at=now)
    moving_clock.advance(settings.ORDER_LOST_AFTER_SECONDS - 1)
    assert orders_lost_return() == 0
    moving_clock.advance(2)
    published(fresh, moving_clock)
    assert orders_lost_return() == 1
    assert (is_published(swallowed), is_published(fresh)) == (False, True)


def test_an_order_of_another_queue_is_not_overtaken(make_job: Callable[..., Job], moving_clock: Clock) -> None:
    waiting, urgent = make_job(priority="backfill"), make_job(priority="stat")
    published(waiting, moving_clock)
    moving_clock.advance(1)
    published(urgent, moving_clock)
    events_apply([event("started", urgent)])
    moving_clock.advance(500)
    assert orders_lost_return() == 0


def test_a_cancelled_order_overtakes_nobody(make_job: Callable[..., Job], moving_clock: Clock) -> None:
    from jobs.services import job_cancel

    waiting, cancelled = make_job(), make_job()
    published(waiting, moving_clock)
    moving_clock.advance(1)
    published(cancelled, moving_clock)
    job_cancel(job_id=cancelled.pk, cancelled_by=None)
    moving_clock.advance(500)
    assert orders_lost_return() == 0


def test_an_order_that_waits_beside_an_idle_worker_was_lost(job: Job, moving_clock: Clock, settings: Any) -> None:
    published(job, moving_clock)
    moving_clock.advance(settings.ORDER_LOST_AFTER_SECONDS + 1)
    assert orders_lost_return() == 0  # no worker at all: it may still lie in the broker
    events_apply([heartbeat((job, 1))])
    assert orders_lost_return() == 0  # the only worker is busy
    events_apply([heartbeat()])
    assert orders_lost_return() == 1


def test_each_return_doubles_the_patience(job: Job, moving_clock: Clock, settings: Any) -> None:
    OutboxMessage.objects.update(published_at=moving_clock.now(), publish_count=3)
    moving_clock.advance(settings.ORDER_LOST_AFTER_SECONDS * 4 - 1)
    events_apply([heartbeat()])
    assert orders_lost_return() == 0
    moving_clock.advance(2)
    assert orders_lost_return() == 1


def test_a_pass_does_everything_and_says_what(job: Job, moving_clock: Clock) -> None:
    events_apply([event("started", job), heartbeat()])
    moving_clock.advance(datetime.timedelta(days=2).total_seconds())
    done = reaper_pass()
    assert {name: count for name, count in done.items() if count} == {"leases_expired": 1, "statuses_dropped": 1}
    assert not WorkerStatus.objects.exists()


def test_temporary_files_of_a_killed_web_process_are_swept(db: None, settings: Any, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    for name, age_seconds in (("left.upload", 7200), ("arriving.upload", 5)):
        (tmp_path / name).write_bytes(b"pixels")
        os.utime(tmp_path / name, (time.time() - age_seconds,) * 2)
    assert reaper_pass()["uploads_swept"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["arriving.upload"]
