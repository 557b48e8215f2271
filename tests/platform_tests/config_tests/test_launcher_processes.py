from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config import launcher_processes
from config.launcher_processes import ChildSpec, Supervisor, exit_in_words, log_rotate

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


class Kept:
    """A supervisor with what it announced, ticked until something is true."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.state_file = folder / "run" / "processes.json"
        self.supervisor = Supervisor(log_dir=folder / "logs", state_file=self.state_file, announce=self.said.append)
        self.folder = folder

    def start(self, name: str, code: str) -> None:
        self.supervisor.start(
            ChildSpec(name=name, command=(sys.executable, "-c", code), environment=dict(os.environ), working_dir=self.folder)
        )

    def pids(self) -> dict[str, int]:
        return dict(json.loads(self.state_file.read_text()))

    def until(self, look: Callable[[], object]) -> None:
        deadline = time.monotonic() + 15
        while not look():
            assert time.monotonic() < deadline, self.said
            self.supervisor.tick()
            time.sleep(0.02)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(launcher_processes, "FIRST_BACK_OFF_SECONDS", 0.05)
    made = Kept(tmp_path)
    yield made
    made.supervisor.stop_all()


def test_a_killed_process_is_started_again_and_said_so(kept: Kept) -> None:
    kept.start("ledger", SLEEPER)
    first = kept.pids()["ledger"]
    os.kill(first, signal.SIGKILL)
    kept.until(lambda: kept.pids().get("ledger", first) != first)
    assert kept.said == ["ledger stopped (killed by SIGKILL); starting it again in 0.05 s"]
    assert psutil.pid_exists(kept.pids()["ledger"])


def test_a_process_that_keeps_crashing_is_started_ever_more_slowly_and_its_log_tells_why(kept: Kept) -> None:
    kept.start("worker", "import sys; sys.exit('no such model')")
    kept.until(lambda: kept.supervisor.crashes("worker") == 3)
    assert kept.supervisor.worst() == "worker"
    assert [line.rpartition(" in ")[2] for line in kept.said] == ["0.05 s", "0.1 s", "0.2 s"]
    assert "no such model" in kept.supervisor.log_tail("worker")
    assert "exit status 1" in kept.said[0]


def test_stopping_takes_grandchildren_and_the_deaf_along(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher_processes, "STOP_GRACE_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    kept.start("deaf", deaf)
    kept.start("parent", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])")
    kept.until(lambda: "deaf" in kept.supervisor.log_tail("deaf") and "up" in kept.supervisor.log_tail("parent"))
    family = [psutil.Process(pid) for name, pid in kept.pids().items() if name != "launcher"]
    family += [child for process in family for child in process.children(recursive=True)]
    assert len(family) == 3
    kept.supervisor.stop_all()
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert not kept.state_file.exists()


def test_a_stopped_process_is_not_started_again(kept: Kept) -> None:
    kept.start("web", SLEEPER)
    kept.supervisor.stop_all()
    assert kept.said == []


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time, os
from pathlib import Path
from config.launcher_processes import ChildSpec, Supervisor
folder = Path({str(tmp_path)!r})
keeper = Supervisor(log_dir=folder, state_file=folder / "state.json", announce=lambda words: None)
keeper.start(ChildSpec("child", (sys.executable, "-c", {SLEEPER!r}), dict(os.environ), folder))
print("ready", flush=True)
time.sleep(600)
"""
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root / "platform"), str(root)))}
    launcher = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"ready\n"
    child = psutil.Process(json.loads((tmp_path / "state.json").read_text())["child"])
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_a_log_is_bounded_while_its_process_keeps_writing(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with path.open("ab") as held_open:
        for generation in range(5):
            held_open.write(str(generation).encode() * 100)
            held_open.flush()
            log_rotate(path, limit_bytes=100, generations=3)
        held_open.write(b"after")
        held_open.flush()
    assert path.read_bytes() == b"after"
    assert [(tmp_path / f"web.log.{number}").read_bytes()[:1] for number in (1, 2, 3)] == [b"4", b"3", b"2"]
    assert not (tmp_path / "web.log.4").exists()


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit status 0"), (3, "exit status 3"), (-9, "killed by SIGKILL"), (-63, "killed by signal 63")]
)
def test_an_exit_status_is_said_in_words(code: int, words: str) -> None:
    assert exit_in_words(code) == words
