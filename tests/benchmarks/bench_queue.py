"""What a long queue costs: dispatcher rounds, positions, polls and submissions' checks, with 1,000 and 100,000 jobs waiting.

`python -m tests.benchmarks.bench_queue [--database postgres]`. In one process against a real database, the broker left out: what
is measured is the database's part. One site has half of the jobs, nineteen others share the rest; every tenth is stat.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

SIZES = (1_000, 100_000)
REPEATS = 30


def run(*, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.db import connection
    from django.test.runner import DiscoverRunner
    from django.test.utils import override_settings

    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        with override_settings(ALLOWED_HOSTS=["*"], DISPATCH_WINDOW_MINIMUM=200):
            return {"database": connection.vendor, **{f"{size} waiting": _measure(size) for size in sizes}}
    finally:
        runner.teardown_databases(databases)


def _measure(size: int) -> dict[str, Any]:
    from django.db import transaction
    from rest_framework.test import APIClient

    from accounts.models import Role, Site
    from accounts.services import site_create, token_issue, user_create
    from jobs import broker, orders_out
    from jobs.models import Job, OutboxMessage
    from jobs.positions import memory, queue_positions, queue_state

    if not Site.objects.exists():
        sites = [site_create(slug=f"site-{n}", name=f"Site {n}") for n in range(20)]
        user = user_create(site=sites[0], username="bench", password=None, role=Role.SUBMITTER)
    else:
        sites = list(Site.objects.order_by("slug"))
        user = sites[0].users.get()
    _fill(sites, size - Job.objects.count())
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_issue(user=user, name='bench')[1]}")
    newest = list(Job.objects.filter(site=sites[0]).order_by("-created_at")[:50])
    broker.orders_publish = lambda *, orders: None

    def round_of_twenty_five() -> None:
        with transaction.atomic():
            orders_out._chunk_dispatch("routine", window=10_000, less_urgent=["backfill"])
            transaction.set_rollback(True)

    def saturated() -> None:
        orders_out._chunk_dispatch("routine", window=0, less_urgent=[])

    def unremembered() -> None:
        memory.forget()
        queue_state()

    etag = client.get("/api/v1/jobs")["ETag"]
    found = {
        "round that sends 25 orders": _time(round_of_twenty_five),
        "round with the window full": _time(saturated),
        "state of the queues, unremembered": _time(unremembered),
        "one position": _time(lambda: queue_positions(jobs=newest[:1])),
        "positions of a page": _time(lambda: queue_positions(jobs=newest)),
        "list, 200": _time(lambda: client.get("/api/v1/jobs")),
        "list, 304": _time(lambda: client.get("/api/v1/jobs", headers={"If-None-Match": etag})),
        "job, 200": _time(lambda: client.get(f"/api/v1/jobs/{newest[0].pk}")),
    }
    assert OutboxMessage.objects.filter(done=False).count() == size
    return found


def _fill(sites: list[Any], count: int) -> None:
    import datetime

    from django.db import connection

    from catalog.models import ModelPackage
    from common import clock
    from jobs.models import Job, OutboxMessage
    from studies.models import Study

    package, _ = ModelPackage.objects.get_or_create(
        digest="sha256:" + "0" * 64,
        defaults={"name": "bench", "version": "1", "manifest": {}, "object_key": "packages/0", "size_bytes": 1},
    )
    order = {"images": [{"object_key": "k" * 80, "sha256": "0" * 64}] * 4}
    now = clock.now()
    for start in range(0, count, 5_000):
        studies, jobs, orders = [], [], []
        for n in range(start, min(count, start + 5_000)):
            site = sites[0] if n % 2 else sites[n % 20]
            priority = "stat" if n % 10 == 3 else "backfill" if n % 10 == 7 else "routine"
            due = now + datetime.timedelta(milliseconds=n - count)
            study = Study(site=site, external_id=f"e-{n}")
            job = Job(site=site, study=study, package=package, deployment_name="default", priority=priority, queued_at=due)
            studies.append(study)
            jobs.append(job)
            orders.append(OutboxMessage(job=job, attempt=1, site=site, queue=priority, order=order, not_before=due))
        Study.objects.bulk_create(studies)
        Job.objects.bulk_create(jobs)
        OutboxMessage.objects.bulk_create(orders)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _time(action: Callable[[], Any]) -> dict[str, float]:
    """Milliseconds by the wall clock, and of this process's own processor time, which a busy machine moves less."""
    action()
    times, own = [], []
    for _ in range(REPEATS):
        started, started_own = time.perf_counter(), time.process_time()
        action()
        times.append((time.perf_counter() - started) * 1000)
        own.append((time.process_time() - started_own) * 1000)
    return {
        "median": round(statistics.median(times), 2),
        "p95": round(sorted(times)[int(REPEATS * 0.95)], 2),
        "processor": round(statistics.median(own), 2),
    }


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
