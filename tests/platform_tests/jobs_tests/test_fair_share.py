"""Sites take turns, urgent studies pass thousands of others, and the least urgent still move."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Site
from jobs import orders_out
from jobs.dispatcher import orders_dispatch
from jobs.fair_share import TURN, Share, orders_ahead, share_of, turns
from jobs.ledger import events_apply
from jobs.models import Job, OutboxMessage
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat
from tests.platform_tests.jobs_tests.test_dispatcher import in_broker

NORTH, SOUTH, WEST = (uuid.UUID(int=number) for number in (1, 2, 3))


@pytest.fixture(autouse=True)
def _no_credit() -> None:
    orders_out._promotion_credit.clear()


def taken(redis: Any, queue: str = "routine") -> list[str]:
    """What a worker gets out of the queue, first in line first; the queue is empty then."""
    found = [order.job_id for order in in_broker(redis, queue)]
    redis.delete(queue)
    return found


def test_equal_sites_take_turns_and_weights_divide_them() -> None:
    shares = {NORTH: Share(0, TURN), SOUTH: Share(0, TURN), WEST: Share(0, TURN // 2)}
    served = [site for _, site in turns(shares=shares, room=400)]
    assert Counter(served) == {NORTH: 100, SOUTH: 100, WEST: 200}
    assert all(len(set(served[start : start + 4])) == 3 for start in range(0, 400, 4))


def test_who_was_away_neither_saved_turns_up_nor_has_to_wait() -> None:
    assert share_of(clock=70 * TURN, next_turn=3 * TURN, weight=1).next_turn == 70 * TURN
    assert share_of(clock=70 * TURN, next_turn=71 * TURN, weight=1).next_turn == 71 * TURN


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5), st.integers(0, 5 * TURN)), min_size=1, max_size=5))
def test_who_is_ahead_is_who_is_sent_before(sites: list[tuple[int, int, int]]) -> None:
    waiting = {uuid.UUID(int=index): count for index, (count, _, _) in enumerate(sites, 1)}
    shares = {
        uuid.UUID(int=index): share_of(clock=0, next_turn=turn, weight=weight) for index, (_, weight, turn) in enumerate(sites, 1)
    }
    sent: list[tuple[uuid.UUID, int]] = []
    done: Counter[uuid.UUID] = Counter()
    for _, site in turns(shares=shares, room=2000):
        if done[site] < waiting[site]:
            sent.append((site, done[site]))
            done[site] += 1
    for place, (site, rank) in enumerate(sent):
        if len(sent) == sum(waiting.values()):  # the plan was long enough
            assert orders_ahead(site=site, rank=rank, waiting=waiting, shares=shares) == place


def test_one_sites_thousands_do_not_stand_before_anothers_first(
    redis_broker: Any, make_job: Callable[..., Job], site: Site, other_site: Site, settings: Any
) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 4
    many = [make_job(site=site) for _ in range(30)]
    orders_dispatch()
    few = [make_job(site=other_site) for _ in range(3)]
    sent = taken(redis_broker)
    while len(sent) < 12:
        events_apply([event("succeeded", Job.objects.get(pk=job_id)) for job_id in sent if _open(job_id)])
        orders_dispatch()
        sent += taken(redis_broker)
    assert [job_id in {str(job.pk) for job in few} for job_id in sent[4:10]].count(True) == 3
    assert [job_id for job_id in sent if job_id in {str(job.pk) for job in many}] == [
        str(job.pk) for job in many[: len(sent) - 3]
    ]


def _open(job_id: str) -> bool:
    return OutboxMessage.objects.filter(job_id=job_id, done=False).exists()


def test_a_weight_of_three_is_sent_three_for_one(
    redis_broker: Any, make_job: Callable[..., Job], site: Site, other_site: Site, settings: Any
) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 12
    Site.objects.filter(pk=other_site.pk).update(share_weight=3)
    for _ in range(12):
        make_job(site=site)
        make_job(site=other_site)
    orders_dispatch()
    sites = Counter(Job.objects.filter(pk__in=taken(redis_broker)).values_list("site__slug", flat=True))
    assert sites == {"south": 9, "north": 3}


def test_what_workers_take_decides_how_much_waits_in_the_broker(
    redis_broker: Any, make_job: Callable[..., Job], settings: Any, moving_clock: Clock
) -> None:
    settings.DISPATCH_WINDOW, settings.DISPATCH_WINDOW_MINIMUM = 50, 2
    events_apply([heartbeat(concurrency=4)])
    jobs = [make_job() for _ in range(40)]
    assert orders_dispatch() == 8  # twice what runs at once
    for job in jobs[:8]:
        events_apply([event("started", job)])
    assert orders_dispatch() == 8
    for job in jobs[8:16]:
        events_apply([event("started", job)])
    assert orders_dispatch() == 16  # as many as were taken in the last seconds
    moving_clock.advance(60)
    assert orders_dispatch() == 0


def test_backfill_moves_while_routine_never_ends(
    redis_broker: Any, make_job: Callable[..., Job], settings: Any, other_site: Site
) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 5
    backfill = [make_job(priority="backfill", site=other_site) for _ in range(3)]
    for _ in range(50):
        make_job()
    served: list[str] = []
    for _ in range(9):
        orders_dispatch()
        assert redis_broker.llen("backfill") == 0  # it would only lie there behind routine
        got = taken(redis_broker)
        served += got
        OutboxMessage.objects.filter(job_id__in=got).update(done=True)
    places = [served.index(str(job.pk)) for job in backfill[:2]]
    assert places[0] <= 2 * orders_out.PROMOTED_EVERY
    assert places[1] - places[0] <= orders_out.PROMOTED_EVERY + 1
    assert OutboxMessage.objects.get(job=backfill[0]).queue == "routine"
    assert Job.objects.get(pk=backfill[0].pk).priority == "backfill"


def test_an_order_stuck_in_the_broker_behind_a_flood_is_promoted_first(
    redis_broker: Any, make_job: Callable[..., Job], settings: Any, moving_clock: Clock
) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 25
    stuck = make_job(priority="backfill")
    orders_dispatch()
    moving_clock.advance(settings.ORDER_LOST_AFTER_SECONDS + 1)
    make_job(priority="backfill")
    for _ in range(30):
        make_job()
    orders_dispatch()
    assert str(stuck.pk) in taken(redis_broker)


def test_stat_goes_before_everything(redis_broker: Any, make_job: Callable[..., Job], other_site: Site, settings: Any) -> None:
    settings.DISPATCH_WINDOW = settings.DISPATCH_WINDOW_MINIMUM = 4
    for _ in range(20):
        make_job(priority="backfill")
    orders_dispatch()
    urgent = make_job(priority="stat", site=other_site)
    orders_dispatch()
    assert taken(redis_broker, "stat") == [str(urgent.pk)]
