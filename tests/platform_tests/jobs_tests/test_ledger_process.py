"""The ledger as it runs in service: a Celery process, a real Redis, the tests' own database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection

import jobs
from inference_worker.contract.queues import APPLY_EVENTS_TASK, LEDGER_QUEUE
from jobs import broker
from jobs.dispatcher import orders_dispatch
from jobs.models import Job, Result, WorkerStatus
from tests.platform_tests.jobs_tests.factories import event, heartbeat

PLATFORM = Path(jobs.__file__).resolve().parents[1]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


def database_url() -> str:
    """The running test's database, for another process."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    options = given["OPTIONS"]  # where a socket's folder stands, which no host name may be
    query = urlencode({key: given[key.upper()] or options.get(key, "") for key in ("host", "port")})
    return f"postgres://{given['USER']}:{given['PASSWORD']}@/{given['NAME']}?{query}"


@pytest.fixture
def start_ledger(redis_broker: Any, settings: Any, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": f"{PLATFORM}{os.pathsep}{PLATFORM.parent}",
        "SECRET_KEY": "only for this test",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(),
        "BROKER_URL": settings.BROKER_URL,
    }

    def start() -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "config.celery_app",
            "worker",
            "-Q",
            LEDGER_QUEUE,
            "--pool",
            "solo",
            "--without-mingle",
            "--without-gossip",
        ]
        with (tmp_path / "ledger.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def send(*events: dict[str, Any]) -> None:
    broker.celery_app().send_task(APPLY_EVENTS_TASK, args=[list(events)], queue=LEDGER_QUEUE)


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_a_ledger_that_is_killed_is_replaced_and_every_job_ends_once(
    make_job: Callable[..., Job], start_ledger: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    every_job = [make_job() for _ in range(20)]
    orders_dispatch()
    for job in every_job[:10]:
        send(event("started", job))
        send(event("succeeded", job), heartbeat())
    first = start_ledger()
    wait_until(lambda: Result.objects.exists(), what="the first result")
    broker.packages_announce(packages=[])  # for inference workers
    wait_until(lambda: Result.objects.count() >= 10, what="all that was sent")
    first.kill()
    first.wait()
    for job in every_job[10:]:
        message = [event("started", job), event("succeeded", job)]
        send(*message)
        send(*message)  # the broker delivers twice
    broker.ledger_ping()
    start_ledger()
    wait_until(lambda: Result.objects.count() >= 19, what="the other results")
    wait_until(lambda: Job.objects.filter(status="SUCCEEDED").count() >= 19, what="the other jobs")
    # One message may have been in the killed ledger's hands; the broker gives it back after its visibility timeout, and the
    # lease does not wait for that.
    # One question each: two counts would see the last job end between them.
    assert not Job.objects.filter(status="SUCCEEDED", result=None).exists()
    assert not Result.objects.exclude(job__status="SUCCEEDED").exists()
    # The ping was sent last, so it may still be on its way.
    wait_until(lambda: WorkerStatus.objects.filter(kind="event_flow").exists(), what="the dispatcher's ping")
    assert set(WorkerStatus.objects.values_list("kind", flat=True)) == {"ledger", "worker", "event_flow"}
    # It writes our own log lines, not Celery's: machine-readable, and no line for each message.
    log = (tmp_path / "ledger.log").read_text()
    ready = [json.loads(line) for line in log.splitlines() if "ledger ready" in line]
    assert [line["logger"] for line in ready] == ["jobs.ledger_tasks"] * 2
    assert "succeeded in" not in log
    assert "pidbox" not in log
