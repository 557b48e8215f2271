"""Queue names, task names and the broker settings both sides must share.

Apps that share a Redis broker all obey the shortest visibility timeout among them, so it is defined once, here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Priority(StrEnum):
    """How urgent a study is. Each priority is a queue of its own: priorities inside one Redis queue are bucketed and reversed."""

    STAT = "stat"
    ROUTINE = "routine"
    BACKFILL = "backfill"


#: Queues a worker consumes, most urgent first.
ORDER_QUEUES: tuple[str, ...] = tuple(priority.value for priority in Priority)

#: Registry work (contract.checks). Workers take it when no order waits.
MAINTENANCE_QUEUE = "maintenance"

#: The queue the ledger alone consumes.
LEDGER_QUEUE = "ledger"

RUN_ORDER_TASK = "inference_worker.run_order"
RUN_CHECK_TASK = "inference_worker.run_check"
APPLY_EVENTS_TASK = "ledger.apply_events"

#: Remote-control command that tells every worker to abandon an attempt.
CANCEL_COMMAND = "abandon_attempts"

#: Remote-control command that tells every worker which packages are in service: load and prove what is new, let go what is not.
PACKAGES_COMMAND = "packages_in_service"

#: Hard limit for one order in a worker. A study is minutes at the very worst.
ORDER_HARD_LIMIT_SECONDS = 15 * 60

#: A message unacknowledged for this long is delivered again. Above the hard limit, so that the broker never duplicates
#: an order that is still being worked on; the lease in the database decides much earlier anyway.
VISIBILITY_TIMEOUT_SECONDS = 60 * 60


def celery_settings() -> dict[str, Any]:
    """The Celery settings that the ledger, the dispatcher and the workers must agree on."""
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,  # attempts are counted in the database, not by requeueing for ever
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "task_create_missing_queues": True,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            "unacked_restore_interval": 10,
        },
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "enable_utc": True,
        "timezone": "UTC",
    }
