"""Who has read which result. A result is unread until its reader has opened it, or has said so.

Kept as exceptions to one moment of each person: what finished before it counts as read. So a new person is not met by
thousands of unread results, and rows exist only for what somebody has opened since, or has marked as unread again.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable

from django.db import transaction
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from accounts.models import User
from common import clock
from jobs.models import Job, JobReading, JobStatus


def unread_by(*, user: User) -> Q:
    """Condition on jobs: a result that this person has not opened."""
    marks = JobReading.objects.filter(user=user, job=OuterRef("pk"))
    new = Q(finished_at__gt=user.results_read_until) & ~Exists(marks.filter(is_read=True))
    return Q(status=JobStatus.SUCCEEDED) & (new | Exists(marks.filter(is_read=False)))


def with_reading(jobs: QuerySet[Job], *, user: User) -> QuerySet[Job]:
    """The jobs with `is_unread`."""
    return jobs.annotate(is_unread=ExpressionWrapper(unread_by(user=user), output_field=BooleanField()))


@transaction.atomic
def results_mark(*, user: User, job_ids: Iterable[uuid.UUID], is_read: bool) -> None:
    """These results are read, or unread again. The caller has seen to it that the person may read them. Any number of times.

    Each mark is a new row, so that the newest key tells whether anything has been said since (jobs.unread).
    """
    rows = [JobReading(user=user, job_id=job_id, is_read=is_read, marked_at=clock.now()) for job_id in job_ids]
    JobReading.objects.filter(user=user, job__in=[row.job_id for row in rows]).delete()
    JobReading.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["user", "job"], update_fields=["is_read", "marked_at"]
    )


@transaction.atomic
def results_read_until(*, user: User, until: datetime.datetime) -> datetime.datetime:
    """Everything that finished up to this moment is read; it never moves back. Returns the moment that counts.

    What is said of single results up to there goes: it would say nothing more.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    moment = max(locked.results_read_until, min(until, clock.now()))
    User.objects.filter(pk=user.pk).update(results_read_until=moment)
    user.results_read_until = moment
    JobReading.objects.filter(user=user, job__finished_at__lte=moment).delete()
    return moment
