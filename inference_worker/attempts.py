"""What this process is working on, and what it was asked to abandon. In memory only; the database decides in the end.

Cancelling is cooperative: the pipeline looks here between its stages. A request that never meets its attempt is forgotten.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference_worker.contract.events import AttemptReference

#: A cancel of every attempt of a job must not outlive the retry that may follow it.
_ANY_ATTEMPT_SECONDS = 60.0
_REQUESTS_MAXIMUM = 10_000


class AttemptAbandoned(Exception):
    """The attempt was cancelled. Raised between stages."""


class AttemptRegister:
    """Active attempts and cancel requests, shared by all threads of the process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._active: dict[AttemptReference, None] = {}
        self._requests: OrderedDict[tuple[str, int | None], float] = OrderedDict()  # oldest first

    @contextmanager
    def claim(self, attempt: AttemptReference) -> Iterator[bool]:
        """Hold the attempt while the block runs. Yields False, and holds nothing, if this process has it already:
        the broker delivered it twice."""
        with self._lock:
            is_mine = attempt not in self._active
            if is_mine:
                self._active[attempt] = None
        try:
            yield is_mine
        finally:
            if is_mine:
                with self._lock:
                    del self._active[attempt]
                    self._requests.pop((attempt.job_id, attempt.attempt), None)

    @property
    def active(self) -> tuple[AttemptReference, ...]:
        with self._lock:
            return tuple(self._active)

    def abandon(self, *, job_id: str, attempt: int | None) -> None:
        """Ask that an attempt (None: any attempt of the job, for a minute) be given up. Keeps the newest 10,000 requests."""
        with self._lock:
            self._requests[(job_id, attempt)] = self._monotonic()
            self._requests.move_to_end((job_id, attempt))
            while len(self._requests) > _REQUESTS_MAXIMUM:
                self._requests.popitem(last=False)

    def is_abandoned(self, attempt: AttemptReference) -> bool:
        with self._lock:
            if (attempt.job_id, attempt.attempt) in self._requests:
                return True
            asked = self._requests.get((attempt.job_id, None))
            return asked is not None and self._monotonic() - asked < _ANY_ATTEMPT_SECONDS
