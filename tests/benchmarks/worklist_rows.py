"""Fills a running platform's worklist: `python -m tests.benchmarks.worklist_rows COUNT`, with its DATA_DIR in the environment.

Copies of its newest finished job, spread over thirty days: nine in ten with a result of any suspicion, the others failed or
cancelled, none waiting. The people of the site have read a third of the results.
"""

from __future__ import annotations

import datetime
import os
import random
import sys
from typing import Any

COPIED = ("attempt", "assessment", "label", "package_digest", "payload")
PRIORITIES = ("stat", "routine", "routine", "routine", "backfill")


def fill(count: int) -> None:
    from django.db import transaction

    from accounts.models import User
    from common import clock
    from jobs.models import Job, JobReading, JobStatus, Result
    from studies.models import Study

    chance, now = random.Random(7), clock.now()
    pattern = Job.objects.select_related("result").filter(status=JobStatus.SUCCEEDED).order_by("-created_at")[0]
    moments: dict[Any, datetime.datetime] = {}
    studies, jobs, results = [], [], []
    for number in range(count):
        at = now - datetime.timedelta(days=30) * ((count - number) / count)
        status = chance.choices([JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED], [90, 7, 3])[0]
        suspicion = round(chance.betavariate(1, 6), 4)
        study = Study(site_id=pattern.site_id, external_id=f"2026-{number:06d}")
        job = Job(
            site_id=pattern.site_id,
            study=study,
            package_id=pattern.package_id,
            deployment_name=pattern.deployment_name,
            priority=chance.choice(PRIORITIES),
            status=status,
            suspicion_rank=suspicion if status == JobStatus.SUCCEEDED else -1.0,
            failure_code="input:pixel_data_truncated" if status == JobStatus.FAILED else "",
            queued_at=at,
            started_at=at + datetime.timedelta(seconds=1),
            finished_at=at + datetime.timedelta(seconds=3),
            counted_attempt=1,
        )
        moments[job.pk] = at
        studies.append(study)
        jobs.append(job)
        if status == JobStatus.SUCCEEDED:
            columns = {
                name: getattr(pattern.result, name) for name in ("attempt", "assessment", "label", "package_digest", "payload")
            }
            results.append(Result(job=job, suspicion=suspicion, **columns))
    users = list(User.objects.filter(site_id=pattern.site_id))
    readings = [
        JobReading(user=user, job_id=result.job_id, marked_at=now)
        for user in users
        for result in results
        if chance.random() < 0.34
    ]
    with transaction.atomic():
        Study.objects.bulk_create(studies, batch_size=500)
        Job.objects.bulk_create(jobs, batch_size=500)
        for job in jobs:
            job.created_at = moments[job.pk]
            job.updated_at = moments[job.pk] + datetime.timedelta(seconds=3)
        Job.objects.bulk_update(jobs, ["created_at", "updated_at"], batch_size=500)
        Result.objects.bulk_create(results, batch_size=500)
        JobReading.objects.bulk_create(readings, batch_size=500)
        User.objects.filter(pk__in=[user.pk for user in users]).update(results_read_until=now - datetime.timedelta(days=31))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
