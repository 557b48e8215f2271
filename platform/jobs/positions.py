"""Where a job stands in the queue: the place it would have if everything that waits were sent now.

Ahead of an order are all orders of more urgent queues, those of its own queue that the broker holds already, and of the unsent
ones those whose turn comes first. It is exact for that moment; it can grow again, because whoever submits later may have an
earlier turn, and it can be too high by the few that are promoted out of less urgent queues (jobs.dispatcher).

What is remembered of the queues grows old with their length: not at all for a few hundred orders, five seconds for 100,000. In
that time a poll counts the few orders between its own and one whose place is known.
"""

from __future__ import annotations

import bisect
import datetime
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery

from accounts.models import Site
from common.conditional import etag_for
from common.row_values import RowCompare
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.fair_share import Share, orders_ahead, share_of
from jobs.models import Job, JobStatus, OutboxMessage, QueueClock, SiteTurn

_REMEMBERED_FROM = 500
_ORDERS_A_SECOND = 20_000
#: Neighbours in the queue are read together, up to so many.
_STRETCH = 300

#: How the orders of one site follow each other in a queue.
_TURN_ORDER = ("not_before", "id")
Key = tuple[datetime.datetime, int]


@dataclass(slots=True)
class _Queue:
    """One queue: what the broker holds, with its place; how much waits, by site; whose turn it is."""

    in_broker: dict[int, int] = field(default_factory=dict)
    waiting: dict[uuid.UUID, int] = field(default_factory=dict)
    shares: dict[uuid.UUID, Share] = field(default_factory=dict)
    #: Orders of a site whose rank among its unsent ones has been counted, by rank.
    anchors: dict[uuid.UUID, list[tuple[Key, int]]] = field(default_factory=lambda: defaultdict(list))

    def __len__(self) -> int:
        return len(self.in_broker) + sum(self.waiting.values())


@dataclass(slots=True)
class QueueState:
    """All queues at one moment. `etag` differs whenever any position may."""

    queues: dict[str, _Queue]
    etag: str


