"""The parts of one worker process, put together once and lazily. Decides nothing; the only place that knows all of them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2

from inference_worker import __version__
from inference_worker.attempts import AttemptRegister
from inference_worker.checks.lane import CheckLane
from inference_worker.contract.events import WorkerHeartbeat
from inference_worker.engine import Engine
from inference_worker.hot_swap import PackageKeeper
from inference_worker.memory import resident_memory_bytes
from inference_worker.object_store import ObjectStore
from inference_worker.package_cache import PackageCache
from inference_worker.pipeline import Pipeline
from inference_worker.rendering import PictureSizes
from inference_worker.reporter import Reporter
from inference_worker.settings import WorkerSettings, available_cores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerRuntime:
    """Everything a task needs."""

    settings: WorkerSettings
    attempts: AttemptRegister
    engine: Engine
    pipeline: Pipeline
    reporter: Reporter
    keeper: PackageKeeper
    checks: CheckLane

    def close(self) -> None:
        """Let models go and deliver what was not yet reported."""
        self.checks.close()
        self.keeper.close()
        self.engine.close()
        self.pipeline.executor.shutdown()
        self.reporter.close()


def process_end() -> None:
    """Ask this process to finish its orders and end; whoever supervises it starts a fresh one."""
    os.kill(os.getpid(), signal.SIGTERM)


def runtime_create(
    *, settings: WorkerSettings, publish: Callable[[list[dict[str, Any]]], None], recycle: Callable[[], None] = process_end
) -> WorkerRuntime:
    """Build the parts. Loads no model; the first order, or the platform's word of what is in service, does."""
    cv2.setNumThreads(1)  # views and orders already run side by side; OpenCV's own pool would only contend for the cores
    store = ObjectStore(url=settings.object_store_url)
    attempts = AttemptRegister()
    packages = PackageCache(
        folder=settings.package_cache_dir,
        store=store,
        trusted_keys=settings.package_trusted_keys,
        model_bytes_maximum=settings.package_model_maximum_bytes,
    )
    engine = Engine(packages=packages, settings=settings)
    checks = CheckLane(
        packages=packages,
        store=store,
        settings=settings,
        reporter=lambda: reporter,
        orders_active=lambda: len(attempts.active),
    )

    def heartbeat(event_id: str, occurred_at: str) -> WorkerHeartbeat:
        choice = engine.choice
        return WorkerHeartbeat(
            event_id=event_id,
            worker=settings.worker_name,
            occurred_at=occurred_at,
            active=attempts.active,
            concurrency=settings.worker_threads,
            provider=choice.name if choice else None,
            provider_reason=choice.reason if choice else None,
            loaded_packages=engine.loaded_packages,
            resident_memory_bytes=resident_memory_bytes(),
            software_version=__version__,
            refused_packages=engine.refused_packages,
            checks=checks.active,
        )

    pipeline = Pipeline(
        store=store,
        engine=engine,
        executor=ThreadPoolExecutor(available_cores() + 1, thread_name_prefix="views"),
        sizes=PictureSizes(
            preview=settings.preview_longer_side, heatmap=settings.heatmap_longer_side, overlay=settings.overlay_longer_side
        ),
        viewer_pixels=settings.viewer_pixels,
    )
    reporter = Reporter(worker=settings.worker_name, publish=publish, heartbeat=heartbeat)
    keeper = PackageKeeper(
        engine=engine,
        idle_seconds=settings.session_idle_seconds,
        memory_limit_bytes=settings.worker_memory_limit_bytes,
        recycle=recycle,
    )
    return WorkerRuntime(
        settings=settings,
        attempts=attempts,
        engine=engine,
        pipeline=pipeline,
        reporter=reporter,
        keeper=keeper,
        checks=checks,
    )


class RuntimeHolder:
    """Makes the runtime on first use and once; a process that never runs an order never makes one."""

    def __init__(self, *, create: Callable[[], WorkerRuntime]) -> None:
        self._create = create
        self._lock = threading.Lock()
        self._runtime: WorkerRuntime | None = None

    def get(self) -> WorkerRuntime:
        with self._lock:
            if self._runtime is None:
                self._runtime = self._create()
            return self._runtime

    def close(self) -> None:
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()
