"""`make demo` and `make run`, as a new user meets them: first result, reuse, clear errors, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end_tests.stack import ROOT, Stack, free_port, processes_of, up_command, up_environment, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def run_up(*arguments: str, data_dir: Path, port: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = up_environment(data_dir=data_dir, port=port or free_port())
    return subprocess.run(
        up_command(*arguments),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_the_demo_brings_a_four_view_result_and_leaves_nothing_running(data_dir: Path) -> None:
    done = run_up("--demo", data_dir=data_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in (
        "R CC",
        "L CC",
        "R MLO",
        "L MLO",
        "Left breast",
        "Right breast",
        "Study",
        "Suspicion",
        "sha256:",
        "Research use only",
    ):
        assert shown in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert processes_of(data_dir) == []
    access = data_dir / "demo-access.json"
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    kept = json.loads(access.read_text())

    # A second start finds its study, its password and its token again.
    with Stack(data_dir=data_dir) as running:
        assert running.access == kept
        jobs = running.client.get("/api/v1/jobs").json()["results"]
        assert [(job["status"], job["study"]["external_id"]) for job in jobs] == [("SUCCEEDED", "demo-four-views")]
        assert kept["password"] not in "".join(running.log(name) for name in running.pids() if name != "launcher")
        status = running.stop()
    assert status == 130
    assert processes_of(data_dir) == []


def test_a_taken_port_is_named_with_the_way_out(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_up("--demo", data_dir=data_dir, port=port)
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stdout
    assert f"make run PORT={port + 1}" in done.stdout
    assert processes_of(data_dir) == []


def test_a_second_launcher_on_the_same_folder_is_refused(stack: Stack) -> None:
    done = run_up("--demo", data_dir=stack.data_dir)
    assert done.returncode == 1
    assert "already running" in done.stdout


def test_a_worker_that_cannot_start_ends_the_demo_with_its_log(data_dir: Path) -> None:
    environment = up_environment(data_dir=data_dir, port=free_port(), BATCH_MAX_SIZE="many")
    done = subprocess.run(
        up_command("--demo"), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 1
    assert "The worker process keeps stopping" in done.stdout
    assert "BATCH_MAX_SIZE is 'many'" in done.stdout
    assert processes_of(data_dir) == []


def test_nothing_is_left_when_the_launcher_itself_is_killed(data_dir: Path) -> None:
    with Stack(data_dir=data_dir) as running:
        assert {"redis", "worker", "ledger", "dispatcher", "batches", "web"} < set(running.pids())
        os.kill(running.launcher.pid, signal.SIGKILL)
        wait_until(lambda: processes_of(data_dir) == [], limit_seconds=15, what="every process is gone")
