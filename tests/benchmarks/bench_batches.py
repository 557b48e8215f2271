"""A 10,000-item manifest, and submitting and polling with 1,000 and with 100,000 jobs in the queue, on SQLite and PostgreSQL.

Through the API's own views in one process; each database in a fresh interpreter (tests.settings makes both).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ITEMS = 10_000
QUEUES = (1_000, 100_000)
REPEATS = 60


def run() -> dict[str, Any]:
    """By database: the manifest's seconds, and for each operation p50 and p95 in milliseconds at both lengths of the queue."""
    found: dict[str, Any] = {"items": ITEMS, "repeats": REPEATS}
    for database in ("sqlite", "postgres"):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, "-m", "tests.benchmarks.bench_batches", file.name, "--database", database]
            subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2])
            found[database] = json.loads(Path(file.name).read_text())
    return found


def _measure() -> dict[str, Any]:
    import os

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from rest_framework.test import APIClient

    from accounts.models import Role
    from accounts.services import site_create, token_issue, user_create
    from tests.platform_tests.jobs_tests.factories import deployment_make

    call_command("migrate", verbosity=0)
    site = site_create(slug="bench", name="Bench")
    user = user_create(site=site, username="bench", password="a long pass phrase", role=Role.SUBMITTER)
    deployment = deployment_make(Path(tempfile.mkdtemp(prefix="ms-bench-")))
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token_issue(user=user, name='bench')[1]}", HTTP_HOST="localhost")

    manifest = {"items": [{"custom_id": f"case-{at}", "metadata": {"row": str(at)}} for at in range(ITEMS)]}
    started, processor = time.perf_counter(), time.process_time()
    answer = api.post("/api/v1/batches", manifest, format="json")
    assert answer.status_code == 202, answer.content
    seconds = {"seconds": round(time.perf_counter() - started, 2), "processor_seconds": round(time.process_time() - processor, 2)}

    batch = api.post("/api/v1/batches", {"items": manifest["items"][:1000]}, format="json").json()["url"]
    operations: dict[str, Callable[[int], Any]] = {
        "submit_batch": lambda at: api.post("/api/v1/batches", {"items": manifest["items"][:10]}, format="json"),
        "poll_batch": lambda at: api.get(batch),
        "submit_study": lambda at: _study_post(api, at),
        "poll_job": lambda at: api.get(f"/api/v1/jobs/{jobs[at % len(jobs)]}"),
    }
    rows: dict[str, dict[str, float]] = {name: {} for name in operations}
    queued = 0
    for length in QUEUES:
        jobs = _queue_fill(site=site, deployment=deployment, number=length - queued)
        queued = length
        for name, operation in operations.items():
            taken = []
            for at in range(REPEATS):
                started = time.perf_counter()
                assert operation(at).status_code in (200, 202)
                taken.append((time.perf_counter() - started) * 1000)
            cuts = statistics.quantiles(taken, n=20)
            rows[name] |= {f"p50_at_{length}": round(cuts[9], 1), f"p95_at_{length}": round(cuts[18], 1)}
    low, high = QUEUES
    for row in rows.values():
        row["p50_ratio"] = round(row[f"p50_at_{high}"] / row[f"p50_at_{low}"], 2)
        row["p95_ratio"] = round(row[f"p95_at_{high}"] / row[f"p95_at_{low}"], 2)
    return {"manifest": seconds, "queue": rows}


def _study_post(api: Any, number: int) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from tests.platform_tests.studies_tests.conftest import png_make

    return api.post("/api/v1/studies", {"files": SimpleUploadedFile("view.png", png_make())}, format="multipart")


def _queue_fill(*, site: Any, deployment: Any, number: int) -> list[str]:
    """That many queued jobs with their orders, as submissions would leave them; returns some of their ids."""
    from django.db import transaction

    from batches.bulk import rows_insert
    from common import clock
    from jobs.models import Job, OutboxMessage
    from studies.models import Study

    now = clock.now()
    studies = [Study(site=site) for _ in range(number)]
    jobs = [
        Job(site=site, study=study, package=deployment.package, deployment_name="default", queued_at=now, max_attempts=10)
        for study in studies
    ]
    with transaction.atomic():
        rows_insert(studies)
        rows_insert(jobs)
        OutboxMessage.objects.bulk_create(
            (OutboxMessage(site=site, job=job, attempt=1, queue="routine", order={}, not_before=now) for job in jobs),
            batch_size=2000,
        )
    return [str(job.pk) for job in jobs[:: max(1, number // 200)]]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(_measure()))
