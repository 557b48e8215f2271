"""The worker's Celery app: configuration, life cycle and remote control. What a task does is in tasks; how, in pipeline.

    celery -A inference_worker.celery_app worker --pool threads --concurrency 4 -Q stat,routine,backfill,maintenance

`python -m inference_worker` is the same with the settings' values filled in.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_ready, worker_shutdown
from celery.worker.control import control_command
from kombu import Exchange, Queue

from inference_worker.contract.queues import (
    APPLY_EVENTS_TASK,
    CANCEL_COMMAND,
    LEDGER_QUEUE,
    MAINTENANCE_QUEUE,
    ORDER_QUEUES,
    PACKAGES_COMMAND,
    celery_settings,
)
from inference_worker.runtime import RuntimeHolder, runtime_create
from inference_worker.settings import WorkerSettings, settings_from_environment

logger = logging.getLogger(__name__)

_POOLS = ("threads", "solo", "celery.concurrency.thread", "celery.concurrency.solo")


class WrongPool(RuntimeError):
    """The worker was started with a pool that forks: inference sessions do not survive a fork."""


def app_create(*, settings: WorkerSettings) -> Celery:
    """The Celery app for these settings: the contract's, plus what concerns the consumer alone."""
    # No fixups: with DJANGO_SETTINGS_MODULE in the environment Celery would set Django up, which this process must not need.
    app = Celery("inference_worker", broker=settings.broker_url, include=["inference_worker.tasks"], fixups=[])
    app.conf.update(celery_settings())
    transport = dict(app.conf.broker_transport_options)
    if settings.broker_url.startswith(("redis", "rediss", "unix", "sentinel")):
        transport |= {
            "queue_order_strategy": "priority",  # stat first, always; the default takes the queues in turn
            "socket_connect_timeout": 5,
            # Or a network that swallows packets holds the reporter, and with it every heartbeat, for a quarter of an hour.
            "socket_timeout": 10,
            "socket_keepalive": True,
            "health_check_interval": 15,
        }
    app.conf.update(
        broker_transport_options=transport,
        # Each its own exchange: queues that share the default one would each get a copy of every order.
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in (*ORDER_QUEUES, MAINTENANCE_QUEUE)],
        task_default_queue="routine",
        worker_pool="threads",
        worker_concurrency=settings.worker_threads,
        worker_disable_prefetch=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=True,
        worker_redirect_stdouts=False,
        broker_connection_max_retries=None,
    )
    return app


app = app_create(settings=settings_from_environment())


def events_publish(events: list[dict[str, Any]]) -> None:
    """One message to the ledger. Raises when the broker does not take it; the reporter tries again."""
    app.send_task(APPLY_EVENTS_TASK, args=[events], queue=LEDGER_QUEUE, retry=False, ignore_result=True)


runtime = RuntimeHolder(create=lambda: runtime_create(settings=settings_from_environment(), publish=events_publish))


class ThreadsOnly(bootsteps.StartStopStep):
    """Stops a worker with another pool before it starts; a signal handler could not, because Celery swallows its errors.

    `--pool prefork` never gets here: being Celery's default, it yields to the configured threads.
    """

    def __init__(self, worker: Any, **options: Any) -> None:
        pool = worker.pool_cls if isinstance(worker.pool_cls, str) else worker.pool_cls.__module__
        if pool not in _POOLS:
            raise WrongPool(f"the pool is {pool}: start the worker with --pool threads")
        super().__init__(worker, **options)


app.steps["worker"].add(ThreadsOnly)


@worker_ready.connect
def _begin(**_: Any) -> None:
    # Two lines a task, where tasks logs one with the job's own words; and where the object store's credentials were found.
    for name in ("celery.app.trace", "celery.worker.strategy", "aiobotocore", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    runtime.get()  # heartbeats from now on: a worker without a job is alive too


@worker_shutdown.connect
def _end(**_: Any) -> None:
    runtime.close()


@control_command(name=CANCEL_COMMAND, args=[("attempts", list)], signature="[attempts]")
def abandon_attempts(state: Any, attempts: Any = None, **_: Any) -> dict[str, int]:
    """Remote control: `attempts` is a list of {"job_id": str, "attempt": int or null}; null means any attempt of the job."""
    register = runtime.get().attempts
    taken = 0
    for item in attempts if isinstance(attempts, list) else ():
        job_id, attempt = (item.get("job_id"), item.get("attempt")) if isinstance(item, dict) else (None, None)
        if not isinstance(job_id, str) or not (attempt is None or type(attempt) is int):
            logger.warning("control.abandon_attempts: an entry is not {job_id, attempt} and was ignored")
            continue
        register.abandon(job_id=job_id, attempt=attempt)
        taken += 1
    return {"taken": taken}


@control_command(name=PACKAGES_COMMAND, args=[("packages", list)], signature="[packages]")
def packages_in_service(state: Any, packages: Any = None, **_: Any) -> dict[str, int]:
    """Remote control: `packages` is a list of {"digest": str, "key": str}, everything that any deployment serves or tries."""
    return {"taken": runtime.get().keeper.announced(packages if isinstance(packages, list) else ())}
