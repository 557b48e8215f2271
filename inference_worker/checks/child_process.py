"""Runs `python -m inference_worker.checks` beside the worker and watches it: memory, time, and how it ends.

A model is native code that a stranger may have shaped: it may crash the engine, never end, or take all memory. None of it may
reach the worker or its jobs, so it happens in a process that is niced, bounded, and ended with the worker.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import psutil

from model_registry.inspection.isolation import ROOT, child_environment

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
_LINE_BYTES_MAXIMUM = 200_000
#: Beyond what the model may take: the interpreter, the engine and the arrays of the checks themselves.
PROCESS_BYTES = 768 * 2**20
_NICENESS = 10
_PR_SET_PDEATHSIG = 1
_DEVICE_VARIABLES = ("CUDA_", "NVIDIA_", "ORT_")


class CheckAbandoned(Exception):
    """The worker is ending; the check is for another one."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended. `reason` is empty when it came to its own end; `code` says what to make of it otherwise."""

    code: str = ""
    reason: str = ""


def child_begin(parent: int) -> None:
    """What the child does first: yield to the worker's orders, leave no core dump, die with the worker (where the kernel has
    that)."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def child_run(
    *,
    module: str,
    request: Mapping[str, Any],
    memory_bytes: int,
    seconds: float,
    line_read: Callable[[dict[str, Any]], None],
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Ending:
    """Start the module, give it the request on standard input, and hand each JSON object it writes to `line_read`, until it ends
    or has to be ended. Whatever happens to the child, this returns; it raises CheckAbandoned alone, once the child is gone."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            return _followed(process, request, errors, memory_bytes, seconds, line_read, is_cancelled)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


def _followed(
    process: subprocess.Popen[bytes],
    request: Mapping[str, Any],
    errors: IO[bytes],
    memory_bytes: int,
    seconds: float,
    line_read: Callable[[dict[str, Any]], None],
    is_cancelled: Callable[[], bool],
) -> Ending:
    lines: queue.Queue[bytes | None] = queue.Queue(1000)
    threading.Thread(target=_read, args=(process, lines), name="check-reader", daemon=True).start()
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
    except BrokenPipeError:
        logger.warning("check.child_ended_early")  # its status says why
    deadline = time.monotonic() + seconds
    while True:
        try:
            line = lines.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            line = b""
        if line is None:
            break
        if line:
            _hand_over(line, line_read)
        if is_cancelled():
            raise CheckAbandoned
        if _resident_bytes(process.pid) > memory_bytes + PROCESS_BYTES:
            return Ending("model:out_of_memory", f"it took more than {(memory_bytes + PROCESS_BYTES) // 2**20} MB")
        if time.monotonic() > deadline:
            return Ending("model:too_slow", f"it was not done after {seconds:.0f} s")
    process.wait()
    if process.returncode == 0:
        return Ending()
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
    said = errors.read().decode("utf-8", "replace")
    if "bad_alloc" in said or "MemoryError" in said:
        return Ending("model:out_of_memory", "the engine got no more memory")
    last = [text.strip() for text in said.splitlines() if text.strip()]
    logger.warning("check.child_died status=%d: %s", process.returncode, said[-1000:])
    return Ending("model:engine_crashed", f"{_status_words(process.returncode)}: {last[-1][:300] if last else 'it said nothing'}")


def _environment() -> dict[str, str]:
    """The inspection's bare environment, and what finds the device: no broker, no store, no keys."""
    device = {name: value for name, value in os.environ.items() if name.startswith(_DEVICE_VARIABLES)}
    return {**child_environment(), **device}


def _read(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert process.stdout is not None
    try:
        while line := process.stdout.readline(_LINE_BYTES_MAXIMUM):
            lines.put(line)
    except ValueError:
        logger.debug("check.reader_closed")  # closed from the other thread, which has given up on the child
    lines.put(None)


def _hand_over(line: bytes, line_read: Callable[[dict[str, Any]], None]) -> None:
    try:
        entry = json.loads(line)
    except ValueError:
        logger.warning("check.child_line_unreadable bytes=%d", len(line))
        return
    if isinstance(entry, dict):
        line_read(entry)


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0  # gone: its end is on the way


def _status_words(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
