"""How fast the model is and how much memory it takes at each batch size, on this machine, as it is at this moment."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference_worker.batching import Array
from inference_worker.checks.answers import Run
from inference_worker.contract.checks import CheckItem, Verdict
from inference_worker.memory import resident_memory_bytes

_RUNS = 10


def performance_check(
    *,
    run: Run,
    image: Array,
    batch_sizes: Sequence[int],
    bare_bytes: int,
    limit_bytes: int,
    measured: Callable[[dict[str, Any]], None],
) -> CheckItem:
    """Median of ten warm runs and the process's peak memory, smallest batch first. `bare_bytes` is what the process held before
    the model was loaded; on a GPU the peak is the host's alone. `measured` takes each line of the report."""
    peak = 0
    fastest = 0.0
    for size in batch_sizes:
        batch = np.repeat(image[np.newaxis], size, axis=0)
        _peak_reset()
        run(batch)
        seconds = [_timed(run, batch) for _ in range(_RUNS)]
        median = statistics.median(seconds)
        peak = max(peak, _peak_bytes())
        fastest = max(fastest, size / median)
        measured(
            {
                "batch_size": size,
                "median_seconds": round(median, 6),
                "images_per_second": round(size / median, 2),
                "peak_memory_bytes": _peak_bytes(),
            }
        )
    taken = max(0, peak - bare_bytes)
    figures = {"runs": _RUNS, "images_per_second": round(fastest, 2), "model_memory_bytes": taken, "limit_bytes": limit_bytes}
    detail = f"up to {fastest:.1f} images a second, {taken / 2**20:.0f} MB for the model; median of {_RUNS} warm runs"
    if taken > limit_bytes:
        return CheckItem("performance", Verdict.WARNING, f"{detail}; more than SESSION_MEMORY_LIMIT_MB", figures=figures)
    return CheckItem("performance", Verdict.PASSED, detail, figures=figures)


def _timed(run: Run, batch: Array) -> float:
    started = time.perf_counter()
    run(batch)
    return time.perf_counter() - started


def _peak_reset() -> None:
    """Forget the highest memory so far, where the kernel lets a process do so."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # then the peak is the highest of the whole process, which is not too low


def _peak_bytes() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return max(resident_memory_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
