"""The process that carries batches: takes items in, moves batches through their states, forgets what is old.

A process of its own, because taking a study in is seconds of work and nobody's stat order may wait behind it. Any number may run;
whoever is killed is replaced, and what it had in hand comes back when its claim runs out.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from batches.expansion import item_take_in, items_give_back
from batches.quarantine import quarantine_purge
from batches.rounds import batch_advance, batches_active, batches_expire, batches_reopen, estimates_renew, items_claimed
from batches.states import BatchState
from jobs.heartbeats import BATCHES, own_heartbeat_write
from studies.identity import identities_purge

logger = logging.getLogger(__name__)

_HEARTBEAT_INTERVAL_SECONDS = 5.0
_EXPIRY_INTERVAL_SECONDS = 1.0
_ESTIMATES_INTERVAL_SECONDS = 3.0
_PURGE_INTERVAL_SECONDS = 600.0
_PAUSE_FIRST_SECONDS, _PAUSE_MAXIMUM_SECONDS = 0.5, 15.0


class BatchLoop:
    """Until `stop` is set. Database, broker and object store may come and go."""

    def __init__(self, *, stop: threading.Event) -> None:
        self._stop = stop
        self._name = f"{BATCHES}@{socket.gethostname()}.{os.getpid()}"
        self._due: dict[str, float] = {}
        self._failures = 0

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self.turn())

    def turn(self) -> float:
        """One round over all active batches; returns how many seconds to wait before the next."""
        try:
            self._regular_work()
            busy = False
            for batch_id, state in batches_active():
                if self._stop.is_set():
                    return 0.0
                self._regular_work()
                batch_advance(batch_id=batch_id, state=state)
                if state == BatchState.IN_PROGRESS:
                    busy = self._items_take_in(items_claimed(batch_id=batch_id)) or busy
        except (OperationalError, InterfaceError) as error:
            return self._pause(error)
        if self._failures:
            logger.warning("batches: at work again after %d failed rounds", self._failures)
            self._failures = 0
        return 0.0 if busy else settings.BATCH_INTERVAL_SECONDS

    def _items_take_in(self, keys: list[uuid.UUID]) -> bool:
        left = list(keys)
        try:
            while left and not self._stop.is_set():
                item_take_in(left[0])
                self._heartbeat()  # taking in a few large studies may take longer than a silence is forgiven
                left.pop(0)
        finally:
            if left:
                items_give_back(left)
        return bool(keys)

    def _regular_work(self) -> None:
        self._heartbeat()
        self._every("expiry", _EXPIRY_INTERVAL_SECONDS, batches_expire)
        self._every("reopened", _EXPIRY_INTERVAL_SECONDS, batches_reopen)
        self._every("estimates", _ESTIMATES_INTERVAL_SECONDS, estimates_renew)
        self._every("purge", _PURGE_INTERVAL_SECONDS, _purge)

    def _heartbeat(self) -> None:
        self._every("heartbeat", _HEARTBEAT_INTERVAL_SECONDS, lambda: own_heartbeat_write(kind=BATCHES, name=self._name))

    def _every(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        if time.monotonic() >= self._due.get(name, 0.0):
            action()
            self._due[name] = time.monotonic() + seconds

    def _pause(self, error: Exception) -> float:
        close_old_connections()
        if self._failures == 0:
            logger.warning("batches: %s; trying again until it passes", type(error).__name__)
        self._failures += 1
        return min(_PAUSE_MAXIMUM_SECONDS, _PAUSE_FIRST_SECONDS * 2.0 ** min(self._failures - 1, 10))


def _purge() -> None:
    given_up, forgotten = quarantine_purge(), identities_purge()
    if given_up or forgotten:
        logger.info("batches: %d quarantined items given up, identifiers of %d studies forgotten", given_up, forgotten)
