"""Where a job stands in the queue: the place the dispatcher will give it, across priorities and sites, cheap in a long one."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Site
from accounts.services import site_create
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs import positions
from jobs.dispatcher import orders_dispatch
from jobs.ledger import events_apply
from jobs.models import Job, JobAttempt, OutboxMessage
from jobs.selectors import eta_seconds, queue_positions, throughput
from jobs.services import job_cancel
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat
from tests.platform_tests.jobs_tests.test_dispatcher import in_broker


def order_sent(redis: Any, settings: Any) -> list[str]:
    """The ids of all waiting jobs in the order in which workers would get them, stat first, if everything were sent now."""
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 10_000
    while orders_dispatch():
        pass
    sent: list[str] = []
    for queue in ORDER_QUEUES:
        sent += [order.job_id for order in in_broker(redis, queue)]
    return sent


def test_positions_are_the_order_in_which_the_dispatcher_sends(
    redis_broker: Any, make_job: Callable[..., Job], site: Site, other_site: Site, settings: Any
) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 2
    third = site_create(slug="west", name="Western Hospital")
    Site.objects.filter(pk=third.pk).update(share_weight=3)
    jobs = [make_job(site=site) for _ in range(9)]
    orders_dispatch()  # two are with the broker already, and the first site has had its turns
    jobs += [make_job(site=(site, other_site, third)[n * 5 % 3], priority=ORDER_QUEUES[n * 7 % 3]) for n in range(40)]
    events_apply([event("started", jobs[0]), event("succeeded", jobs[1])])
    job_cancel(job_id=jobs[11].pk, cancelled_by=None)
    fresh = list(Job.objects.all())
    together = queue_positions(jobs=fresh)
    alone = {job.pk: queue_positions(jobs=[job]).get(job.pk) for job in fresh}
    gone = {str(job.pk) for job in (jobs[0], jobs[1], jobs[11])}
    sent = [job_id for job_id in order_sent(redis_broker, settings) if job_id not in gone]
    by_hand = {uuid.UUID(job_id): place for place, job_id in enumerate(sent, 1)}
    assert together == by_hand
    assert {job_id: place for job_id, place in alone.items() if place} == by_hand
    assert len(by_hand) == 46


def test_a_retry_waits_behind_its_back_off(make_job: Callable[..., Job], moving_clock: Clock) -> None:
    first, second = make_job(), make_job()
    events_apply([event("failed", first, failure_code="model:run_failed")])
    assert queue_positions(jobs=[Job.objects.get(pk=first.pk), second]) == {second.pk: 1, first.pk: 2}


def test_positions_of_a_page_take_a_fixed_number_of_queries(make_job: Callable[..., Job], site: Site, other_site: Site) -> None:
    jobs = [make_job(site=(site, other_site)[n % 2]) for n in range(4)]
    with CaptureQueriesContext(connection) as few:
        queue_positions(jobs=jobs)
    jobs += [make_job(site=(site, other_site)[n % 2]) for n in range(12)]
    with CaptureQueriesContext(connection) as more:
        positions = queue_positions(jobs=jobs)
    assert sorted(positions.values()) == list(range(1, 17))
    assert len(more) == len(few) == 8


def test_a_long_queue_is_counted_piece_by_piece_to_the_same_places(
    make_job: Callable[..., Job], site: Site, other_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [make_job(site=other_site if n % 4 == 0 else site) for n in range(30)]
    whole = queue_positions(jobs=jobs)
    monkeypatch.setattr(positions, "_STRETCH", 4)
    monkeypatch.setattr(positions, "_REMEMBERED_FROM", 10)
    assert queue_positions(jobs=jobs) == whole
    assert queue_positions(jobs=jobs[::-1]) == whole
    make_job()
    assert queue_positions(jobs=jobs[5:9]) == {job.pk: whole[job.pk] for job in jobs[5:9]}  # from what is remembered


def test_a_long_queue_is_read_through_an_index(make_job: Callable[..., Job]) -> None:
    make_job()
    due = OutboxMessage.objects.filter(queue="routine", done=False, published_at=None).order_by()
    if connection.vendor == "sqlite":
        assert "USING COVERING INDEX outbox_of_site" in due.values("queue", "site", "not_before", "id").explain()


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
