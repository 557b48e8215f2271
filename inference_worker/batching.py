"""The dynamic batcher: images of all jobs in the process go through the model together. Knows arrays and futures, no jobs.

    submit ──► bounded queue ──► lanes, a thread each: take up to a fixed size, pad, run ──► each image's future

A GPU has one lane. A CPU does more with several runs of a few threads each than with one run of them all, so it has several,
and an image goes to whichever is free. A batch starts when the largest size is reached or the oldest image has waited long
enough; while batches run, the next one gathers by itself. A batch that raises is halved and run again, so that an image that
breaks the model fails alone. An image whose outputs are not finite fails alone too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference_worker.contract.failures import CodedError

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What the model says. For a batch every array has a leading image axis; for one image it has not.

    `logits` and `probabilities`: (classes,); `heatmaps`: (targets, rows, columns), raw.
    """

    logits: Array
    probabilities: Array
    heatmaps: Array

    def image(self, index: int) -> ModelOutput:
        """One image's outputs, copied, so that a kept result does not hold the whole batch in memory."""
        return ModelOutput(self.logits[index].copy(), self.probabilities[index].copy(), self.heatmaps[index].copy())

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.logits).all() and np.isfinite(self.probabilities).all() and np.isfinite(self.heatmaps).all())


BatchRun = Callable[[Array], ModelOutput]


def batch_take(*, pending: int, batch_sizes: tuple[int, ...], minimum_fill: float) -> int:
    """How many of `pending` images to take now.

    All of them when they fill the next fixed size up to at least `minimum_fill` (the rest is padding), else as many as the
    largest size that can be filled: on a CPU padding costs as much as an image, on a GPU next to nothing.
    """
    if pending >= batch_sizes[-1]:
        return batch_sizes[-1]
    next_size = min(size for size in batch_sizes if size >= pending)
    smaller = [size for size in batch_sizes if size <= pending]
    if not smaller or pending / next_size >= minimum_fill:
        return pending
    return smaller[-1]


@dataclass(slots=True)
class _Waiting:
    tensor: Array
    future: Future[ModelOutput]
    arrived: float


class DynamicBatcher:
    """The threads that feed one model, `lanes` of them. `gate` is held while the model runs, so that models on one device take
    turns.

    `run` takes (N, …) float32 with N one of `batch_sizes` and returns a batched ModelOutput.
    """

    def __init__(
        self,
        *,
        run: BatchRun,
        batch_sizes: tuple[int, ...],
        maximum_wait_seconds: float,
        gate: AbstractContextManager[object],
        minimum_fill: float = 0.0,
        queue_limit: int = 256,
        lanes: int = 1,
        name: str = "batcher",
    ) -> None:
        self._run = run
        self._batch_sizes = tuple(sorted(batch_sizes))
        self._maximum_wait_seconds = maximum_wait_seconds
        self._gate = gate
        self._minimum_fill = minimum_fill
        self._queue_limit = queue_limit
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._idle_lanes = 0
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{lane}", daemon=True) for lane in range(lanes)]
        for thread in self._threads:
            thread.start()

    def submit(self, *, tensor: Array, timeout_seconds: float = 60.0) -> Future[ModelOutput]:
        """Queue one image (no batch axis). Blocks while the queue is full; raises system:timeout when it stays full.

        The future raises CodedError: model:run_failed, model:out_of_memory or model:not_finite.
        """
        future: Future[ModelOutput] = Future()
        with self._changed:
            has_room = self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._queue_limit, timeout_seconds)
            if self._closed:
                raise CodedError("system:unexpected", "the batcher is closed")
            if not has_room:
                raise CodedError("system:timeout", "the batcher's queue stayed full")
            self._waiting.append(_Waiting(tensor, future, time.monotonic()))
            self._changed.notify_all()
        return future

    def close(self, *, timeout_seconds: float = 30.0) -> None:
        """Take no more images, finish those that wait, end the threads. A repeated call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._run_or_halve(batch)
            batch.clear()  # or the last images of a busy minute would stay in memory through an idle night

    def _next_batch(self) -> list[_Waiting]:
        """Wait for a batch. Empty only once closed and drained."""
        with self._changed:
            self._idle_lanes += 1
            try:
                while True:
                    self._changed.wait_for(lambda: self._waiting or self._closed)
                    if not self._waiting:
                        return []
                    self._wait_for_more()
                    if batch := self._taken():
                        return batch
            finally:
                self._idle_lanes -= 1

    def _wait_for_more(self) -> None:
        """Until a whole batch waits, or the oldest image has waited long enough. Another lane may take them all meanwhile."""
        while self._waiting and len(self._waiting) < self._batch_sizes[-1] and not self._closed:
            remaining = self._waiting[0].arrived + self._maximum_wait_seconds - time.monotonic()
            if remaining <= 0:
                return
            self._changed.wait(remaining)

    def _taken(self) -> list[_Waiting]:
        """This lane's share of what waits, shared evenly with the other idle lanes, without what was cancelled."""
        if not self._waiting:
            return []
        share = -(-len(self._waiting) // self._idle_lanes)
        count = batch_take(pending=share, batch_sizes=self._batch_sizes, minimum_fill=self._minimum_fill)
        taken = [self._waiting.popleft() for _ in range(count)]
        self._changed.notify_all()
        return [item for item in taken if item.future.set_running_or_notify_cancel()]

    def _run_or_halve(self, batch: list[_Waiting]) -> None:
        try:
            with self._gate:
                output = self._run(self._padded(batch))
        except Exception as error:  # whatever a model raises concerns its images, never this thread
            if len(batch) > 1:
                logger.warning("batch.failed images=%d error=%s: halving it", len(batch), type(error).__name__)
                middle = len(batch) // 2
                self._run_or_halve(batch[:middle])
                self._run_or_halve(batch[middle:])
                return
            logger.exception("batch.image_failed")
            batch[0].future.set_exception(_run_failure(error))
            return
        for index, item in enumerate(batch):
            image_output = output.image(index)
            if image_output.is_finite:
                item.future.set_result(image_output)
            else:
                item.future.set_exception(CodedError("model:not_finite", "an output is NaN or infinite"))

    def _padded(self, batch: list[_Waiting]) -> Array:
        size = min((size for size in self._batch_sizes if size >= len(batch)), default=len(batch))
        tensors = np.zeros((size, *batch[0].tensor.shape), np.float32)
        for index, item in enumerate(batch):
            tensors[index] = item.tensor
        return tensors


def _run_failure(error: Exception) -> CodedError:
    if isinstance(error, CodedError):
        return error
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "failed to allocate" in text:
        return CodedError("model:out_of_memory", type(error).__name__)
    return CodedError("model:run_failed", f"{type(error).__name__}: {str(error)[:300]}")
