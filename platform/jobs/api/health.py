"""/readyz: can this platform do its work, and if not, which part stands in the way. /healthz says whether a process is up.

Answers without authentication, so it tells states and ages only: no host names, addresses or versions.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from common import clock
from common.object_store import object_store
from inference_worker.contract.failures import CodedError
from jobs.broker import BrokerUnavailable, broker_check
from jobs.heartbeats import BATCHES, DISPATCHER, LEDGER, WEBHOOKS, WORKER, event_flow_is_alive
from jobs.models import OutboxMessage, WorkerStatus

logger = logging.getLogger(__name__)

_CHECK_CACHED_SECONDS = 3
Part = dict[str, Any]


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part is ready, else 503; each part says what it found."""
    parts = {
        "database": _part(_database),
        "broker": _remembered("broker", _broker),
        "object_store": _remembered("object_store", _object_store),
        "worker": _part(_worker),
        "queue": _part(_queue),
        "batches": _part(lambda: _loop(BATCHES)),
        "webhooks": _part(lambda: _loop(WEBHOOKS)),
    }
    ready = all(part["ready"] for part in parts.values())
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


def _part(check: Callable[[], Part]) -> Part:
    try:
        return check()
    except DatabaseError:
        logger.warning("readiness: the database does not answer")
        return _found(False, "the database does not answer")


def _remembered(name: str, check: Callable[[], Part]) -> Part:
    """Checks that reach out are made once in a few seconds, however many probes ask."""
    key = f"readyz.{name}"
    known: Part | None = cache.get(key)
    if known is None:
        known = check()
        cache.set(key, known, _CHECK_CACHED_SECONDS)
    return known


def _found(ready: bool, detail: str) -> Part:
    return {"ready": ready, "detail": detail}


def _database() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return _found(True, f"{connection.vendor} answers")


def _broker() -> Part:
    try:
        broker_check()
    except BrokerUnavailable:
        return _found(False, "the broker does not answer")
    return _found(True, "answers")


def _object_store() -> Part:
    try:
        return _found(True, object_store().check())
    except CodedError as error:
        return _found(False, f"{error.code} {error.detail}".strip())


def _worker() -> Part:
    seen = WorkerStatus.objects.filter(kind=WORKER).order_by("-last_seen_at").values_list("last_seen_at", flat=True)
    if not seen:
        return _found(False, "no worker has reported yet")
    alive = sum(1 for moment in seen if _age(moment) <= settings.WORKER_SILENT_AFTER_SECONDS)
    if not alive:
        return _found(False, f"no worker has reported for {_age(seen[0]):.0f} s")
    return _found(True, f"{alive} alive, last heard of {_age(seen[0]):.0f} s ago")


def _queue() -> Part:
    """Progress, not processes: ledger and dispatcher prove themselves by what they write, orders by being taken."""
    for kind in (DISPATCHER, LEDGER):
        found = _loop(kind)
        if not found["ready"]:
            return found
    if not event_flow_is_alive():
        return _found(False, "events wait too long before the ledger applies them")
    waiting = OutboxMessage.objects.filter(done=False, published_at__isnull=False)
    oldest = waiting.order_by("published_at").values_list("published_at", flat=True).first()
    if oldest is None:
        return _found(True, "no order waits")
    taken = OutboxMessage.objects.filter(taken_at__isnull=False).order_by("-taken_at").values_list("taken_at", flat=True).first()
    patience = settings.ORDER_LOST_AFTER_SECONDS
    if _age(oldest) > patience and (taken is None or _age(taken) > patience):
        since = "none was ever taken" if taken is None else f"none was taken for {_age(taken):.0f} s"
        return _found(False, f"an order has waited for {_age(oldest):.0f} s and {since}")
    return _found(True, f"moving; the oldest order has waited for {_age(oldest):.0f} s")


def _loop(kind: str) -> Part:
    """One of the platform's own processes, by its heartbeat."""
    seen = WorkerStatus.objects.filter(kind=kind).order_by("-last_seen_at").values_list("last_seen_at", flat=True).first()
    if seen is None:
        return _found(False, f"the {kind} process has not reported yet")
    if _age(seen) > settings.WORKER_SILENT_AFTER_SECONDS:
        return _found(False, f"the {kind} process has not reported for {_age(seen):.0f} s")
    return _found(True, f"last heard of {_age(seen):.0f} s ago")


def _age(moment: datetime.datetime) -> float:
    """Seconds since then."""
    return max(0.0, (clock.now() - moment).total_seconds())
