"""Models change while people work: no job fails, none is answered by another package's labels, and memory comes back."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end_tests.registry import (
    activate,
    heavy_package,
    package_put,
    readiness,
    relabelled_package,
    second_worker,
    worker_known,
)
from tests.end_to_end_tests.stack import Stack, wait_until
from tests.inference_worker_tests.factories import png, square_image, tiny_package

pytestmark = [pytest.mark.processes, pytest.mark.timeout(200)]

JOBS = 300
SWITCHES = 10
FAULTY = """
import inference_worker.providers as providers
real = providers.ModelSession.run
def run(self, tensors):
    output = real(self, tensors)
    return type(output)(output.logits + 0.5, output.probabilities, output.heatmaps)
providers.ModelSession.run = run
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(data_dir=tmp_path_factory.mktemp("hot-swap"), SESSION_IDLE_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="module")
def packages(product: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two packages with opposite label orders that call a bright square malignant."""
    folder = tmp_path_factory.mktemp("packages")
    return package_put(product, tiny_package(folder / "one")), package_put(product, relabelled_package(folder / "two"))


def picture(number: int) -> bytes:
    """A bright square somewhere, large enough to fill a cell of the model's grid wherever it lies; every number another file."""
    return png(square_image(row=number % 90, column=number // 90, side=32))


def rows(stack: Stack, query: str) -> list[Any]:
    with sqlite3.connect(stack.data_dir / "mammoserve.sqlite3", timeout=30) as database:
        return database.execute(query).fetchall()


def submit(stack: Stack, number: int) -> tuple[str, str]:
    """(job id, digest pinned at submission)."""
    answer = stack.submit([("view.png", picture(number))], image_laterality="L", view_position="MLO")
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]["id"]
    return job, stack.job(job)["package"]["digest"]


def test_ten_switches_under_three_hundred_jobs_mix_nothing_up(product: Stack, packages: tuple[str, str]) -> None:
    activate(product, packages[0])
    sent = threading.Semaphore(0)

    def one(number: int) -> tuple[str, str]:
        made = submit(product, number)
        sent.release()
        return made

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(one, number) for number in range(JOBS)]
        for switch in range(1, SWITCHES + 1):
            for _ in range(JOBS // (SWITCHES + 1)):
                sent.acquire()
            activate(product, packages[switch % 2])
        pinned = dict(future.result() for future in running)
    assert len(pinned) == JOBS
    wait_until(lambda: product.counts()["SUCCEEDED"] >= JOBS, limit_seconds=120, what="every job has a result", every_seconds=0.3)
    assert product.counts()["FAILED"] == 0
    results = {
        job: (digest, label, payload_digest)
        for job, digest, label, payload_digest in rows(
            product, "SELECT job_id, package_digest, label, json_extract(payload, '$.package_digest') FROM jobs_result"
        )
        if digest in packages
    }
    used = Counter(digest for digest, _, _ in results.values())
    assert set(used) == set(packages), used
    assert min(used.values()) > 20, used
    for job, digest in pinned.items():
        assert results[job.replace("-", "")] == (digest, "malignant", digest)
    orders = dict(rows(product, "SELECT package_digest, json_extract(payload, '$.classes') FROM jobs_result GROUP BY 1"))
    assert orders[packages[0]].replace(" ", "") == '["normal","benign","malignant"]'
    assert orders[packages[1]].replace(" ", "") == '["malignant","benign","normal"]'


def test_a_worker_that_misses_the_golden_inputs_never_serves_and_the_other_does(
    product: Stack, packages: tuple[str, str], tmp_path: Path
) -> None:
    activate(product, packages[1])
    activate(product, packages[0])
    with second_worker(product, name="faulty", before=FAULTY, folder=tmp_path):
        worker_known(product, "faulty", packages[0], "refused")
        said = wait_until(
            lambda: (found := readiness(product, packages[0]))["state"] == "partial" and found,
            limit_seconds=40,
            what="the activation is partial",
            every_seconds=0.2,
        )
        assert isinstance(said, dict)
        assert [row["code"] for row in said["workers"] if row["name"] == "faulty"] == ["model:golden_mismatch"]
        before = product.counts()
        jobs = [submit(product, 1000 + number)[0] for number in range(40)]
        done = len(jobs) + before["SUCCEEDED"]
        wait_until(lambda: product.counts()["SUCCEEDED"] >= done, limit_seconds=90, what="all succeed", every_seconds=0.3)
        assert product.counts()["FAILED"] == before["FAILED"]
    served = rows(product, "SELECT worker, outcome, COUNT(*) FROM jobs_jobattempt GROUP BY 1, 2")
    assert not [row for row in served if row[0] == "faulty" and row[1] == "succeeded"], served


@pytest.mark.slow
def test_two_hundred_megabytes_swap_into_one(product: Stack, tmp_path: Path) -> None:
    digests = [
        package_put(product, heavy_package(tmp_path / version, version=version, seed=index))
        for index, version in enumerate(("1.0.0", "2.0.0"))
    ]
    worker = psutil.Process(product.pids()["worker"])

    def resident_with(digest: str) -> float:
        activate(product, digest)
        wait_until(lambda: readiness(product, digest)["state"] == "ready", limit_seconds=60, what="loaded", every_seconds=0.2)
        jobs = [submit(product, 2000 + number)[0] for number in range(4)]
        for job in jobs:
            assert product.wait_ended(job)["status"] == "SUCCEEDED"
        gone = [other for other in digests if other != digest]
        wait_until(
            lambda: all(readiness(product, other)["workers"][0]["state"] != "ready" for other in gone),
            limit_seconds=60,
            what="the other version is let go",
            every_seconds=0.2,
        )
        time.sleep(1)
        return worker.memory_info().rss / 2**20

    one = resident_with(digests[0])
    after = [resident_with(digests[number % 2]) for number in (1, 2)]
    assert worker.is_running()
    assert max(after) <= 1.25 * one, f"one version {one:.0f} MB, after each swap {[round(value) for value in after]} MB"