class _Memory:
    """The last state of long queues, for this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.state: QueueState | None = None
        self.good_until = 0.0

    def forget(self) -> None:
        self.state = None


memory = _Memory()


def queue_state() -> QueueState:
    """The queues now, or as they were a moment ago where they are long."""
    known, now = memory.state, time.monotonic()
    if known is not None and now < memory.good_until:
        return known
    state = _queue_state_read()
    total = sum(len(queue) for queue in state.queues.values())
    with memory.lock:
        memory.state = state if total >= _REMEMBERED_FROM else None
        memory.good_until = now + total / _ORDERS_A_SECOND
    return state


def _queue_state_read() -> QueueState:
    queues = {name: _Queue() for name in ORDER_QUEUES}
    published = OutboxMessage.objects.filter(queue__in=ORDER_QUEUES, done=False, published_at__isnull=False)
    for name, pk in published.order_by("published_at", "id").values_list("queue", "id"):
        queues[name].in_broker[pk] = len(queues[name].in_broker)
    unsent = OutboxMessage.objects.filter(queue__in=ORDER_QUEUES, done=False, published_at=None).order_by()
    # COUNT(*), because counting a column that is not in the index would read every row.
    for name, site_id, count in unsent.values_list("queue", "site_id").annotate(n=Count("*")):
        queues[name].waiting[site_id] = count
    _shares_read(queues)
    told = [
        (name, list(queue.in_broker), sorted(queue.waiting.items()), sorted(queue.shares.items()))
        for name, queue in queues.items()
    ]
    return QueueState(queues=queues, etag=etag_for(told))


def _shares_read(queues: dict[str, _Queue]) -> None:
    sites = {site_id for queue in queues.values() for site_id in queue.waiting}
    if not sites:
        return
    columns = {f"clock_{name}": Subquery(QueueClock.objects.filter(pk=name).values("now")) for name in queues}
    for name in queues:
        turn = SiteTurn.objects.filter(queue=name, site=OuterRef("pk"))
        columns[f"turn_{name}"] = Subquery(turn.values("next_turn")[:1])
    rows: Iterable[Any] = Site.objects.filter(pk__in=sites).values("pk", "share_weight", **columns)
    for row in rows:
        for name, queue in queues.items():
            queue.shares[row["pk"]] = share_of(
                clock=row[f"clock_{name}"] or 0, next_turn=row[f"turn_{name}"], weight=row["share_weight"]
            )


def queue_positions(*, jobs: Sequence[Job]) -> dict[uuid.UUID, int]:
    """The place of every queued one among `jobs`, 1 being next, across all sites."""
    queued = [job.pk for job in jobs if job.status == JobStatus.QUEUED]
    if not queued:
        return {}
    rows = list(
        OutboxMessage.objects.filter(job_id__in=queued, done=False).values_list(
            "job_id", "queue", "site_id", "not_before", "id", "published_at"
        )
    )
    if not rows:
        return {}
    state = queue_state()
    unsent: dict[tuple[str, uuid.UUID], list[Key]] = defaultdict(list)
    for _, name, site_id, not_before, pk, published_at in rows:
        if published_at is None:
            unsent[name, site_id].append((not_before, pk))
    ranks: dict[int, int] = {}
    for (name, site_id), keys in unsent.items():
        anchors = state.queues[name].anchors[site_id]
        ranks |= _ranks(keys=sorted(keys), waiting=_waiting(name, site_id), anchors=anchors)
    urgent = dict(zip(ORDER_QUEUES, _running_totals([len(state.queues[name]) for name in ORDER_QUEUES]), strict=True))
    positions: dict[uuid.UUID, int] = {}
    for job_id, name, site_id, _, pk, _ in rows:
        queue = state.queues[name]
        if pk in ranks:
            if site_id not in queue.shares:  # it came after the state that is remembered
                queue.shares[site_id] = share_of(clock=0, next_turn=None, weight=1)
            ahead = len(queue.in_broker) + orders_ahead(site=site_id, rank=ranks[pk], waiting=queue.waiting, shares=queue.shares)
        else:
            ahead = queue.in_broker.get(pk, len(queue.in_broker))
        positions[job_id] = urgent[name] + ahead + 1
    return positions


def _running_totals(lengths: Sequence[int]) -> list[int]:
    totals, total = [], 0
    for length in lengths:
        totals.append(total)
        total += length
    return totals


def _waiting(name: str, site_id: uuid.UUID) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(queue=name, site_id=site_id, done=False, published_at=None)


def _ranks(*, keys: list[Key], waiting: QuerySet[OutboxMessage], anchors: list[tuple[Key, int]]) -> dict[int, int]:
    """Outbox id → how many of `waiting` go before it. `keys` in order; `anchors` are known ranks, in order, and grow."""
    ranks: dict[int, int] = {}
    place = 0
    while place < len(keys):
        key = keys[place]
        ranks[key[1]] = first = _rank(key, waiting=waiting, anchors=anchors)
        place += 1
        if place == len(keys):
            break
        stretch = list(_from(waiting, key).order_by("not_before", "id").values_list("not_before", "id")[:_STRETCH])
        while place < len(keys) and stretch and keys[place] <= stretch[-1]:
            ranks[keys[place][1]] = first + bisect.bisect_left(stretch, keys[place])
            place += 1
    return ranks


def _rank(key: Key, *, waiting: QuerySet[OutboxMessage], anchors: list[tuple[Key, int]]) -> int:
    index = bisect.bisect_right(anchors, key, key=lambda anchor: anchor[0])
    known, rank = anchors[index - 1] if index else (None, 0)
    if known == key:
        return rank
    if known is not None and known[0] == key[0]:  # thousands can have become due at once, and SQLite finds an id by this alone
        before = waiting.filter(not_before=key[0], id__gte=known[1], id__lt=key[1])
    else:
        before = (waiting if known is None else _from(waiting, known)).filter(RowCompare(_TURN_ORDER, "<", key))
    rank += before.count()
    with memory.lock:
        bisect.insort(anchors, (key, rank))
    return rank


def _from(waiting: QuerySet[OutboxMessage], key: Key) -> QuerySet[OutboxMessage]:
    """From the order with this key on."""
    return waiting.filter(RowCompare(_TURN_ORDER, ">=", key))
