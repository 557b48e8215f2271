"""The thin shell: read the order, run the pipeline, report what came of it. The only catch-all of the worker stands here."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from inference_worker.attempts import AttemptAbandoned
from inference_worker.celery_app import app, runtime
from inference_worker.contract.events import AttemptReference, JobStage
from inference_worker.contract.failures import CodedError
from inference_worker.contract.orders import InferenceOrder
from inference_worker.contract.queues import ORDER_HARD_LIMIT_SECONDS, RUN_CHECK_TASK, RUN_ORDER_TASK
from inference_worker.contract.wire import ContractViolation
from inference_worker.engine import REFUSING_CODES
from inference_worker.runtime import WorkerRuntime

logger = logging.getLogger(__name__)

_REFUSED_PAUSE_SECONDS = 1.0


@app.task(name=RUN_ORDER_TASK)
def run_order(order_data: Any) -> None:
    """Run one attempt. Never raises: whatever happens is reported as an event, and the message is acknowledged."""
    worker = runtime.get()
    attempt = _attempt_of(order_data)
    if attempt is None:
        logger.error("order.unreadable: it names no job and attempt")
        return
    with worker.attempts.claim(attempt) as is_mine:
        if is_mine:
            _run(worker, attempt, order_data)
        else:
            logger.info("order.delivered_twice job_id=%s attempt=%d", attempt.job_id, attempt.attempt)


@app.task(name=RUN_CHECK_TASK)
def run_check(order_data: Any) -> None:
    """Hand registry work to the one thread that does it, and be free for orders. Never raises; see checks.lane."""
    runtime.get().checks.take(order_data)


def _run(worker: WorkerRuntime, attempt: AttemptReference, order_data: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + ORDER_HARD_LIMIT_SECONDS

    def checkpoint(stage: JobStage) -> None:
        if worker.attempts.is_abandoned(attempt):
            raise AttemptAbandoned
        if time.monotonic() > deadline:
            raise CodedError("system:timeout", f"not done at {stage.value} after {ORDER_HARD_LIMIT_SECONDS} s")
        worker.reporter.stage(attempt, stage)

    choice = worker.engine.choice
    try:
        order = InferenceOrder.from_wire(order_data)
        worker.reporter.started(attempt, provider=choice.name if choice else None)
        result = worker.pipeline.run(order=order, checkpoint=checkpoint)
        worker.reporter.succeeded(attempt, result=result.to_wire())
        logger.info(
            "order.done job_id=%s attempt=%d package_digest=%s images=%d seconds=%.3f",
            attempt.job_id, attempt.attempt, order.package_digest, len(order.images), result.elapsed_seconds["total"],
        )  # fmt: skip
    except AttemptAbandoned:
        worker.reporter.abandoned(attempt)
        logger.info("order.abandoned job_id=%s attempt=%d", attempt.job_id, attempt.attempt)
    except ContractViolation as error:
        _fail(worker, attempt, "system:contract_violation", str(error))
    except CodedError as error:
        _fail(worker, attempt, error.code, error.detail)
        if error.code in REFUSING_CODES:
            time.sleep(_REFUSED_PAUSE_SECONDS)  # or a worker that cannot serve takes orders faster than those that can
    except MemoryError:
        _fail(worker, attempt, "model:out_of_memory", "the worker ran out of memory")
    except Exception as error:
        logger.exception("order.unexpected job_id=%s attempt=%d", attempt.job_id, attempt.attempt)
        _fail(worker, attempt, "system:unexpected", type(error).__name__)


def _fail(worker: WorkerRuntime, attempt: AttemptReference, code: str, detail: str) -> None:
    worker.reporter.failed(attempt, code=code, detail=detail)
    logger.warning("order.failed job_id=%s attempt=%d code=%s detail=%s", attempt.job_id, attempt.attempt, code, detail)


def _attempt_of(order_data: Any) -> AttemptReference | None:
    """Which attempt an order is about, read before anything else, so that an unreadable order can still be answered."""
    job_id, attempt = (order_data.get("job_id"), order_data.get("attempt")) if isinstance(order_data, dict) else (None, None)
    if not isinstance(job_id, str) or not 0 < len(job_id) <= 100 or type(attempt) is not int:
        return None
    return AttemptReference(job_id, attempt)
