"""The dispatcher: gives waiting orders to the broker (jobs.orders_out) and notices when the broker forgot them.

It changes no job. `DispatchLoop` is the process; jobs.reaper runs inside it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, transaction

from catalog.check_orders import check_order, checks_due, checks_published, checks_republish
from catalog.requests import requests_apply_due
from jobs import broker
from jobs.heartbeats import DISPATCHER, own_heartbeat_write
from jobs.hot_swap import packages_announce
from jobs.models import BrokerEpoch, OutboxMessage
from jobs.orders_out import orders_dispatch
from jobs.reaper import reaper_pass
from jobs.rollback_rule import rules_watch
from jobs.signals import dispatcher_round

logger = logging.getLogger(__name__)

_EPOCH_INTERVAL_SECONDS = 1.0
_HEARTBEAT_INTERVAL_SECONDS = 5.0
_SCHEDULE_INTERVAL_SECONDS = 1.0
_CHECKS_INTERVAL_SECONDS = 0.5
_RULES_INTERVAL_SECONDS = 5.0
_ROUNDS_INTERVAL_SECONDS = 5.0
_PACKAGES_INTERVAL_SECONDS = 10.0
_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_MAXIMUM_SECONDS = 15.0
_EPOCH_NAME = "orders"


def checks_dispatch() -> int:
    """Publish registry work that is due; returns how much. Raises BrokerUnavailable."""
    with transaction.atomic():
        due = checks_due()
        if due:
            broker.checks_publish(orders=[check_order(check).to_wire() for check in due])
            checks_published(due)
    return len(due)


def orders_republish() -> int:
    """Put every order that the broker was holding back into the outbox; returns how many."""
    return checks_republish() + OutboxMessage.objects.filter(done=False, published_at__isnull=False).update(published_at=None)


def epoch_check() -> int:
    """Republish everything in flight when the broker lost the mark that was left in it; returns how many orders.

    The mark is renewed after the orders went back, so that a crash in between repeats the work instead of skipping it.
    """
    shown = broker.epoch_read()
    if shown == "":
        return 0
    kept = BrokerEpoch.objects.filter(name=_EPOCH_NAME).values_list("value", flat=True).first()
    if shown is not None and shown == kept:
        return 0
    republished = orders_republish()
    BrokerEpoch.objects.update_or_create(name=_EPOCH_NAME, defaults={"value": broker.epoch_write()})
    if kept is not None:
        logger.warning("the broker lost its memory; %d orders are published again", republished)
    return republished


def _rounds() -> None:
    dispatcher_round.send(sender=DispatchLoop)


class DispatchLoop:
    """Dispatcher and reaper as one process, until `stop` is set. Broker and database may come and go."""

    def __init__(self, *, stop: threading.Event) -> None:
        self._stop = stop
        self._name = f"{DISPATCHER}@{socket.gethostname()}.{os.getpid()}"
        self._due: dict[str, float] = {}
        self._failures = 0

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self._turn())

    def _turn(self) -> float:
        """One round; returns how many seconds to wait before the next."""
        try:
            self._every("heartbeat", _HEARTBEAT_INTERVAL_SECONDS, self._heartbeat)
            self._every("reaper", settings.REAPER_INTERVAL_SECONDS, reaper_pass)
            self._every("epoch", _EPOCH_INTERVAL_SECONDS, epoch_check)
            self._every("scheduled deployments", _SCHEDULE_INTERVAL_SECONDS, requests_apply_due)
            self._every("checks", _CHECKS_INTERVAL_SECONDS, checks_dispatch)
            self._every("packages in service", _PACKAGES_INTERVAL_SECONDS, packages_announce)
            self._every("rounds", _ROUNDS_INTERVAL_SECONDS, _rounds)
            self._every("rules", _RULES_INTERVAL_SECONDS, rules_watch)
            self._every("ping", _HEARTBEAT_INTERVAL_SECONDS, broker.ledger_ping)
            orders_dispatch()
        except (broker.BrokerUnavailable, OperationalError, InterfaceError) as error:
            return self._pause(error)
        if self._failures:
            logger.warning("dispatcher: at work again after %d failed rounds", self._failures)
            self._failures = 0
        return settings.DISPATCH_INTERVAL_SECONDS

    def _heartbeat(self) -> None:
        own_heartbeat_write(kind=DISPATCHER, name=self._name)

    def _every(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        if time.monotonic() >= self._due.get(name, 0.0):
            action()
            self._due[name] = time.monotonic() + seconds

    def _pause(self, error: Exception) -> float:
        if isinstance(error, (OperationalError, InterfaceError)):
            close_old_connections()
        if self._failures == 0:
            logger.warning("dispatcher: %s; trying again until it passes", type(error).__name__)
        self._failures += 1
        return min(_PAUSE_MAXIMUM_SECONDS, _PAUSE_FIRST_SECONDS * 2.0 ** min(self._failures - 1, 10))
