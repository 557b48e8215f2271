"""The whole product as `make run` starts it, for benchmarks: real web, ledger, dispatcher, worker and Redis on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_SECONDS = 120.0


@dataclass(slots=True)
class RunningPlatform:
    """A started platform and a client of its API. Rates are in jobs per second."""

    client: httpx.Client
    data_dir: Path

    def submit_all(self, studies: list[list[Path]], *, clients: int) -> float:
        """Submit every study with so many connections; returns the seconds it took. Any refusal raises."""

        def submit(paths: list[Path]) -> None:
            parts = [("files", (path.name, path.read_bytes(), "application/octet-stream")) for path in paths]
            answer = self.client.post("/api/v1/studies", files=parts, timeout=120)
            answer.raise_for_status()

        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(submit, studies))
        return time.perf_counter() - started

    def counts(self) -> dict[str, int]:
        return dict(self.client.get("/api/v1/jobs/summary").raise_for_status().json()["counts"])

    def wait_for_succeeded(self, total: int, *, limit_seconds: float = 600.0) -> None:
        """Until `total` jobs have succeeded since the start of the platform. A failed job or a time-out raises."""
        deadline = time.monotonic() + limit_seconds
        while (counts := self.counts())["SUCCEEDED"] < total:
            if counts["FAILED"] or time.monotonic() > deadline:
                raise RuntimeError(f"{total} results expected, got {counts}")
            time.sleep(0.1)

    def worker_pause(self) -> None:
        os.kill(self._pid("worker"), signal.SIGSTOP)

    def worker_resume(self) -> None:
        os.kill(self._pid("worker"), signal.SIGCONT)

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time of every process of the platform so far, by name, its children included."""
        import psutil

        totals: dict[str, float] = {}
        for name, pid in self._pids().items():
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            totals[name] = sum(sum(member.cpu_times()[:2]) for member in family)
        return totals

    def _pids(self) -> dict[str, int]:
        state = json.loads((self.data_dir / "run" / "processes.json").read_text())
        return {str(name): int(entry["pid"] if isinstance(entry, dict) else entry) for name, entry in state.items()}

    def _pid(self, name: str) -> int:
        return self._pids()[name]


@contextmanager
def platform_running(*, data_dir: Path, package_folder: Path, worker_threads: int) -> Iterator[RunningPlatform]:
    """Start the platform with one package in service, wait until it is ready, stop it in the end."""
    port = free_port()
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "SHIPPED_PACKAGE_DIR": str(package_folder),
        "WORKER_THREADS": str(worker_threads),
    }
    command = [sys.executable, str(REPOSITORY_ROOT / "platform" / "manage.py"), "up", "--without-study", "--port", str(port)]
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "launcher.log").open("wb") as log:
        launcher = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    base_url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(base_url, launcher, data_dir / "launcher.log")
        token = json.loads((data_dir / "demo-access.json").read_text())["token"]
        with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30) as client:
            yield RunningPlatform(client=client, data_dir=data_dir)
    finally:
        launcher.send_signal(signal.SIGINT)
        launcher.wait(60)


def _wait_until_ready(base_url: str, launcher: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and launcher.poll() is None:
        try:
            if httpx.get(f"{base_url}/readyz", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet; the deadline bounds this
        time.sleep(0.2)
    raise RuntimeError("the platform did not become ready:\n" + log.read_text()[-4000:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
