"""The platform's dealings with the broker: publish orders, tell workers to abandon, ping the ledger, and see whether it forgot.

Nothing here is the truth: whatever the broker loses, jobs.reaper finds in the database.
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery
from django.conf import settings
from kombu.exceptions import OperationalError

from inference_worker.contract.queues import (
    APPLY_EVENTS_TASK,
    CANCEL_COMMAND,
    LEDGER_QUEUE,
    MAINTENANCE_QUEUE,
    PACKAGES_COMMAND,
    RUN_CHECK_TASK,
    RUN_ORDER_TASK,
    celery_settings,
)

logger = logging.getLogger(__name__)

EPOCH_KEY = "mammoserve:epoch"
#: A ledger ping older than this is dropped unread: it would only say that the ledger was away, which it no longer is.
PING_EXPIRES_SECONDS = 30
_CONNECT_SECONDS = 3
#: A broker that takes longer than this to answer is away. Without it, a stopped Redis or a network that swallows packets holds
#: whoever publishes for many minutes: a web thread in a cancel, or the dispatcher inside its transaction.
_ANSWER_SECONDS = 5
#: Just enough to replace a broken connection: whoever waits longer inside a publish does not see its stop signal.
_RETRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
_OUTSTANDING_ABANDON_MAXIMUM = 500


class BrokerUnavailable(Exception):
    """The broker does not answer. Nothing is lost: what was to be sent is still in the database."""


@functools.cache
def celery_app() -> Celery:
    """The one Celery app of the platform's processes; config.celery_app makes the ledger of it."""
    app = Celery("ledger", broker=settings.BROKER_URL, set_as_current=True)
    shared = celery_settings()
    transport = dict(shared["broker_transport_options"])
    if settings.BROKER_URL.startswith(("redis", "unix", "sentinel")):
        transport |= {
            "socket_timeout": _ANSWER_SECONDS,
            "socket_connect_timeout": min(_CONNECT_SECONDS, _ANSWER_SECONDS),
            "socket_keepalive": True,
            **_RETRY_ONCE,
        }
    app.conf.update(
        shared
        | {
            "broker_transport_options": transport,
            "task_default_queue": LEDGER_QUEUE,
            "task_routes": {APPLY_EVENTS_TASK: {"queue": LEDGER_QUEUE}},
            "broker_connection_timeout": _CONNECT_SECONDS,
            "task_publish_retry_policy": _RETRY_ONCE,
        }
    )
    return app


@contextmanager
def _translated() -> Iterator[None]:
    """Broker errors of every transport as BrokerUnavailable."""
    try:
        yield
    except (OperationalError, OSError, redis.RedisError, *celery_app().connection_for_write().connection_errors) as error:
        raise BrokerUnavailable(type(error).__name__) from error


def orders_publish(*, orders: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Give each order to its queue, as (queue, order), in order. Raises BrokerUnavailable; some may have gone out by then."""
    app = celery_app()
    with _translated(), app.producer_pool.acquire(block=True, timeout=_CONNECT_SECONDS) as producer:
        for queue, order in orders:
            app.send_task(
                RUN_ORDER_TASK,
                args=[order],
                queue=queue,
                task_id=f"{order['job_id']}.{order['attempt']}",
                producer=producer,
                ignore_result=True,
            )


def checks_publish(*, orders: Sequence[dict[str, Any]]) -> None:
    """Give registry work to its queue. Raises BrokerUnavailable."""
    app = celery_app()
    with _translated(), app.producer_pool.acquire(block=True, timeout=_CONNECT_SECONDS) as producer:
        for order in orders:
            task_id = f"{order['check_id']}.{order['attempt']}"
            app.send_task(
                RUN_CHECK_TASK, args=[order], queue=MAINTENANCE_QUEUE, task_id=task_id, producer=producer, ignore_result=True
            )


def attempts_abandon(*, attempts: Sequence[tuple[str, int]]) -> None:
    """Ask every worker to abandon these (job id, attempt). Best effort: their results would be fenced off anyway."""
    listed = [{"job_id": job_id, "attempt": attempt} for job_id, attempt in attempts[:_OUTSTANDING_ABANDON_MAXIMUM]]
    try:
        with _translated():
            celery_app().control.broadcast(CANCEL_COMMAND, arguments={"attempts": listed})
    except BrokerUnavailable:
        logger.warning("broker away: %d attempts could not be called back; their results will not count", len(listed))


def packages_announce(*, packages: Sequence[dict[str, str]]) -> None:
    """Tell every worker which packages are in service. Raises BrokerUnavailable."""
    with _translated():
        celery_app().control.broadcast(PACKAGES_COMMAND, arguments={"packages": list(packages)})


def ledger_ping() -> None:
    """Send the ledger an empty list of events: applying it proves the way from here to the database. Raises BrokerUnavailable."""
    with _translated():
        celery_app().send_task(APPLY_EVENTS_TASK, args=[[]], queue=LEDGER_QUEUE, expires=PING_EXPIRES_SECONDS, ignore_result=True)


def broker_check() -> None:
    """Raises BrokerUnavailable unless the broker answers."""
    with _translated(), celery_app().connection_for_write(connect_timeout=_CONNECT_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        client = _redis_client(connection)
        if client is not None:
            client.ping()


def epoch_read() -> str | None:
    """The mark left in the broker; None when it is gone, "" for a broker that keeps no marks. Raises BrokerUnavailable."""
    with _translated(), celery_app().pool.acquire(block=True, timeout=_CONNECT_SECONDS) as connection:
        client = _redis_client(connection)
        if client is None:
            return ""
        value = client.get(EPOCH_KEY)
        return value.decode() if isinstance(value, bytes) else value


def epoch_write() -> str:
    """Leave a new mark in the broker. Raises BrokerUnavailable."""
    value = str(uuid.uuid4())
    with _translated(), celery_app().pool.acquire(block=True, timeout=_CONNECT_SECONDS) as connection:
        client = _redis_client(connection)
        if client is not None:
            client.set(EPOCH_KEY, value)
    return value


def _redis_client(connection: Any) -> Any | None:
    """The Redis client behind a Kombu connection, or None for another kind of broker."""
    if connection.transport.driver_type != "redis":
        return None
    return connection.default_channel.client
