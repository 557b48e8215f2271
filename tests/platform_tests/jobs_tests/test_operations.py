"""The operators' dashboard: figures from what really ran, scoped to the caller's site."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Site, User
from jobs.heartbeats import DISPATCHER, own_heartbeat_write
from jobs.ledger import events_apply
from jobs.models import Job
from monitoring.api.operations_views import OperationsSerializer
from monitoring.models import HourlyStatistics, RecentStatistics
from monitoring.rollups import finished_count, statistics_drop
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat, shape_of, succeed


@pytest.fixture
def operator(administrator: User, client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(administrator)


def test_figures_come_from_what_ran(
    operator: APIClient, make_job: Callable[..., Job], other_site: Site, administrator: User, moving_clock: Clock
) -> None:
    succeed(make_job())
    failed = make_job()
    events_apply([event("failed", failed, failure_code="input:pixel_data_corrupt"), heartbeat(concurrency=3)])
    own_heartbeat_write(kind=DISPATCHER, name="dispatcher@here")
    make_job(priority="stat"), make_job(site=other_site), make_job(site=other_site)
    finished_count()
    body = operator.get("/api/v1/operations").json()
    assert set(body) == shape_of(OperationsSerializer())
    assert (body["window"], len(body["throughput"])) == ("24h", 24)
    assert (body["throughput"][-1]["succeeded"], body["throughput"][-1]["failed"]) == (1, 1)
    assert body["failures"] == [{"code": "input:pixel_data_corrupt", "jobs": 1}]
    assert [body[name]["jobs"] for name in ("total_seconds", "wait_seconds", "run_seconds")] == [1, 1, 1]
    assert body["throughput"][-1]["total_p50"] == body["total_seconds"]["p50"]
    assert body["throughput"][0]["total_p95"] is None
    assert body["stages"] == [{"stage": "decode", "jobs": 1, "p50": 0.05, "p95": 0.095, "p99": 0.099}]
    assert body["missing"] == ["ledger", "batches", "webhooks"]
    queues = {row["priority"]: row for row in body["queues"]}
    assert queues["stat"]["sites"] == [{"site": "north", "waiting": 1}]
    assert (queues["routine"]["waiting"], queues["routine"]["sites"]) == (2, [])  # another site's name is not told
    assert (queues["backfill"]["waiting"], queues["backfill"]["oldest_seconds"]) == (0, None)
    assert [(row["kind"], row["alive"], row["concurrency"]) for row in body["processes"]] == [
        ("dispatcher", True, 0),
        ("worker", True, 3),
    ]
    assert body["in_service"][0]["deployment"] == "default"
    assert body["storage"]["images_bytes"] == 3 * 2 * 9  # the site's own
    assert body["storage"]["database_bytes"] > 0
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    moving_clock.advance(60)
    cache.clear()
    body = operator.get("/api/v1/operations").json()
    assert [row["sites"] for row in body["queues"]][1] == [{"site": "south", "waiting": 2}]
    assert not any(row["alive"] for row in body["processes"])


@pytest.mark.parametrize(("window", "points", "step_seconds"), [("1h", 12, 300), ("24h", 24, 3600), ("7d", 28, 21600)])
def test_a_window_ends_with_the_step_that_is_running(
    operator: APIClient, make_job: Callable[..., Job], moving_clock: Clock, window: str, points: int, step_seconds: int
) -> None:
    succeed(make_job())
    finished_count()
    steps = operator.get("/api/v1/operations", {"window": window}).json()["throughput"]
    starts = [datetime.datetime.fromisoformat(step["at"]) for step in steps]
    assert len(steps) == points
    assert {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(starts)} == {step_seconds}
    assert starts[-1] <= moving_clock.now() < starts[-1] + datetime.timedelta(seconds=step_seconds)
    assert [step["succeeded"] for step in steps] == [0] * (points - 1) + [1]
    moving_clock.advance(step_seconds)
    cache.clear()
    moved = operator.get("/api/v1/operations", {"window": window}).json()["throughput"]
    assert [step["succeeded"] for step in moved] == [0] * (points - 2) + [1, 0]
    moving_clock.advance(step_seconds * points)
    cache.clear()
    assert operator.get("/api/v1/operations", {"window": window}).json()["total_seconds"]["jobs"] == 0


@pytest.mark.parametrize("window", ["24h", "7d"])
def test_steps_that_lie_behind_are_read_once_in_a_while(
    operator: APIClient, make_job: Callable[..., Job], moving_clock: Clock, window: str
) -> None:
    for _ in range(2):
        succeed(make_job())
        events_apply([event("failed", make_job(), failure_code="input:pixel_data_corrupt")])
        finished_count()
        moving_clock.advance(7 * 3600)

    def report() -> tuple[dict[str, Any], list[str]]:
        """What somebody sees who comes 200 seconds later, when nobody remembers the whole report any more."""
        moving_clock.advance(200)
        kept = [key for key in cache._cache if "operations.steps" in key]  # type: ignore[attr-defined]
        steps = {key: cache.get(key.split(":", 2)[2]) for key in kept}
        cache.clear()
        for key, value in steps.items():
            cache.set(key.split(":", 2)[2], value)
        with CaptureQueriesContext(connection) as queries:
            body = operator.get("/api/v1/operations", {"window": window}).json()
        return body, [query["sql"] for query in queries if "monitoring_hourlystatistics" in query["sql"]]

    first, _ = report()
    again, asked = report()
    for body in (first, again):
        assert (body["total_seconds"]["jobs"], body["stages"][0]["jobs"]) == (2, 2)
        assert body["failures"] == [{"code": "input:pixel_data_corrupt", "jobs": 2}]
        assert [step["succeeded"] for step in body["throughput"] if step["succeeded"]] == [1, 1]
    assert len(asked) == 1
    HourlyStatistics.objects.update(succeeded=5)  # counted late
    soon, _ = report()
    assert [step["succeeded"] for step in soon["throughput"] if step["succeeded"]] == [1, 1]
    for _ in range(2):
        late, _ = report()
    assert [step["succeeded"] for step in late["throughput"] if step["succeeded"]] == [5, 5]


def test_an_unknown_window_is_refused(operator: APIClient) -> None:
    answer = operator.get("/api/v1/operations", {"window": "1y"})
    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")


def test_five_minutes_are_kept_for_a_day(make_job: Callable[..., Job], moving_clock: Clock) -> None:
    succeed(make_job())
    finished_count()
    moving_clock.advance(27 * 3600)
    statistics_drop()
    assert (RecentStatistics.objects.count(), HourlyStatistics.objects.count()) == (0, 1)


def test_an_unchanged_dashboard_is_304_and_others_are_403(operator: APIClient, api: APIClient, job: Job) -> None:
    first = operator.get("/api/v1/operations")
    assert operator.get("/api/v1/operations", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert api.get("/api/v1/operations").status_code == 403


def test_lists_of_this_page_hold_no_other_sites_jobs(operator: APIClient, make_job: Callable[..., Job], other_site: Any) -> None:
    succeed(make_job(site=other_site))
    finished_count()
    body = operator.get("/api/v1/operations").json()
    assert sum(hour["succeeded"] for hour in body["throughput"]) == 0
