"""The dispatcher against a real Redis: order, window, crashes, a broker that goes away or forgets."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from inference_worker.contract.orders import InferenceOrder
from jobs import broker, dispatcher
from jobs.dispatcher import DispatchLoop, epoch_check, orders_dispatch
from jobs.ledger import events_apply
from jobs.models import Job, OutboxMessage, WorkerStatus
from jobs.services import job_cancel
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event


def in_broker(redis: Any, queue: str) -> list[InferenceOrder]:
    """The orders a queue holds, first in line first."""
    messages = [json.loads(raw) for raw in reversed(redis.lrange(queue, 0, -1))]
    assert all(message["headers"]["task"] == "inference_worker.run_order" for message in messages)
    return [InferenceOrder.from_wire(json.loads(base64.b64decode(message["body"]))[0][0]) for message in messages]


def test_orders_go_to_the_queue_of_their_priority_oldest_first(redis_broker: Any, make_job: Callable[..., Job]) -> None:
    jobs = [make_job(priority=priority) for priority in ("routine", "stat", "routine", "backfill")]
    assert orders_dispatch() == 4
    assert [order.job_id for order in in_broker(redis_broker, "routine")] == [str(jobs[0].pk), str(jobs[2].pk)]
    assert [order.job_id for order in in_broker(redis_broker, "stat")] == [str(jobs[1].pk)]
    assert [order.job_id for order in in_broker(redis_broker, "backfill")] == [str(jobs[3].pk)]
    assert orders_dispatch() == 0


def test_an_order_names_no_one_and_is_small(redis_broker: Any, make_job: Callable[..., Job]) -> None:
    make_job(external_id="ward-7-reference")
    orders_dispatch()
    raw = redis_broker.lrange("routine", 0, -1)[0].decode()
    assert "ward-7-reference" not in base64.b64decode(json.loads(raw)["body"]).decode()
    assert len(raw) < 4000


def test_at_most_a_window_is_outstanding(redis_broker: Any, make_job: Callable[..., Job], settings: Any) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 3
    jobs = [make_job() for _ in range(5)]
    assert orders_dispatch() == 3
    assert orders_dispatch() == 0
    events_apply([event("started", jobs[0]), event("started", jobs[1])])
    assert orders_dispatch() == 2
    assert redis_broker.llen("routine") == 5


def test_an_order_waits_for_its_time(redis_broker: Any, job: Job, moving_clock: Clock) -> None:
    orders_dispatch()
    events_apply([event("failed", job, failure_code="model:run_failed")])
    assert orders_dispatch() == 0
    moving_clock.advance(2)
    assert orders_dispatch() == 1
    assert [order.attempt for order in in_broker(redis_broker, "routine")] == [1, 2]


def test_a_quiet_round_asks_one_thing(redis_broker: Any, job: Job) -> None:
    assert orders_dispatch() == 1
    with CaptureQueriesContext(connection) as queries:
        assert orders_dispatch() == 0
    assert len(queries) == 1


def test_a_cancelled_order_is_not_published(redis_broker: Any, job: Job) -> None:
    job_cancel(job_id=job.pk, cancelled_by=None)
    assert orders_dispatch() == 0
    assert redis_broker.llen("routine") == 0


def test_a_crash_after_publishing_sends_an_order_twice_and_never_loses_it(
    redis_broker: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = broker.orders_publish

    def publish_and_die(*, orders: Any) -> None:
        real(orders=orders)
        raise KeyboardInterrupt

    monkeypatch.setattr(broker, "orders_publish", publish_and_die)
    with pytest.raises(KeyboardInterrupt):
        orders_dispatch()
    monkeypatch.setattr(broker, "orders_publish", real)
    assert orders_dispatch() == 1
    assert [order.attempt for order in in_broker(redis_broker, "routine")] == [1, 1]
    row = OutboxMessage.objects.get()
    assert (row.publish_count, row.done) == (1, False)


def test_a_broker_that_is_away_costs_nothing_but_time(job: Job, settings: Any, tmp_path: Path) -> None:
    settings.BROKER_URL = f"redis+socket://{tmp_path / 'nobody-listens'}"
    broker.celery_app.cache_clear()
    with pytest.raises(broker.BrokerUnavailable):
        orders_dispatch()
    with pytest.raises(broker.BrokerUnavailable):
        broker.broker_check()
    broker.attempts_abandon(attempts=[(str(job.pk), 1)])  # best effort: logged, not raised
    assert OutboxMessage.objects.get().published_at is None
    broker.celery_app.cache_clear()


def test_a_broker_that_forgot_everything_gets_everything_in_flight_again(redis_broker: Any, make_job: Callable[..., Job]) -> None:
    assert epoch_check() == 0
    waiting, running, unpublished = make_job(), make_job(), None
    orders_dispatch()
    events_apply([event("started", running)])
    assert epoch_check() == 0
    redis_broker.flushall()
    unpublished = make_job()
    assert epoch_check() == 1
    assert epoch_check() == 0
    assert orders_dispatch() == 2
    assert [order.job_id for order in in_broker(redis_broker, "routine")] == [str(waiting.pk), str(unpublished.pk)]


def test_a_broker_that_was_replaced_counts_as_one_that_forgot(redis_broker: Any, job: Job) -> None:
    epoch_check()
    orders_dispatch()
    redis_broker.flushall()
    redis_broker.set(broker.EPOCH_KEY, "the mark of another platform's life")
    assert epoch_check() == 1


def test_the_loop_outlives_database_and_broker_and_leaves_its_heartbeat(
    redis_broker: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "close_old_connections", lambda: None)
    monkeypatch.setattr(dispatcher, "_PAUSE_FIRST_SECONDS", 0.01)
    troubles: list[Exception] = [OperationalError("away"), broker.BrokerUnavailable("away")]
    stop = threading.Event()
    real = orders_dispatch

    def troubled() -> int:
        if troubles:
            raise troubles.pop(0)
        stop.set()
        return real()

    monkeypatch.setattr(dispatcher, "orders_dispatch", troubled)
    DispatchLoop(stop=stop).run()
    assert not troubles
    assert redis_broker.llen("routine") == 1
    assert redis_broker.llen("ledger") == 1  # the ping
    assert WorkerStatus.objects.get(kind="dispatcher").name.startswith("dispatcher@")


def test_a_call_back_reaches_a_listening_worker(redis_broker: Any) -> None:
    app = broker.celery_app()
    heard: list[dict[str, Any]] = []
    with app.connection_for_read() as link:
        channel = link.default_channel
        queue = app.control.mailbox.get_queue("worker-under-test")(channel)
        queue.declare()
        queue.consume(callback=lambda message: heard.append(message.decode()))
        link.drain_events(timeout=5)  # the broker confirms that somebody listens
        broker.attempts_abandon(attempts=[("job-1", 2)])
        while not heard:
            link.drain_events(timeout=5)
    assert (heard[0]["method"], heard[0]["arguments"]) == (
        "abandon_attempts",
        {"attempts": [{"job_id": "job-1", "attempt": 2}]},
    )


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_at_once_lose_no_order(redis_broker: Any, make_job: Callable[..., Job], settings: Any) -> None:
    settings.DISPATCH_WINDOW_MINIMUM = 200
    jobs = [make_job() for _ in range(60)]

    def dispatch(_: int) -> int:
        try:
            return sum(orders_dispatch() for _ in range(3))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(dispatch, range(2))) == 60
    published = [order.job_id for order in in_broker(redis_broker, "routine")]
    assert sorted(published) == sorted(str(job.pk) for job in jobs)
    assert set(OutboxMessage.objects.values_list("publish_count", flat=True)) == {1}


def test_the_command_stops_cleanly_on_sigterm(redis_server: Any, tmp_path: Path) -> None:
    manage = Path(dispatcher.__file__).resolve().parents[1] / "manage.py"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "only for this test",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "BROKER_URL": f"redis+socket://{redis_server.socket_file}",
        "LOG_FORMAT": "json",
    }
    process = subprocess.Popen(
        [sys.executable, str(manage), "run_dispatcher"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:  # the schema is missing: the loop must say so and go on trying
        lines.append(line)
        if "trying again" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 0, "".join(lines) + rest
    assert "dispatcher stopped" in rest
