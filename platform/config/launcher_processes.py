"""Keeps the processes of one machine up: starts them, restarts what crashes with back-off, bounds their logs, stops them all.

Single-threaded on purpose: call `tick()` often. On Linux a child dies with its launcher even when that is killed with SIGKILL
(PR_SET_PDEATHSIG, which is bound to the thread that started the child: one more reason for having one thread). Process managers
on PyPI stop everything when one process ends, or are daemons; here a crash must be survived. Not for production, where the
container runtime does this.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOG_LIMIT_BYTES = 5 * 2**20
LOG_GENERATIONS = 3
#: A child that stayed up this long has recovered: its back-off starts anew.
STABLE_AFTER_SECONDS = 30.0
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 15.0
STOP_GRACE_SECONDS = 8.0
LOG_CHECK_INTERVAL_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process: its name (also its log's), command line and environment. `stops_last`: others still need it while stopping."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: Path
    stops_last: bool = False


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = 0
    restart_at: float | None = None
    exits: list[int] = field(default_factory=list)


class Supervisor:
    """The processes of one launcher. `announce` gets one sentence for each thing a person should know."""

    def __init__(self, *, log_dir: Path, state_file: Path, announce: Callable[[str], None]) -> None:
        self._log_dir = log_dir
        self._state_file = state_file
        self._announce = announce
        self._children: dict[str, _Child] = {}
        self._logs_checked_at = 0.0
        log_dir.mkdir(parents=True, exist_ok=True)
        state_file.parent.mkdir(parents=True, exist_ok=True)

    def start(self, spec: ChildSpec) -> None:
        """Start one process. Raises OSError when its program cannot be run."""
        if spec.name in self._children:
            raise ValueError(f"{spec.name} is started already")
        child = _Child(spec)
        self._children[spec.name] = child
        self._launch(child)

    def tick(self) -> None:
        """Notice what ended, restart what is due, rotate logs that grew. Cheap: call it a few times a second."""
        now = time.monotonic()
        for child in self._children.values():
            if child.process is not None and child.process.poll() is not None:
                self._note_exit(child, now)
            if child.restart_at is not None and now >= child.restart_at:
                self._launch(child)
        if now - self._logs_checked_at > LOG_CHECK_INTERVAL_SECONDS:
            self._logs_checked_at = now
            for name in self._children:
                log_rotate(self.log_path(name))

    def crashes(self, name: str) -> int:
        """How often the process ended by itself since it was last stable."""
        return self._children[name].crashes

    def worst(self) -> str | None:
        """The process that crashed most often since it was last stable, or None."""
        child = max(self._children.values(), key=lambda child: child.crashes, default=None)
        return child.spec.name if child is not None and child.crashes else None

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    def log_tail(self, name: str, *, lines: int = 20) -> str:
        """The last lines of a process's log, for a person."""
        path = self.log_path(name)
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def stop_all(self) -> None:
        """Stop every process: asked first, killed after a grace. Those that others need while stopping go last."""
        for last in (False, True):
            group = [child for child in self._children.values() if child.spec.stops_last is last]
            for child in group:
                child.restart_at = None
                _signal_group(child, signal.SIGTERM)
            deadline = time.monotonic() + STOP_GRACE_SECONDS
            while any(_is_running(child) for child in group) and time.monotonic() < deadline:
                time.sleep(0.05)
            for child in group:
                # Also when the leader is gone: a grandchild of its group may not be.
                _signal_group(child, signal.SIGKILL)
                if child.process is not None:
                    child.process.wait()
        self._state_file.unlink(missing_ok=True)

    def _launch(self, child: _Child) -> None:
        child.restart_at = None
        with self.log_path(child.spec.name).open("ab") as log:
            child.process = subprocess.Popen(
                child.spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(child.spec.environment),
                cwd=child.spec.working_dir,
                start_new_session=True,  # Ctrl-C in the terminal is the launcher's to handle, in order
                preexec_fn=_dies_with(os.getpid()) if sys.platform == "linux" else None,
            )
        child.started_at = time.monotonic()
        self._write_state()

    def _note_exit(self, child: _Child, now: float) -> None:
        assert child.process is not None  # the caller looked
        code = child.process.returncode
        _signal_group(child, signal.SIGKILL)  # what the dead process left in its group would hold its port or its files
        child.process = None
        if now - child.started_at > STABLE_AFTER_SECONDS:
            child.crashes = 0
        wait_seconds = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2**child.crashes)
        child.crashes += 1
        child.restart_at = now + wait_seconds
        self._write_state()
        self._announce(f"{child.spec.name} stopped ({exit_in_words(code)}); starting it again in {wait_seconds:g} s")

    def _write_state(self) -> None:
        """Which process has which number, for an operator and for the tests."""
        running = {name: child.process.pid for name, child in self._children.items() if child.process is not None}
        temporary = self._state_file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"launcher": os.getpid(), **running}, indent=2) + "\n")
        temporary.replace(self._state_file)


def exit_in_words(code: int) -> str:
    """An exit status as a person says it."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def log_rotate(path: Path, *, limit_bytes: int = LOG_LIMIT_BYTES, generations: int = LOG_GENERATIONS) -> None:
    """Bound a log that its process holds open for appending: copied aside, then emptied in place."""
    if not path.is_file() or path.stat().st_size < limit_bytes:
        return
    for number in range(generations - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.is_file():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)


def _dies_with(parent: int) -> Callable[[], None]:
    """What the child does between fork and exec: ask the kernel to be killed when its launcher dies."""
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the launcher died before we asked
            os._exit(1)

    return ask


def _is_running(child: _Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _signal_group(child: _Child, number: signal.Signals) -> None:
    if child.process is None:
        return
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return  # the whole group is gone already, which is what was wanted
