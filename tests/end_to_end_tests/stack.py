"""The real product on one machine, as `make run` starts it: real processes, a port and a data folder of its own.

Uses the launcher's own files (processes.json, demo-access.json) and its API; imports nothing of the platform.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
TERMINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
READY_LIMIT_SECONDS = 120.0


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def up_command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "platform" / "manage.py"), "up", *arguments]


def up_environment(*, data_dir: Path, port: int, **extra: str) -> dict[str, str]:
    """The environment of a start by hand: nothing of the test run's settings is left in it."""
    ours = {
        "DJANGO_SETTINGS_MODULE",
        "DATABASE_URL",
        "BROKER_URL",
        "OBJECT_STORE_URL",
        "SECRET_KEY",
        "PYTHONPATH",
        "TEST_DATABASE",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "DATA_DIR": str(data_dir), "PORT": str(port), **extra}


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Every process on this machine that was started for this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("DATA_DIR") == str(data_dir):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until(look: Callable[[], T], *, limit_seconds: float, what: str, every_seconds: float = 0.05) -> T:
    """The first true answer of `look`. Raises AssertionError naming `what` past the limit."""
    deadline = time.monotonic() + limit_seconds
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {limit_seconds:.0f} s: {what}"
        time.sleep(every_seconds)


class Stack:
    """One running product. Use as a context manager; `client` carries the demo site's token."""

    def __init__(self, *, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = up_environment(data_dir=data_dir, port=self.port, **environment)
        self._output = data_dir / "terminal.txt"

    def __enter__(self) -> Stack:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self.launcher = subprocess.Popen(
                up_command("--without-study"),
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(self._is_up, limit_seconds=READY_LIMIT_SECONDS, what="everything is up", every_seconds=0.2)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.terminal()[-4000:]}") from None
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.access['token']}"}, timeout=60, trust_env=False
        )
        return self

    def __exit__(self, *details: object) -> None:
        self.client.close()
        self.stop()

    @property
    def access(self) -> dict[str, str]:
        """username, password and token of the demo site."""
        return dict(json.loads((self.data_dir / "demo-access.json").read_text()))

    def terminal(self) -> str:
        """What the launcher has said so far."""
        return self._output.read_text(errors="replace")

    def log(self, name: str) -> str:
        return (self.data_dir / "logs" / f"{name}.log").read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """Process name → number, as the launcher wrote them down."""
        return dict(json.loads((self.data_dir / "run" / "processes.json").read_text()))

    def kill(self, name: str) -> int:
        """SIGKILL one process; returns the number it had."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, name: str, *, old_pid: int) -> None:
        wait_until(lambda: self.pids().get(name, old_pid) != old_pid, limit_seconds=30, what=f"{name} is started again")

    def stop(self) -> int:
        """Ask the launcher to stop, as closing its terminal would; returns its exit status."""
        if self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGTERM)
        try:
            return self.launcher.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.launcher.kill()
            self.launcher.wait()
            raise

    def submit(self, files: list[tuple[str, bytes]], **fields: str) -> httpx.Response:
        """POST one study; returns the answer, whatever it is."""
        return self.client.post("/api/v1/studies", files=[("files", file) for file in files], data=fields)

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/jobs/{job_id}")
        answer.raise_for_status()
        return dict(answer.json())

    def wait_ended(self, job_id: str, *, limit_seconds: float = 60) -> dict[str, Any]:
        """The job once it is terminal."""

        def ended() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in TERMINAL else None

        job = wait_until(ended, limit_seconds=limit_seconds, what=f"job {job_id} ends", every_seconds=0.1)
        assert job is not None
        return job

    def counts(self) -> dict[str, int]:
        """Jobs of the site by status."""
        return dict(self.client.get("/api/v1/jobs/summary").json()["counts"])

    def _is_up(self) -> bool:
        assert self.launcher.poll() is None, f"the launcher ended\n{self.terminal()[-4000:]}"
        return "Everything is up" in self.terminal()
