"""The ledger as a Celery task: parse, call, report. Everything it does is jobs.ledger's and jobs.heartbeats'."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from celery import shared_task
from celery.exceptions import Reject
from celery.signals import worker_ready
from django.db import InterfaceError, OperationalError, close_old_connections

from inference_worker.contract.queues import APPLY_EVENTS_TASK
from jobs.heartbeats import LEDGER, event_flow_write, leases_renew, own_heartbeat_write
from jobs.ledger import events_apply

logger = logging.getLogger(__name__)

_DATABASE_AWAY_PAUSE_SECONDS = 1.0


def ledger_name() -> str:
    """This process among the ledgers."""
    return f"ledger@{socket.gethostname()}.{os.getpid()}"


@shared_task(name=APPLY_EVENTS_TASK, acks_late=True, ignore_result=True)
def apply_events(events: list[dict[str, Any]]) -> None:
    """Apply a message of events; an empty one is the dispatcher's ping. While the database is away, messages go back."""
    try:
        summary = events_apply(events)
        if not events:
            event_flow_write()
        own_heartbeat_write(kind=LEDGER, name=ledger_name(), at_most_every_seconds=1.0)
    except (OperationalError, InterfaceError) as error:
        logger.warning("ledger: the database is away; the message goes back to the queue")
        close_old_connections()
        time.sleep(_DATABASE_AWAY_PAUSE_SECONDS)
        raise Reject(type(error).__name__, requeue=True) from error
    if summary.counts:
        logger.debug("ledger: %s", dict(summary.counts))


@worker_ready.connect
def ledger_ready(**_: Any) -> None:
    """Before the first event: no lease is held against a worker for the time the ledger was away."""
    renewed = leases_renew()
    own_heartbeat_write(kind=LEDGER, name=ledger_name())
    logger.info("ledger ready; %d leases renewed", renewed)
