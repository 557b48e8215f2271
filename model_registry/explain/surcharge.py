"""What the heatmaps cost at run time: the plain and the explained model side by side in ONNX Runtime on the CPU.

The two run alternately in one process, so that a busy machine slows both alike. Needs onnxruntime, which the transform itself
does not; imported by the command and the benchmarks only. Not for throughput (tests/benchmarks) and not for GPUs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

OPEN_SIZE = 224  # rows and columns where the model leaves them open
_KINDS: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


@dataclass(frozen=True, slots=True)
class Surcharge:
    """Medians of single runs in milliseconds. `paired_percent` is the median over pairs of neighbouring runs: steadier.

    `quartiles_percent` are the pairs' lower and upper quartile: how sure that median is.
    """

    batch: int
    plain_ms: float
    explained_ms: float
    paired_percent: float
    quartiles_percent: tuple[float, float]
    repeats: int

    @property
    def percent(self) -> float:
        return (self.explained_ms / self.plain_ms - 1) * 100


class NotMeasurable(Exception):
    """The models cannot be run here; the text says why."""


def surcharge_measure(
    *,
    plain: str | bytes,
    explained: str | bytes,
    batches: Sequence[int] = (1, 8),
    repeats: int = 20,
    seconds_maximum: float = 20.0,
    threads: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Surcharge]:
    """Time both models, given as paths or serialised bytes, on random images, at each batch size the model admits.

    Stops early, with at least three pairs, when a batch size has taken `seconds_maximum`. `threads` 0 means all cores.
    With one thread `clock` may be time.process_time, which does not see what else the machine does.

    Raises NotMeasurable when ONNX Runtime does not take a model or an input.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        sessions = [onnxruntime.InferenceSession(m, options, providers=["CPUExecutionProvider"]) for m in (plain, explained)]
        return [
            _measured(sessions, batch, repeats=repeats, seconds_maximum=seconds_maximum, clock=clock)
            for batch in batches_of(sessions[0], batches)
        ]
    except NotMeasurable:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise NotMeasurable(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__) from error


def batches_of(session: onnxruntime.InferenceSession, wanted: Sequence[int]) -> Sequence[int]:
    """The wanted batch sizes where the batch is dynamic, else the fixed one."""
    sizes = {values.shape[0] for values in session.get_inputs() if values.shape}
    fixed = sorted(size for size in sizes if isinstance(size, int))
    return fixed[:1] or wanted


def _measured(
    sessions: Sequence[onnxruntime.InferenceSession],
    batch: int,
    *,
    repeats: int,
    seconds_maximum: float,
    clock: Callable[[], float],
) -> Surcharge:
    feed = _feed(sessions[0], batch)
    seconds: list[list[float]] = [[] for _ in sessions]
    for session in sessions:
        for _ in range(2):  # the first runs allocate
            session.run(None, feed)
    began = time.perf_counter()
    for repeat in range(repeats):
        # who goes first alternates too: the second finds the caches warm
        for which in (0, 1) if repeat % 2 == 0 else (1, 0):
            started = clock()
            sessions[which].run(None, feed)
            seconds[which].append(clock() - started)
        if repeat >= 2 and time.perf_counter() - began > seconds_maximum:
            break
    ratios = [(e / p - 1) * 100 for p, e in zip(*seconds, strict=True)]
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    plain, explained = (statistics.median(values) * 1e3 for values in seconds)
    return Surcharge(batch, plain, explained, float(middle), (float(low), float(high)), len(seconds[0]))


def _feed(session: onnxruntime.InferenceSession, batch: int) -> dict[str, np.ndarray]:
    """Random values for every input: the batch in front, the size OPEN_SIZE where one is open."""
    random = np.random.default_rng(0)
    feed: dict[str, np.ndarray] = {}
    for values in session.get_inputs():
        if values.type not in _KINDS:
            raise NotMeasurable(f"input {values.name!r} takes {values.type}, for which there are no images to try")
        shape = [size if isinstance(size, int) else batch if axis == 0 else OPEN_SIZE for axis, size in enumerate(values.shape)]
        kind = np.dtype(_KINDS[values.type])
        feed[values.name] = (random.random(shape) * (255 if kind == np.uint8 else 1)).astype(kind)
    return feed
