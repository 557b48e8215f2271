"""When a failed attempt gets another one, and how long it waits. Decides; changes nothing."""

from __future__ import annotations

import datetime

from inference_worker.contract.failures import failure_for
from jobs.models import Job
from jobs.transitions import Change, Happening

_BACKOFF_FIRST_SECONDS = 1.0
_BACKOFF_MAXIMUM_SECONDS = 60.0


def backoff_seconds(*, attempt: int) -> float:
    """Seconds before the attempt after `attempt` may start: 1, 2, 4, … 60."""
    return min(_BACKOFF_MAXIMUM_SECONDS, _BACKOFF_FIRST_SECONDS * 2.0 ** min(attempt - 1, 10))


def attempt_failed(
    *, job: Job, code: str, detail: str, event_id: str, at: datetime.datetime, actor: str, now: datetime.datetime
) -> Change:
    """The change that a failed attempt means: another attempt where the code is retryable and one is left, else the end."""
    again = failure_for(code).retryable and job.attempt < job.max_attempts
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
