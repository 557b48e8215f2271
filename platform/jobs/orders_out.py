"""Orders into the broker: whose turn it is, how many at a time, and how less urgent queues keep moving.

Publish first, then mark: a crash in between sends an order twice, which the fence absorbs; the other way round would lose it.
It changes no job. The loop that calls it stands in jobs.dispatcher, the arithmetic of turns in jobs.fair_share.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Least

from accounts.models import Site
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs import broker
from jobs.fair_share import share_of, turns
from jobs.heartbeats import WORKER
from jobs.models import OutboxMessage, QueueClock, SiteTurn, WorkerStatus

#: Orders published under one transaction. Small, because on SQLite everyone else who writes waits for it.
_CHUNK = 25
#: What the workers took in so many seconds may wait in the broker again.
_WINDOW_SECONDS = 5.0
#: While a more urgent queue keeps the workers busy, one order in so many is of a less urgent one.
PROMOTED_EVERY = 20
_promotion_credit: dict[str, int] = {}


def orders_dispatch() -> int:
    """Publish what is due, most urgent queue first, sites in turns; returns how many orders. Raises BrokerUnavailable.

    Of a queue no more is outstanding than the workers take in a few seconds, so that a site's turn comes soon. While a queue has
    more to send than that, less urgent ones wait in the database, except for one order in PROMOTED_EVERY, which goes out with it:
    nothing waits for ever. Any number of dispatchers may run at once; one of them at a time sends orders of a queue.
    """
    if not _due().filter(queue__in=ORDER_QUEUES).exists():
        return 0  # ten times a second on a quiet day: whose turn it is takes ten times as long to ask
    due = _sites_with_orders_due(*ORDER_QUEUES)
    published = 0
    for index, queue in enumerate(ORDER_QUEUES):
        if due[queue]:
            published += _queue_dispatch(queue, less_urgent=[name for name in ORDER_QUEUES[index + 1 :] if due[name]])
            if _orders_due(queue).exists():
                break
    return published


def _due() -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(done=False, published_at=None, not_before__lte=clock.now())


def _orders_due(queue: str) -> QuerySet[OutboxMessage]:
    return _due().filter(queue=queue)


def _sites_with_orders_due(*queues: str) -> dict[str, dict[uuid.UUID, int]]:
    """Queue → site → weight. An index lookup for each site and queue, however many orders wait."""
    due = {f"due_{queue}": Exists(_orders_due(queue).filter(site=OuterRef("pk"))) for queue in queues}
    rows = Site.objects.annotate(**due).filter(reduce(or_, (Q(**{name: True}) for name in due)))
    found: dict[str, dict[uuid.UUID, int]] = {queue: {} for queue in queues}
    for row in rows.values("pk", "share_weight", *due):
        for queue in queues:
            if row[f"due_{queue}"]:
                found[queue][row["pk"]] = row["share_weight"]
    return found


def _queue_dispatch(queue: str, *, less_urgent: Sequence[str]) -> int:
    window = _window()
    published = 0
    while sent := _chunk_dispatch(queue, window=window, less_urgent=less_urgent):
        published += sent
    return published


def _window() -> int:
    """How many orders of a queue may be outstanding: what the workers took lately, and enough to keep all of them busy."""
    now = clock.now()
    lately = now - datetime.timedelta(seconds=_WINDOW_SECONDS)
    taken = OutboxMessage.objects.filter(queue__in=ORDER_QUEUES, taken_at__gte=lately).count()
    alive = now - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    concurrency = WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive).aggregate(n=Sum("concurrency"))["n"] or 0
    return min(settings.DISPATCH_WINDOW, max(settings.DISPATCH_WINDOW_MINIMUM, 2 * concurrency, taken))


def _chunk_dispatch(queue: str, *, window: int, less_urgent: Sequence[str]) -> int:
    with transaction.atomic():
        if not _queue_locked(queue):
            return 0  # another dispatcher is at it
        outstanding = OutboxMessage.objects.filter(queue=queue, done=False, published_at__isnull=False).count()
        room = min(_CHUNK, window - outstanding)
        if room <= 0:
            return 0
        rows = _next_orders(queue, room=room)
        if not rows:
            return 0
        rows += _promoted(queue, less_urgent=less_urgent, beside=len(rows))
        broker.orders_publish(orders=[(row.queue, row.order) for row in rows])
        _mark_published(rows)
    return len(rows)


def _mark_published(rows: Sequence[OutboxMessage]) -> None:
    """Each a microsecond after the one before it: positions read the order of sending from it."""
    now = clock.now()
    moments = [When(pk=row.pk, then=Value(now + datetime.timedelta(microseconds=n))) for n, row in enumerate(rows)]
    OutboxMessage.objects.filter(pk__in=[row.pk for row in rows]).update(
        published_at=Case(*moments, output_field=DateTimeField()), publish_count=Least(F("publish_count") + 1, 32_767)
    )


def _queue_locked(queue: str) -> bool:
    """Whether this transaction alone sends orders of the queue."""
    clocks = QueueClock.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    if clocks.filter(pk=queue).exists():
        return True
    QueueClock.objects.bulk_create([QueueClock(queue=queue)], ignore_conflicts=True)
    return clocks.filter(pk=queue).exists()


def _next_orders(queue: str, *, room: int) -> list[OutboxMessage]:
    """The next orders in the order of turns, with queue clock and sites' turns moved on. Locks what it returns."""
    weights = _sites_with_orders_due(queue)[queue]
    if not weights:
        return []
    now = QueueClock.objects.values_list("now", flat=True).get(pk=queue)
    known = dict(SiteTurn.objects.filter(queue=queue, site__in=weights).values_list("site_id", "next_turn"))
    shares = {site: share_of(clock=now, next_turn=known.get(site), weight=weight) for site, weight in weights.items()}
    planned = turns(shares=shares, room=room)
    rows: dict[uuid.UUID, Iterator[OutboxMessage]] = {}
    for site, count in Counter(site for _, site in planned).items():
        waiting = _orders_due(queue).filter(site=site)
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        rows[site] = iter(list(waiting.order_by("not_before", "id")[:count]))
    found: list[OutboxMessage] = []
    taken: dict[uuid.UUID, int] = {}
    for turn, site in planned:
        if row := next(rows[site], None):
            found.append(row)
            now, taken[site] = turn, turn + shares[site].step
    QueueClock.objects.filter(pk=queue).update(now=now)
    SiteTurn.objects.bulk_create(
        [SiteTurn(queue=queue, site_id=site, next_turn=turn) for site, turn in taken.items()],
        update_conflicts=True,
        unique_fields=["queue", "site"],
        update_fields=["next_turn"],
    )
    return found


def _promoted(queue: str, *, less_urgent: Sequence[str], beside: int) -> list[OutboxMessage]:
    """For every PROMOTED_EVERY orders of the queue one of a less urgent queue, to be sent to this one. First those the broker
    has held for long behind this queue: they are sent a second time, which the fence absorbs."""
    if not less_urgent:
        _promotion_credit.pop(queue, None)
        return []
    credit = _promotion_credit.get(queue, 0) + beside
    count, _promotion_credit[queue] = divmod(credit, PROMOTED_EVERY)
    promoted: list[OutboxMessage] = []
    for other in less_urgent:
        if len(promoted) < count and _queue_locked(other):
            behind = clock.now() - datetime.timedelta(seconds=settings.ORDER_LOST_AFTER_SECONDS)
            stuck = OutboxMessage.objects.filter(queue=other, done=False, published_at__lt=behind).order_by("published_at")
            promoted += stuck[: count - len(promoted)]
            if len(promoted) < count:
                promoted += _next_orders(other, room=count - len(promoted))
    for row in promoted:
        row.queue = queue
    OutboxMessage.objects.filter(pk__in=[row.pk for row in promoted]).update(queue=queue)
    return promoted
