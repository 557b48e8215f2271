"""One thread for registry work: checks are taken off the queue at once and done one after the other, beside the orders.

A check may take minutes. In the worker's own threads a few of them would keep every order waiting; here they keep one another
waiting. What is taken counts as begun, so that the heartbeat extends its lease; what a dying worker held goes to another.
Knows no broker and no database.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from inference_worker.checks.build import build_run
from inference_worker.checks.child_process import CheckAbandoned
from inference_worker.checks.validation import Progress, validation_run
from inference_worker.contract.checks import CheckOrder, CheckProgress, CheckReport, CheckTask
from inference_worker.contract.events import AttemptReference
from inference_worker.contract.failures import CodedError
from inference_worker.contract.wire import ContractViolation
from inference_worker.object_store import ObjectStore
from inference_worker.package_cache import PackageCache
from inference_worker.reporter import Reporter
from inference_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0


class CheckLane:
    """Takes checks from any thread. `reporter` and `orders_active` are asked when they are needed."""

    def __init__(
        self,
        *,
        packages: PackageCache,
        store: ObjectStore,
        settings: WorkerSettings,
        reporter: Callable[[], Reporter],
        orders_active: Callable[[], int] = lambda: 0,
    ) -> None:
        self._packages = packages
        self._store = store
        self._settings = settings
        self._reporter = reporter
        self._orders_active = orders_active
        self._waiting: queue.SimpleQueue[tuple[AttemptReference, Any]] = queue.SimpleQueue()
        self._held: dict[AttemptReference, None] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> tuple[AttemptReference, ...]:
        """What this worker holds, waiting or under way, for its heartbeat."""
        with self._lock:
            return tuple(self._held)

    def take(self, order_data: Any) -> bool:
        """Hold the check and do it when its turn comes. False, and nothing done, for an order that names no check or that is held
        already (the broker delivered it twice)."""
        reference = _reference_of(order_data)
        if reference is None:
            logger.error("check.unreadable: it names no check and attempt")
            return False
        with self._lock:
            if reference in self._held or self._closing.is_set():
                logger.info("check.not_taken check_id=%s attempt=%d", reference.job_id, reference.attempt)
                return False
            self._held[reference] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="checks", daemon=True)
                self._thread.start()
        self._reporter().check(reference, CheckProgress.RUNNING)
        self._waiting.put((reference, order_data))
        return True

    def close(self, *, timeout_seconds: float = _CLOSE_SECONDS) -> None:
        """Give up what is held, so that another worker takes it. Call it while the reporter still works."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        for reference in self.active:
            self._ended(reference, failure=("system:worker_lost", "the worker is ending"))

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                reference, order_data = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            self._carry_out(reference, order_data)

    def _carry_out(self, reference: AttemptReference, order_data: Any) -> None:
        """One check from order to report; the catch-all of this thread stands here."""
        try:
            order = CheckOrder.from_wire(order_data)
            report = self._run(order, reference)
            self._ended(reference, report=report)
            logger.info("check.done check_id=%s task=%s passed=%s", order.check_id, order.task, report.passed)
        except CheckAbandoned:
            self._ended(reference, failure=("system:worker_lost", "the worker is ending"))
        except ContractViolation as error:
            self._ended(reference, failure=("system:contract_violation", str(error)))
        except CodedError as error:
            self._ended(reference, failure=(error.code, error.detail))
        except Exception as error:
            logger.exception("check.unexpected check_id=%s attempt=%d", reference.job_id, reference.attempt)
            self._ended(reference, failure=("system:unexpected", type(error).__name__))

    def _run(self, order: CheckOrder, reference: AttemptReference) -> CheckReport:
        def progress(step: str, done: int, total: int) -> None:
            self._reporter().check(reference, CheckProgress.RUNNING, step=step, steps_done=done, steps_total=total)

        if order.task is CheckTask.BUILD:
            return build_run(
                order, store=self._store, settings=self._settings, progress=progress, is_cancelled=self._closing.is_set
            )
        told: Progress = progress
        return validation_run(
            order,
            packages=self._packages,
            settings=self._settings,
            progress=told,
            is_cancelled=self._closing.is_set,
            orders_active=self._orders_active,
        )

    def _ended(
        self, reference: AttemptReference, *, report: CheckReport | None = None, failure: tuple[str, str] | None = None
    ) -> None:
        with self._lock:
            if self._held.pop(reference, reference) is reference:
                return  # given up meanwhile by close()
        if report is not None:
            self._reporter().check(reference, CheckProgress.DONE, report=report.to_wire())
        else:
            logger.warning("check.failed check_id=%s attempt=%d %s", reference.job_id, reference.attempt, failure)
            self._reporter().check(reference, CheckProgress.FAILED, failure=failure)


def _reference_of(order_data: Any) -> AttemptReference | None:
    """Which check an order is about, read before anything else, so that an unreadable order can still be answered."""
    check_id, attempt = (order_data.get("check_id"), order_data.get("attempt")) if isinstance(order_data, dict) else (None, None)
    if not isinstance(check_id, str) or not 0 < len(check_id) <= 100 or type(attempt) is not int:
        return None
    return AttemptReference(check_id, attempt)
