"""How the database means to answer a statement among many rows: whether an index finds them, on either database."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from accounts.models import Site
from jobs.models import Job
from studies.models import Study

CROWD = 400


def plan_of(sql: str) -> str:
    """The plan in words. Call it last: it adds rows.

    Among a few rows every index costs the same, and which one PostgreSQL takes is chance; so the plan is asked for among a crowd
    that the database knows of. It is told to look rows up, as it does by itself when there are many more.
    """
    _crowd_add()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def _crowd_add() -> None:
    """Studies of every site and of one more, and jobs with them where there are jobs."""
    Site.objects.create(slug="crowd", name="Crowd")
    studies = [
        Study(site=site, external_id=f"crowd-{n}", content_sha256=f"{n:064d}", patient_pseudonym=f"crowd-{n}")
        for site in Site.objects.all()
        for n in range(CROWD)
    ]
    Study.objects.bulk_create(studies)
    if job := Job.objects.first():
        Job.objects.bulk_create(
            Job(site=study.site, study=study, package=job.package, deployment_name=job.deployment_name, queued_at=timezone.now())
            for study in studies
        )
