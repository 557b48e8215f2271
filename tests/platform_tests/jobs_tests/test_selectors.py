"""Where a job stands in the queue: exact, across priorities and sites, and cheap in a long one."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Site
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.ledger import events_apply
from jobs.models import Job, JobAttempt, OutboxMessage
from jobs.selectors import eta_seconds, queue_positions, throughput
from jobs.services import job_cancel
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat


def positions_by_hand() -> dict[Any, int]:
    rows = sorted(
        OutboxMessage.objects.filter(done=False), key=lambda row: (ORDER_QUEUES.index(row.queue), row.not_before, row.pk)
    )
    return {row.job_id: index for index, row in enumerate(rows, start=1)}


def test_positions_agree_with_counting_by_hand(
    make_job: Callable[..., Job], site: Site, other_site: Site, moving_clock: Clock
) -> None:
    jobs = []
    for n in range(30):
        jobs.append(make_job(priority=ORDER_QUEUES[n * 7 % 3], site=other_site if n % 4 == 0 else site))
        moving_clock.advance(0.5 if n % 5 else 0)
    events_apply([event("started", jobs[3]), event("succeeded", jobs[8])])
    events_apply([event("failed", jobs[5], failure_code="model:run_failed")])  # waits again, behind its back-off
    job_cancel(job_id=jobs[11].pk, cancelled_by=None)
    fresh = list(Job.objects.all())
    assert queue_positions(jobs=fresh) == positions_by_hand()
    for job in fresh:
        assert queue_positions(jobs=[job]).get(job.pk) == positions_by_hand().get(job.pk)
    assert len(positions_by_hand()) == 27


def test_positions_of_a_page_take_two_queries(make_job: Callable[..., Job]) -> None:
    jobs = [make_job() for _ in range(12)]
    with CaptureQueriesContext(connection) as queries:
        positions = queue_positions(jobs=jobs)
    assert [positions[job.pk] for job in jobs] == list(range(1, 13))
    assert len(queries) == 2


def test_a_long_queue_is_counted_through_an_index(make_job: Callable[..., Job]) -> None:
    job = make_job()
    queryset = OutboxMessage.objects.filter(done=False, queue__in=["routine"]).order_by().values("queue", "not_before", "id")
    if connection.vendor == "sqlite":
        assert "USING COVERING INDEX outbox_waiting" in queryset.explain()
    assert queue_positions(jobs=[job]) == {job.pk: 1}


def test_nothing_is_estimated_that_was_not_measured(make_job: Callable[..., Job]) -> None:
    job = make_job()
    assert throughput() is None
    assert eta_seconds(job=job, queue_position=1) is None
    events_apply([heartbeat()])
    assert eta_seconds(job=job, queue_position=1) is None


def test_estimates_follow_the_median_and_the_living_workers(
    make_job: Callable[..., Job], moving_clock: Clock, settings: Any
) -> None:
    for seconds in (4, 6, 90):
        job = make_job()
        events_apply([event("succeeded", job)])
        ended = clock.now()
        JobAttempt.objects.filter(job=job).update(started_at=ended - datetime.timedelta(seconds=seconds), ended_at=ended)
    events_apply([heartbeat(worker="a", concurrency=2), heartbeat(worker="b", concurrency=1)])
    waiting, running = make_job(), make_job()
    events_apply([event("started", running)])
    running.refresh_from_db()
    cache.clear()
    assert throughput() == (6.0, 3)
    assert eta_seconds(job=waiting, queue_position=1) == 6
    assert eta_seconds(job=waiting, queue_position=7) == 18
    moving_clock.advance(4)
    assert eta_seconds(job=running, queue_position=None) in (2, 3)
    moving_clock.advance(60)
    assert eta_seconds(job=running, queue_position=None) == 1
    cache.clear()
    assert throughput() is None  # both workers have been silent for too long
