"""/readyz: says which part stands in the way, to anyone, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from common.object_store import ObjectStore
from jobs import broker
from jobs.api import health
from jobs.heartbeats import BATCHES, DISPATCHER, LEDGER, WEBHOOKS, own_heartbeat_write
from jobs.ledger import events_apply
from jobs.ledger_tasks import apply_events
from jobs.models import Job, OutboxMessage, WorkerStatus
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat


def loops_report() -> None:
    for kind in (LEDGER, DISPATCHER, BATCHES, WEBHOOKS):
        own_heartbeat_write(kind=kind, name=f"{kind}@here")


@pytest.fixture
def alive(redis_broker: Any, store: ObjectStore, db: None) -> Callable[[], None]:
    """Everyone reports now."""

    def report() -> None:
        cache.clear()
        events_apply([heartbeat()])
        loops_report()

    report()
    return report


def ready() -> tuple[int, dict[str, bool]]:
    answer = Client().get("/readyz")
    body = answer.json()
    assert body["ready"] is (answer.status_code == 200)
    assert all(part["detail"] for part in body["parts"].values())
    return answer.status_code, {name: part["ready"] for name, part in body["parts"].items()}


def test_all_parts_ready(alive: Callable[[], None]) -> None:
    assert ready() == (200, dict.fromkeys(["database", "broker", "object_store", "worker", "queue", "batches", "webhooks"], True))


def test_a_fresh_platform_says_what_it_waits_for(redis_broker: Any, store: ObjectStore, db: None) -> None:
    status, parts = ready()
    assert (status, parts["worker"], parts["queue"], parts["database"]) == (503, False, False, True)
    assert Client().get("/readyz").json()["parts"]["worker"]["detail"] == "no worker has reported yet"


def test_a_broker_that_is_away_is_named(alive: Callable[[], None], settings: Any, tmp_path: Path) -> None:
    settings.BROKER_URL = f"redis+socket://{tmp_path / 'nobody-listens'}"
    broker.celery_app.cache_clear()
    status, parts = ready()
    assert (status, [name for name, is_ready in parts.items() if not is_ready]) == (503, ["broker"])


def test_a_full_object_store_is_named(alive: Callable[[], None], settings: Any) -> None:
    settings.OBJECT_STORE_MIN_FREE_BYTES = 2**62
    status, parts = ready()
    assert (status, [name for name, is_ready in parts.items() if not is_ready]) == (503, ["object_store"])


def test_silent_workers_are_named(alive: Callable[[], None], moving_clock: Clock) -> None:
    moving_clock.advance(60)
    loops_report()
    status, parts = ready()
    assert (status, [name for name, is_ready in parts.items() if not is_ready]) == (503, ["worker"])


@pytest.mark.parametrize(
    ("kind", "part"), [(LEDGER, "queue"), (DISPATCHER, "queue"), (BATCHES, "batches"), (WEBHOOKS, "webhooks")]
)
def test_a_silent_loop_of_our_own_is_named(alive: Callable[[], None], moving_clock: Clock, kind: str, part: str) -> None:
    moving_clock.advance(60)
    events_apply([heartbeat()])
    for other in {LEDGER, DISPATCHER, BATCHES, WEBHOOKS} - {kind}:
        own_heartbeat_write(kind=other, name=f"{other}@here")
    status, parts = ready()
    assert (status, [name for name, is_ready in parts.items() if not is_ready]) == (503, [part])
    body = Client().get("/readyz").json()
    assert body["parts"][part] == {"ready": False, "detail": f"the {kind} process has not reported for 60 s"}


def test_a_loop_that_never_came_up_is_named(alive: Callable[[], None]) -> None:
    WorkerStatus.objects.filter(kind=BATCHES).delete()
    assert Client().get("/readyz").json()["parts"]["batches"]["detail"] == "the batches process has not reported yet"


def test_events_that_wait_too_long_are_named(alive: Callable[[], None], moving_clock: Clock) -> None:
    apply_events([])
    moving_clock.advance(60)
    alive()
    detail = Client().get("/readyz").json()["parts"]["queue"]
    assert detail == {"ready": False, "detail": "events wait too long before the ledger applies them"}
    apply_events([])
    assert ready()[1]["queue"] is True


def test_a_queue_that_does_not_move_is_named_although_everyone_reports(
    alive: Callable[[], None], job: Job, make_job: Callable[..., Job], moving_clock: Clock
) -> None:
    OutboxMessage.objects.update(published_at=moving_clock.now())
    moving_clock.advance(61)
    alive()
    assert ready()[1]["queue"] is False
    assert "none was ever taken" in Client().get("/readyz").json()["parts"]["queue"]["detail"]
    events_apply([event("started", make_job())])
    assert ready()[1]["queue"] is True


def test_a_database_that_is_away_is_503_and_not_a_crash(alive: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> dict[str, Any]:
        raise OperationalError("could not connect to host secret-host")

    monkeypatch.setattr(health, "_database", away)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["database"]["ready"]) == (503, False)
    assert "secret-host" not in answer.content.decode()
