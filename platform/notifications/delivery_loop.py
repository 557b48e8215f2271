"""The process that delivers: claims what is due, sends it, writes down what became of it. `manage.py run_webhooks`.

One thread has the database, another one the network, and orders and outcomes go between them. It changes no job and nothing waits
for it: while it is away, deliveries wait as rows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from jobs.heartbeats import WEBHOOKS, own_heartbeat_write
from notifications.addresses import AddressPolicy
from notifications.deliveries import deliveries_claim, events_sweep, outcome_record
from notifications.sending import AttemptError, AttemptOrder, Outcome, TimeLimits, attempt_send

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_HEARTBEAT_SECONDS = 5.0
_SWEEP_SECONDS = 600.0
_LOOKUP_THREADS = 64
_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_MAXIMUM_SECONDS = 15.0
_STOP_GRACE_SECONDS = 5.0


class DeliveryLoop:
    """Delivers until `stop` is set. Database, network and receivers may come and go."""

    def __init__(self, *, stop: threading.Event) -> None:
        self._stop = stop
        self._name = f"{WEBHOOKS}@{socket.gethostname()}.{os.getpid()}"
        self._policy = AddressPolicy.from_settings()
        total = settings.WEBHOOKS_TIMEOUT_SECONDS
        self._limits = TimeLimits(connect_seconds=min(5.0, total), read_seconds=min(10.0, total), total_seconds=total)
        # Certificates of a hospital's own authority: SSL_CERT_FILE, as every OpenSSL program reads it.
        self._ssl_context = httpx.create_ssl_context()
        self._outcomes: queue.SimpleQueue[tuple[AttemptOrder, Outcome]] = queue.SimpleQueue()
        self._in_flight: dict[str, bool] = {}
        self._unwritten: tuple[AttemptOrder, Outcome] | None = None
        self._due: dict[str, float] = {}
        self._failures = 0

    def run(self) -> None:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="lookup"))
        network = threading.Thread(target=loop.run_forever, name="webhook-network", daemon=True)
        network.start()
        try:
            while not self._stop.is_set():
                pause = self._turn(loop)
                self._outcomes_wait(pause)
            self._finish()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            network.join(_STOP_GRACE_SECONDS)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> float:
        """One round; returns how many seconds nothing needs to be looked at, unless an outcome comes."""
        try:
            self._outcomes_write()
            self._heartbeat()
            self._sweep()
            orders = self._claim()
        except (OperationalError, InterfaceError) as error:
            return self._pause(error)
        if self._failures:
            logger.warning("webhooks: at work again after %d failed rounds", self._failures)
            self._failures = 0
        for order in orders:
            self._in_flight[order.claim] = True
            sending = attempt_send(order, policy=self._policy, limits=self._limits, ssl_context=self._ssl_context)
            future = asyncio.run_coroutine_threadsafe(sending, loop)
            future.add_done_callback(lambda done, order=order: self._outcomes.put((order, _outcome_of(done))))  # type: ignore[misc]
        return _POLL_SECONDS

    def _claim(self) -> list[AttemptOrder]:
        room = settings.WEBHOOKS_CONCURRENCY - len(self._in_flight)
        # Half of the places stay with endpoints that answer.
        return deliveries_claim(room=room, room_failing=room - settings.WEBHOOKS_CONCURRENCY // 2)

    def _outcomes_wait(self, seconds: float) -> None:
        """Until an outcome has come, or for so long. The outcome stays for the next round."""
        if self._unwritten is not None:
            self._stop.wait(seconds)
            return
        try:
            self._unwritten = self._outcomes.get(timeout=seconds)
        except queue.Empty:
            self._unwritten = None

    def _outcomes_write(self) -> None:
        while True:
            if self._unwritten is None:
                try:
                    self._unwritten = self._outcomes.get_nowait()
                except queue.Empty:
                    return
            order, outcome = self._unwritten
            outcome_record(order=order, outcome=outcome)
            self._in_flight.pop(order.claim, None)
            self._unwritten = None  # not before it is written: the database may have been away
            logger.info("webhook delivery %s: %s, status %s", order.delivery_id, outcome.error or "delivered", outcome.status)

    def _finish(self) -> None:
        """Let what is under way come to its end, for a few seconds; the rest is sent again when its lease is over."""
        deadline = time.monotonic() + _STOP_GRACE_SECONDS
        try:
            self._outcomes_write()
            while self._in_flight and time.monotonic() < deadline:
                self._outcomes_wait(0.1)
                self._outcomes_write()
        except (OperationalError, InterfaceError) as error:
            logger.warning("webhooks: %s while stopping; what was under way is sent again", type(error).__name__)

    def _heartbeat(self) -> None:
        if self._is_due("heartbeat", _HEARTBEAT_SECONDS):
            own_heartbeat_write(kind=WEBHOOKS, name=self._name)

    def _sweep(self) -> None:
        if self._is_due("sweep", _SWEEP_SECONDS):
            events_sweep()

    def _is_due(self, name: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + seconds
        return True

    def _pause(self, error: Exception) -> float:
        close_old_connections()
        if self._failures == 0:
            logger.warning("webhooks: %s; trying again until it passes", type(error).__name__)
        self._failures += 1
        return min(_PAUSE_MAXIMUM_SECONDS, _PAUSE_FIRST_SECONDS * 2.0 ** min(self._failures - 1, 10))


def _outcome_of(done: Future[Outcome]) -> Outcome:
    error = done.exception()
    if error is None:
        return done.result()
    logger.error("webhooks: an attempt failed in a way nobody foresaw", exc_info=error)
    return Outcome(error=AttemptError.UNEXPECTED)
