"""How many attempts a failure leaves: few where the job is the likely cause, many where the platform is."""

from __future__ import annotations

import pytest

from jobs.ledger import events_apply
from jobs.models import Job, JobStatus
from jobs.policy import backoff_seconds
from jobs.services import job_retry
from tests.platform_tests.jobs_tests.factories import event

RAISED, LOST, AWAY = "model:run_failed", "system:worker_lost", "system:storage_unavailable"


def fail(job: Job, *codes: str) -> Job:
    """The job after one attempt for each code."""
    for code in codes:
        job.refresh_from_db()
        assert job.status == JobStatus.QUEUED, code
        events_apply([event("started", job), event("failed", job, failure_code=code)])
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("codes", "ends"),
    [
        ([RAISED] * 2, False),
        ([RAISED] * 3, True),
        (["system:unexpected", RAISED, "system:timeout"], True),
        ([LOST] * 5, False),
        ([LOST] * 6, True),
        ([AWAY] * 9, False),
        ([AWAY] * 10, True),
        ([LOST] * 3 + [AWAY] * 3 + [RAISED] * 2, False),
        ([LOST, RAISED, AWAY, RAISED, LOST, RAISED], True),
        (["model:not_finite"], True),
    ],
)
def test_each_kind_of_failure_has_an_allowance_of_its_own(job: Job, codes: list[str], ends: bool) -> None:
    after = fail(job, *codes)

    assert after.status == (JobStatus.FAILED if ends else JobStatus.QUEUED)
    assert after.attempt == len(codes) + (not ends)
    assert after.failure_code == (codes[-1] if ends else "")


def test_a_retry_by_hand_forgives_everything_again(job: Job) -> None:
    fail(job, RAISED, RAISED, RAISED)
    job_retry(job_id=job.pk, retried_by=None)

    assert fail(job, RAISED, RAISED).status == JobStatus.QUEUED
    assert fail(job, RAISED).status == JobStatus.FAILED


def test_pauses_double_and_are_never_the_same_for_all() -> None:
    for attempt, pause in ((1, 1), (2, 2), (5, 16), (7, 60), (9_000, 60)):
        drawn = [backoff_seconds(attempt=attempt) for _ in range(50)]
        assert all(pause <= seconds <= 1.5 * pause for seconds in drawn)
        assert len(set(drawn)) > 1
