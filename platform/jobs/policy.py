"""When a failed attempt gets another one, and how long it waits. Decides; changes nothing.

Faults of the platform must not end a job that did nothing wrong, and a job that breaks what it touches must not do so ten
times. So each kind of failure has an allowance of its own, below the `max_attempts` that bounds them all:

- the object store is away or full: only `max_attempts` and ever longer pauses, minutes in all
- the worker was lost: a restart or a crash, perhaps of this job's making, perhaps of its neighbour's
- the worker cannot serve the package (it fails its golden inputs there, or does not load): another worker may, and the job pays
  nothing for it; when no live worker can, or after PASSED_ON_MAXIMUM times, the job fails with that code
- anything else retryable (the model raised, too slow, unexpected): most likely this job's own
"""

from __future__ import annotations

import datetime
import random

from django.conf import settings

from inference_worker.contract.failures import failure_for
from jobs.hot_swap import others_may_serve
from jobs.models import Job, JobAttempt
from jobs.transitions import Change, Happening

_BACKOFF_FIRST_SECONDS = 1.0
_BACKOFF_MAXIMUM_SECONDS = 60.0
_STORAGE = frozenset({"system:storage_unavailable", "system:storage_full"})
_WORKER_LOST = "system:worker_lost"
#: What a worker says that cannot serve a package: a fault of that worker until others say the same.
WORKER_REFUSALS = frozenset({"model:golden_mismatch", "model:session_failed", "model:out_of_memory"})
PASSED_ON_MAXIMUM = 30
_PASSED_ON_SECONDS = (0.2, 1.0)
#: Failures of a kind after which there is still another attempt.
WORKERS_LOST_FORGIVEN = 5
OWN_FAILURES_FORGIVEN = 2


def backoff_seconds(*, attempt: int) -> float:
    """Seconds before the attempt after `attempt` may start: 1, 2, 4, … 60, and up to half as much again, so that jobs which one
    of them brought down together do not meet on the same worker once more."""
    pause = min(_BACKOFF_MAXIMUM_SECONDS, _BACKOFF_FIRST_SECONDS * 2.0 ** min(attempt - 1, 10))
    return pause * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load, keeps no secret


def attempt_failed(
    *, job: Job, code: str, detail: str, event_id: str, at: datetime.datetime, actor: str, now: datetime.datetime
) -> Change:
    """The change that a failed attempt means: another attempt where the code is retryable and one is left, else the end."""
    if code in WORKER_REFUSALS and _another_may_serve(job=job, worker=actor):
        pause = datetime.timedelta(seconds=random.uniform(*_PASSED_ON_SECONDS))  # noqa: S311 - spreads load, keeps no secret
        return Change(
            happening=Happening.REQUEUED,
            attempt=job.attempt,
            event_id=event_id,
            at=at,
            actor=actor,
            detail=detail,
            failure_code=code,
            not_before=now + pause,
            max_attempts=min(job.max_attempts + 1, 32_767),
        )
    again = failure_for(code).retryable and job.attempt < job.max_attempts and _is_forgiven(job=job, code=code)
    return Change(
        happening=Happening.REQUEUED if again else Happening.FAILED,
        attempt=job.attempt,
        event_id=event_id,
        at=at,
        actor=actor,
        detail=detail,
        failure_code=code,
        not_before=now + datetime.timedelta(seconds=backoff_seconds(attempt=job.attempt)) if again else None,
    )


def _another_may_serve(*, job: Job, worker: str) -> bool:
    passed_on = JobAttempt.objects.filter(job_id=job.pk, failure_code__in=WORKER_REFUSALS).count()
    return passed_on < PASSED_ON_MAXIMUM and others_may_serve(digest=job.package_id, besides=worker)


def _is_forgiven(*, job: Job, code: str) -> bool:
    """Whether failures of this kind, since submission or the last retry by hand, are still within their allowance."""
    if code in _STORAGE:
        return True
    earlier = JobAttempt.objects.filter(job_id=job.pk, number__lt=job.attempt).exclude(failure_code="")
    earlier = earlier.filter(number__gt=job.max_attempts - settings.JOB_MAX_ATTEMPTS)
    if code == _WORKER_LOST:
        return earlier.filter(failure_code=code).count() < WORKERS_LOST_FORGIVEN
    return earlier.exclude(failure_code__in=[*_STORAGE, _WORKER_LOST, *WORKER_REFUSALS]).count() < OWN_FAILURES_FORGIVEN
