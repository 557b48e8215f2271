"""Whose turn it is: within a queue, sites are sent orders in turns, so that nobody waits behind another site's thousands.

Start-time fair queueing (Goyal, Vin, Cheng 1996) with every order of equal cost. Each queue has a clock; each site has the moment
of its next turn on it. The order with the earliest turn goes first; a turn later the site's next one is TURN / weight further on,
and the clock stands at the turn just taken. A site that had nothing to send starts at the clock: it neither saves turns up nor
waits for the others to catch up. Integers throughout, so that dispatcher and positions compute the same order to the last place.

Pure functions: no rows, no clock of the wall.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

#: One turn of a site of weight 1. Divisible by the small weights, so that their shares are exact.
TURN = 720_720


@dataclass(frozen=True, slots=True)
class Share:
    """A site in a queue: the turn its next order has, and how far apart its turns are."""

    next_turn: int
    step: int


def share_of(*, clock: int, next_turn: int | None, weight: int) -> Share:
    """Where a site stands. `next_turn` None: it has never been sent anything."""
    return Share(next_turn=max(clock, next_turn or 0), step=TURN // max(1, weight))


def turns(*, shares: Mapping[UUID, Share], room: int) -> list[tuple[int, UUID]]:
    """The next `room` turns as (turn, site), in order, as if every site had enough to send. Ties go by the site's key."""
    heap = [(share.next_turn, site) for site, share in shares.items()]
    heapq.heapify(heap)
    found: list[tuple[int, UUID]] = []
    while heap and len(found) < room:
        turn, site = heap[0]
        found.append((turn, site))
        heapq.heapreplace(heap, (turn + shares[site].step, site))
    return found


def orders_ahead(*, site: UUID, rank: int, waiting: Mapping[UUID, int], shares: Mapping[UUID, Share]) -> int:
    """How many unsent orders of the queue go before the site's `rank`-th (from 0), given how many each site has waiting."""
    turn = shares[site].next_turn + rank * shares[site].step
    ahead = rank
    for other, count in waiting.items():
        if other != site:
            # The other's m-th order (from 0) has turn next_turn + m · step; at equal turns the smaller key goes first.
            before = turn - shares[other].next_turn + (1 if other < site else 0)
            if before > 0:
                ahead += min(count, (before - 1) // shares[other].step + 1)
    return ahead
