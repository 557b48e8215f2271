"""How many results a person has not read, for a poll that asks again and again.

Counting walks the site's results, so it is done once for each change of what the number rests on: the site's jobs, whose state
the poll has read already, the person's own marks, and the moment up to which everything is read. Remembered in the process.
What is read and what is not, `jobs.reading` says.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max

from accounts.models import User
from jobs.models import JobReading
from jobs.reading import unread_by
from jobs.selectors import jobs_listed

#: More than anybody reads off a badge: there the counting ends.
UNREAD_COUNTED = 100
#: A job that goes while another ends may leave the state as it was; the number is wrong no longer than this.
_REMEMBERED_SECONDS = 60


def marks_state(*, user: User) -> Hashable:
    """What differs whenever the user has read, or marked, something."""
    with connection.cursor() as cursor:
        cursor.execute(*_marks_statement(user.pk))
        return (user.pk, user.results_read_until, cursor.fetchone())


@functools.lru_cache(maxsize=1000)
def _marks_statement(user_id: int) -> tuple[str, tuple[Any, ...]]:
    """How many marks, and the newest: an index says both."""
    marks = JobReading.objects.filter(user=user_id).order_by().values("user")
    return marks.annotate(n=Count("pk"), newest=Max("pk")).values_list("n", "newest").query.sql_with_params()


def unread_count(*, user: User, site: str, rests_on: Hashable) -> int:
    """Results of the user's site, or of `site`, that the user has not read, up to UNREAD_COUNTED. Counted anew when `rests_on`
    has changed: the state of those jobs and the user's marks_state.
    """
    key = f"jobs.unread:{user.pk}:{site}"
    known, number = cache.get(key, default=(None, 0))
    if known != rests_on:
        unread = jobs_listed(user=user, site=site).filter(unread_by(user=user)).order_by().values("pk")
        number = unread[:UNREAD_COUNTED].count()
        cache.set(key, (rests_on, number), _REMEMBERED_SECONDS)
    return int(number)
