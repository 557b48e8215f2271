"""The orders a list of jobs may have, and reading on from any place in it: a page costs the same wherever it lies.

Every order ends in the key, so that no two jobs share a place and none is shown twice or left out between two pages.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from inference_worker.contract.queues import Priority
from jobs.models import Job

#: What is compared, column by column; `Sort.columns` says which.
Key = tuple[object, ...]


class BadKey(ValueError):
    """It names no place in this order."""


@dataclass(frozen=True, slots=True)
class Sort:
    """All columns fall, or all rise; so one index serves an order and its reverse. `scored_first`: jobs without a suspicion
    stand last although they would rise first."""

    columns: tuple[str, ...]
    rising: bool = False
    scored_first: bool = False

    @property
    def is_by_age(self) -> bool:
        return self.columns == _BY_AGE

    def key_of(self, job: Job) -> Key:
        return tuple(getattr(job, column) for column in self.columns)


DEFAULT_SORT = "newest"
_BY_AGE = ("created_at", "id")
SORTS: Mapping[str, Sort] = {
    "newest": Sort(_BY_AGE),
    "oldest": Sort(_BY_AGE, rising=True),
    "most_suspicious": Sort(("suspicion_rank", *_BY_AGE)),
    "least_suspicious": Sort(("suspicion_rank", *_BY_AGE), rising=True, scored_first=True),
    # The names of the priorities fall from the most to the least urgent; a test holds them to it.
    "most_urgent": Sort(("priority", *_BY_AGE)),
    "least_urgent": Sort(("priority", *_BY_AGE), rising=True),
}


def jobs_from(jobs: QuerySet[Job], *, sort: Sort, after: Key | None = None, limit: int, backwards: bool = False) -> list[Job]:
    """Up to `limit` jobs behind that place, or from the beginning, in the list's order. `backwards`: those right before it."""
    rising = sort.rising != backwards
    ordered = jobs.order_by(*(column if rising else f"-{column}" for column in sort.columns))
    found: list[Job] = []
    for stretch in _stretches(sort, after, rising=rising, backwards=backwards):
        found += ordered.filter(stretch)[: limit - len(found)]
        if len(found) >= limit:
            break
    return found[::-1] if backwards else found


#: SQL and its parameters.
Statement = tuple[str, tuple[Any, ...]]
_TOLD = ("pk", "revision", "status", "is_unread")


@dataclass(frozen=True, slots=True)
class Told:
    """A job as a poll sees it: what tells whether its row has changed. `key` as the database writes it."""

    key: object
    revision: int
    status: str
    is_unread: bool

    @property
    def job_id(self) -> uuid.UUID:
        return self.key if isinstance(self.key, uuid.UUID) else uuid.UUID(str(self.key))


def statements_of(
    jobs: QuerySet[Job], *, sort: Sort, after: Key | None = None, limit: int, backwards: bool = False
) -> list[Statement]:
    """What `jobs_from` asks the database, written out, for `told_read`. Django takes many times longer to write it than the
    database to answer, and a poll asks the same again and again."""
    rising = sort.rising != backwards
    ordered = jobs.order_by(*(column if rising else f"-{column}" for column in sort.columns)).values_list(*_TOLD)
    found = []
    for stretch in _stretches(sort, after, rising=rising, backwards=backwards):
        try:
            found.append(ordered.filter(stretch)[:limit].query.sql_with_params())
        except EmptyResultSet:  # a filter that nothing can pass
            continue
    return found


def told_read(statements: Sequence[Statement], *, limit: int, backwards: bool = False) -> list[Told]:
    """Up to `limit` jobs, in the list's order."""
    found: list[Told] = []
    with connection.cursor() as cursor:
        for sql, parameters in statements:
            cursor.execute(sql, parameters)
            # With DISTINCT, Django selects what it orders by as well, behind what was asked for.
            found += [Told(key, revision, status, bool(unread)) for key, revision, status, unread, *_ in cursor.fetchall()]
            if len(found) >= limit:
                break
    return found[:limit][::-1] if backwards else found[:limit]


def jobs_in_chunks(jobs: QuerySet[Job], *, sort: Sort, chunk: int) -> Iterator[list[Job]]:
    """All of them, piece by piece, each read for itself: nothing is held open while a slow client takes its time."""
    after: Key | None = None
    while found := jobs_from(jobs, sort=sort, after=after, limit=chunk):
        yield found
        after = sort.key_of(found[-1])


def _stretches(sort: Sort, after: Key | None, *, rising: bool, backwards: bool) -> list[Q]:
    """Parts of the list in its order. Cut so that each is one range of an index: first what shares the place's first column,
    which may be thousands, then the rest."""
    parts = [Q(suspicion_rank__gte=0), Q(suspicion_rank__lt=0)] if sort.scored_first else [Q()]
    if backwards:
        parts.reverse()
    if after is None:
        return parts
    first, rest = sort.columns[0], sort.columns[1:]
    if len(sort.columns) == 2:
        return [_beyond(sort.columns, after, rising)]
    if sort.scored_first:
        scored = float(str(after[0])) >= 0
        parts = parts if scored != backwards else parts[1:]
    compare = "gt" if rising else "lt"
    ties = Q(**{first: after[0]}) & _beyond(rest, after[1:], rising)
    return [ties, parts[0] & Q(**{f"{first}__{compare}": after[0]}), *parts[1:]]


def _beyond(columns: Sequence[str], key: Key, rising: bool) -> Q:
    """Behind `key` in two columns. The bound by the first alone is what the index is searched by."""
    compare = "gt" if rising else "lt"
    first, second = columns
    return Q(**{f"{first}__{compare}e": key[0]}) & (
        Q(**{f"{first}__{compare}": key[0]}) | Q(**{first: key[0], f"{second}__{compare}": key[1]})
    )


def key_written(key: Key) -> list[object]:
    """As JSON can hold it."""
    return [value if isinstance(value, float) else str(value) for value in key]


def key_read(sort: Sort, written: object) -> Key:
    """What `key_written` made. Raises BadKey for anything else, so that nothing foreign reaches the database."""
    if not isinstance(written, list) or len(written) != len(sort.columns):
        raise BadKey
    return tuple(_value_read(column, value) for column, value in zip(sort.columns, written, strict=True))


def _value_read(column: str, value: object) -> object:
    if column == "suspicion_rank":
        if not isinstance(value, float) or not math.isfinite(value):
            raise BadKey
        return value
    text = str(value)
    if column == "priority":
        if text not in {item.value for item in Priority}:
            raise BadKey
        return text
    try:
        if column == "id":
            return uuid.UUID(text)
        moment = parse_datetime(text)
        if moment is None or moment.tzinfo is None or moment.astimezone(datetime.UTC).year <= 1:
            raise BadKey
    except (ValueError, OverflowError) as error:
        raise BadKey from error
    return moment
