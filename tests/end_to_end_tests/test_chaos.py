"""The promise of the queue: whatever is killed or forgotten, every job ends, with one result each.

Real processes are killed with SIGKILL in mid-job, Redis is flushed and restarted. Then the database is counted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import redis

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.stack import Stack, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]

JOBS_PER_FAULT = 14
#: Impatient, so that a test need not wait as long as an operator would.
IMPATIENT = {
    "JOB_LEASE_SECONDS": "6",
    "REAPER_INTERVAL_SECONDS": "1",
    "ORDER_LOST_AFTER_SECONDS": "5",
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Whatever one test breaks, the product has to be whole again for the next."""
    with Stack(data_dir=tmp_path_factory.mktemp("chaos"), **IMPATIENT) as running:
        yield running


def private_redis(stack: Stack) -> redis.Redis:
    """A client of this product's own Redis."""
    return redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock"))


def killed(name: str) -> Callable[[Stack], Callable[[], None]]:
    """A fault that kills one process; what it returns waits until the launcher has started it again."""

    def fault(stack: Stack) -> Callable[[], None]:
        old_pid = stack.kill(name)
        return lambda: stack.wait_restarted(name, old_pid=old_pid)

    return fault


def flushed(stack: Stack) -> Callable[[], None]:
    private_redis(stack).flushall()
    return lambda: None


FAULTS: dict[str, Callable[[Stack], Callable[[], None]]] = {
    "the worker is killed": killed("worker"),
    "the ledger is killed": killed("ledger"),
    "the dispatcher is killed": killed("dispatcher"),
    "Redis is flushed": flushed,
    "Redis is killed": killed("redis"),
}


def status_count(stack: Stack, *statuses: str) -> int:
    counts = stack.counts()
    return sum(counts[status] for status in statuses)


def rows(stack: Stack, question: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3")) as connection:
        return connection.execute(question).fetchall()


def test_every_job_ends_once_whatever_is_killed_or_forgotten(impatient: Stack, phantom: list[PhantomView]) -> None:
    files = [(f"view-{number}.dcm", view.to_dicom_bytes()) for number, view in enumerate(phantom)]
    before = impatient.counts()
    submitted: list[str] = []
    interrupted: dict[str, int] = {}

    def submit(number: int) -> str:
        answer = impatient.submit(files, external_id=f"chaos-{number}")
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"]["id"])

    with ThreadPoolExecutor(4) as threads:
        for name, fault in FAULTS.items():
            first = len(submitted)
            submitted += threads.map(submit, range(first, first + JOBS_PER_FAULT))
            running = partial(status_count, impatient, "RUNNING")
            wait_until(running, limit_seconds=30, what=f"a job runs before {name}", every_seconds=0.01)
            recovered = fault(impatient)
            interrupted[name] = status_count(impatient, "RUNNING", "QUEUED")
            recovered()

    assert len(submitted) == len(set(submitted)) == JOBS_PER_FAULT * len(FAULTS) >= 60
    assert all(interrupted.values()), interrupted  # each fault met work in progress

    wait_until(
        lambda: status_count(impatient, "QUEUED", "RUNNING") == 0, limit_seconds=220, what="every job ends", every_seconds=0.3
    )
    assert impatient.counts() == {**before, "SUCCEEDED": before["SUCCEEDED"] + len(submitted)}

    ours = f"job_id in ({','.join(repr(job_id.replace('-', '')) for job_id in submitted)})"
    results = rows(impatient, f"select job_id, count(*) from jobs_result where {ours} group by job_id")  # noqa: S608
    assert len(results) == len(submitted)
    assert {count for _, count in results} == {1}
    ended = rows(
        impatient,
        f"select job_id, count(*) from jobs_jobevent where to_status = 'SUCCEEDED' and {ours} group by job_id",  # noqa: S608
    )
    assert len(ended) == len(submitted)
    assert {count for _, count in ended} == {1}
    for job_id in submitted:
        answer = impatient.client.get(f"/api/v1/jobs/{job_id}/result")
        assert answer.status_code == 200
        assert len(answer.json()["images"]) == 4
    assert "stopped (killed by SIGKILL); starting it again" in impatient.terminal()


def test_a_killed_workers_job_is_done_by_the_next_attempt(impatient: Stack, phantom: list[PhantomView]) -> None:
    files = [(f"view-{number}.dcm", view.to_dicom_bytes()) for number, view in enumerate(phantom)]
    for number in range(8):
        assert impatient.submit(files, external_id=f"lost-worker-{number}").status_code == 202
    worker = impatient.pids()["worker"]
    wait_until(lambda: status_count(impatient, "RUNNING"), limit_seconds=20, what="a job runs", every_seconds=0.005)
    os.kill(worker, signal.SIGSTOP)  # held before it is killed, so that its jobs cannot finish in between
    time.sleep(1)  # events already on their way arrive
    held = [job["id"] for job in impatient.client.get("/api/v1/jobs", params={"status": "RUNNING"}).json()["results"]]
    assert held
    impatient.kill("worker")
    for job_id in held:
        job = impatient.wait_ended(job_id, limit_seconds=60)
        assert job["status"] == "SUCCEEDED"
        assert job["attempt"] == 2
        events = impatient.client.get(f"/api/v1/jobs/{job_id}/events").json()["results"]
        moves = [(event["from_status"], event["to_status"]) for event in events if event["from_status"] != event["to_status"]]
        assert moves.count(("RUNNING", "QUEUED")) == 1
        assert moves[-1] == ("RUNNING", "SUCCEEDED")


def test_the_api_keeps_accepting_while_the_broker_is_away(impatient: Stack, phantom: list[PhantomView]) -> None:
    os.kill(impatient.pids()["redis"], signal.SIGSTOP)  # there, but it does not answer
    answer = impatient.submit([("L_MLO.png", phantom[0].to_png_bytes())], external_id="broker-away")
    assert answer.status_code == 202
    impatient.kill("redis")
    assert impatient.wait_ended(answer.json()["job"]["id"])["status"] == "SUCCEEDED"
