"""Keeps the packages in service loaded and proven beside what still runs, and lets go what nothing uses any more.

The platform says what is in service; one thread loads what is new, so that orders go on with what is there. A package that this
worker cannot serve is not tried again at every word, only when the engine has forgotten the failure. Decides nothing about jobs:
one pinned to a package that was let go loads it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from inference_worker.contract.failures import CodedError
from inference_worker.engine import Engine
from inference_worker.memory import resident_memory_bytes

logger = logging.getLogger(__name__)

_ROUND_SECONDS = 5.0


class PackageKeeper:
    """`memory_limit_bytes` (0: none): a process that holds more while nothing is left to let go asks for a fresh one, once, by
    `recycle`, which must end it only after what it is doing."""

    def __init__(
        self,
        *,
        engine: Engine,
        idle_seconds: float,
        memory_limit_bytes: int,
        recycle: Callable[[], None],
        memory_probe: Callable[[], int] = resident_memory_bytes,
    ) -> None:
        self._engine = engine
        self._idle_seconds = idle_seconds
        self._memory_limit_bytes = memory_limit_bytes
        self._recycle = recycle
        self._memory_probe = memory_probe
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._recycling = False
        self._in_service: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name="package-keeper", daemon=True)
        self._thread.start()

    def announced(self, packages: Iterable[Any]) -> int:
        """What is in service now: objects with `digest` and `key`. Returns how many were understood. Returns at once."""
        understood: dict[str, str] = {}
        for package in packages:
            digest, key = (package.get("digest"), package.get("key")) if isinstance(package, Mapping) else (None, None)
            if isinstance(digest, str) and isinstance(key, str):
                understood[digest] = key
            else:
                logger.warning("hot_swap: an announced package is not {digest, key} and was ignored")
        self._in_service = understood
        self._wake.set()
        return len(understood)

    def close(self) -> None:
        """Stop after the package that is being loaded."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_ROUND_SECONDS)
            self._wake.clear()
            try:
                self.round()
            except Exception:
                # The thread's edge: a keeper that died would leave every swap to the first order that needs it.
                logger.exception("hot_swap: a round failed; the next one comes in %g s", _ROUND_SECONDS)

    def round(self) -> None:
        """Load what is in service and missing, let go what is idle and not in service, look at the memory."""
        in_service = dict(self._in_service)
        for digest, key in in_service.items():
            if self._stop.is_set():
                return
            if digest not in self._engine.loaded_packages and digest not in self._engine.refused_packages:
                self._load(digest, key)
        if in_service:  # before the first word, nothing is known to be out of service
            self._engine.idle_release(keep=in_service, idle_seconds=self._idle_seconds)
        self._memory_watch()

    def _load(self, digest: str, key: str) -> None:
        try:
            with self._engine.lease(package_digest=digest, package_key=key):
                logger.info("hot_swap.ready package_digest=%s", digest)
        except CodedError as error:
            logger.warning("hot_swap.refused package_digest=%s code=%s: %s", digest, error.code, error.detail)

    def _memory_watch(self) -> None:
        if not self._memory_limit_bytes or self._recycling:
            return
        held = self._memory_probe()
        if held > self._memory_limit_bytes:
            self._recycling = True
            logger.warning(
                "memory: %d MB held, WORKER_MEMORY_LIMIT_MB allows less; making way for a fresh process", held // 2**20
            )
            self._recycle()
