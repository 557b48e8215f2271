"""The ledger under random events: duplicated, reordered, stale, with leases that expire and people who cancel and retry."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs.ledger import events_apply
from jobs.models import TERMINAL_STATUSES, Job, JobAttempt, JobEvent, JobStatus, OutboxMessage, Result
from jobs.reaper import leases_expire
from jobs.services import JobNotCancellable, JobNotRetryable, job_cancel, job_retry
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat, result_payload

ATTEMPT_OFFSETS = st.sampled_from([0, 0, 0, 0, -1, 1])
STAGES = st.sampled_from(["FETCHING", "PREPROCESSING", "INFERRING", "EXPLAINING", "STORING"])
CODES = st.sampled_from(["input:pixel_data_corrupt", "model:run_failed", "system:storage_unavailable", "newer:code", ""])


class LedgerMachine(RuleBasedStateMachine):
    """One job; everything that can reach it reaches it in any order."""

    make_job: Callable[..., Job]
    clock: Clock

    @initialize()
    def submit(self) -> None:
        self.pk = type(self).make_job().pk
        self.sent: list[dict[str, Any]] = []
        self.highest_attempt = 1
        self.ended_as: str | None = None

    def _job(self) -> Job:
        return Job.objects.select_related("study").get(pk=self.pk)

    def _apply(self, *messages: dict[str, Any]) -> None:
        self.sent += copy.deepcopy(messages)
        events_apply(list(messages))

    @rule(offset=ATTEMPT_OFFSETS)
    def start(self, offset: int) -> None:
        job = self._job()
        self._apply(event("started", job, attempt=job.attempt + offset))

    @rule(offset=ATTEMPT_OFFSETS, stage=STAGES)
    def progress(self, offset: int, stage: str) -> None:
        job = self._job()
        self._apply(event("progress", job, attempt=job.attempt + offset, stage=stage))

    @rule(offset=ATTEMPT_OFFSETS, suspicion=st.floats(0, 0.9))
    def succeed(self, offset: int, suspicion: float) -> None:
        job = self._job()
        payload = result_payload(job, attempt=job.attempt + offset, suspicion=suspicion)
        self._apply(event("succeeded", job, attempt=job.attempt + offset, result=payload))

    @rule(offset=ATTEMPT_OFFSETS, code=CODES)
    def fail(self, offset: int, code: str) -> None:
        job = self._job()
        self._apply(event("failed", job, attempt=job.attempt + offset, failure_code=code))

    @rule(offset=ATTEMPT_OFFSETS)
    def abandon(self, offset: int) -> None:
        job = self._job()
        self._apply(event("abandoned", job, attempt=job.attempt + offset))

    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        if self.sent:
            chosen = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=4))
            events_apply(copy.deepcopy(chosen))

    @rule(offset=ATTEMPT_OFFSETS)
    def send_end_before_start_in_one_message(self, offset: int) -> None:
        job = self._job()
        attempt = job.attempt + offset
        self._apply(event("succeeded", job, attempt=attempt), event("started", job, attempt=attempt))

    @rule(offset=ATTEMPT_OFFSETS)
    def beat(self, offset: int) -> None:
        job = self._job()
        self._apply(heartbeat((job, max(1, job.attempt + offset))))

    @rule(seconds=st.sampled_from([10, 45, 90]))
    def time_passes_and_the_reaper_looks(self, seconds: int) -> None:
        type(self).clock.advance(seconds)
        leases_expire()

    @rule()
    def cancel(self) -> None:
        if self._job().status in (JobStatus.SUCCEEDED, JobStatus.FAILED):
            with pytest.raises(JobNotCancellable):
                job_cancel(job_id=self.pk, cancelled_by=None)
        else:
            job_cancel(job_id=self.pk, cancelled_by=None)

    @rule()
    def retry(self) -> None:
        if self._job().status in (JobStatus.FAILED, JobStatus.CANCELLED):
            job_retry(job_id=self.pk, retried_by=None)
            self.ended_as = None
        else:
            with pytest.raises(JobNotRetryable):
                job_retry(job_id=self.pk, retried_by=None)

    @invariant()
    def a_result_exists_exactly_when_the_job_succeeded(self) -> None:
        job = self._job()
        results = list(Result.objects.filter(job=job).values_list("attempt", flat=True))
        assert results == ([job.attempt] if job.status == JobStatus.SUCCEEDED else [])

    @invariant()
    def attempts_only_rise_and_stay_allowed(self) -> None:
        job = self._job()
        assert self.highest_attempt <= job.attempt <= job.max_attempts
        self.highest_attempt = job.attempt

    @invariant()
    def an_end_is_final_until_someone_retries(self) -> None:
        job = self._job()
        if self.ended_as is not None:
            assert job.status == self.ended_as
        self.ended_as = job.status if job.status in TERMINAL_STATUSES else None
        assert (job.finished_at is not None) == (job.status in TERMINAL_STATUSES)
        assert bool(job.failure_code) == (job.status in (JobStatus.FAILED, JobStatus.CANCELLED))

    @invariant()
    def the_event_log_replays_to_the_present(self) -> None:
        job = self._job()
        status, attempt, stage = "", 1, ""
        events = list(JobEvent.objects.filter(job=job).order_by("id"))
        for recorded in events:
            assert recorded.from_status == status
            assert recorded.attempt >= attempt
            status, attempt, stage = recorded.to_status, recorded.attempt, recorded.stage
        assert (status, attempt, stage, len(events)) == (job.status, job.attempt, job.stage, job.revision)

    @invariant()
    def an_order_waits_exactly_while_the_job_is_queued(self) -> None:
        job = self._job()
        waiting = list(OutboxMessage.objects.filter(job=job, done=False).values_list("attempt", flat=True))
        assert waiting == ([job.attempt] if job.status == JobStatus.QUEUED else [])

    @invariant()
    def exactly_the_running_attempt_is_open(self) -> None:
        job = self._job()
        opened = list(JobAttempt.objects.filter(job=job, ended_at=None).values_list("number", flat=True))
        assert opened == ([job.attempt] if job.status == JobStatus.RUNNING else [])
        assert (job.lease_until is not None) == (job.status == JobStatus.RUNNING)


@pytest.mark.django_db
def test_random_histories_keep_every_promise(make_job: Callable[..., Job], moving_clock: Clock) -> None:
    machine = type("BoundLedgerMachine", (LedgerMachine,), {"make_job": staticmethod(make_job), "clock": moving_clock})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
        ),
    )
