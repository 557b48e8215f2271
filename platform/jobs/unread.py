"""How many results a person has not read, for a poll that asks again and again.

Counting walks the site's results, so it is done once for each change of what the number rests on: the counts of the site's jobs,
which the poll has read already, the person's own marks, and the moment up to which everything is read. Remembered in the process.
What is read and what is not, `jobs.reading` says.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.cache import cache
from django.db.models import Count, Max

from accounts.models import User
from jobs.models import JobReading
from jobs.reading import unread_by
from jobs.selectors import jobs_listed

#: More than anybody reads off a badge: there the counting ends.
UNREAD_COUNTED = 100
#: A job that goes while another ends leaves the counts as they were; the number is wrong no longer than this.
_REMEMBERED_SECONDS = 60


def unread_count(*, user: User, counts: Mapping[str, int], site: str = "") -> int:
    """Results of the user's site, or of `site`, that the user has not read, up to UNREAD_COUNTED. `counts`: its job_counts."""
    marks = JobReading.objects.filter(user=user).aggregate(n=Count("*"), newest=Max("id"))  # an index says both
    rests_on = (user.site_id, user.results_read_until, tuple(counts.items()), marks["n"], marks["newest"])
    key = f"jobs.unread:{user.pk}:{site}"
    known, number = cache.get(key, default=(None, 0))
    if known != rests_on:
        unread = jobs_listed(user=user, site=site).filter(unread_by(user=user)).order_by().values("pk")
        number = unread[:UNREAD_COUNTED].count()
        cache.set(key, (rests_on, number), _REMEMBERED_SECONDS)
    return int(number)
