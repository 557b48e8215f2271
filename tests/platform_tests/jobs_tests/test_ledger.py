"""The ledger: idempotent, fenced, deaf to nonsense, and cheap."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import Reject
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from jobs import ledger
from jobs.heartbeats import leases_renew
from jobs.ledger import events_apply
from jobs.ledger_tasks import apply_events
from jobs.models import Job, JobAttempt, JobEvent, JobStatus, OutboxMessage, Result, WorkerStatus
from jobs.reaper import leases_expire
from jobs.services import job_cancel
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, heartbeat, result_payload


@pytest.fixture
def called_back(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Attempts that workers were told to abandon."""
    told: list[tuple[str, int]] = []
    monkeypatch.setattr("jobs.broker.attempts_abandon", lambda *, attempts: told.extend(attempts))
    return told


def test_a_message_delivered_twice_changes_nothing_the_second_time(job: Job) -> None:
    message = [event("started", job), event("progress", job, stage="INFERRING"), event("succeeded", job)]
    assert events_apply(message).counts == {"applied": 3}
    before = (Job.objects.values().get(), list(JobEvent.objects.values()), Result.objects.values().get())
    assert events_apply(message).counts == {"repeated": 3}
    assert (Job.objects.values().get(), list(JobEvent.objects.values()), Result.objects.values().get()) == before


def test_an_event_id_counts_once_whatever_comes_under_it(job: Job) -> None:
    events_apply([event("started", job, event_id="same")])
    later = event("failed", job, event_id="same", failure_code="input:pixel_data_corrupt")
    assert events_apply([later]).counts == {"repeated": 1}
    summary = events_apply([event("progress", job, event_id="other", stage="STORING"), later])
    assert summary.counts == {"applied": 1, "repeated": 1}
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING


def test_a_second_success_of_the_same_attempt_does_not_replace_the_first(job: Job) -> None:
    events_apply([event("succeeded", job, result=result_payload(job, suspicion=0.7))])
    events_apply([event("succeeded", job, result=result_payload(job, suspicion=0.1))])
    assert Result.objects.get(job=job).suspicion == 0.7


def test_events_of_an_earlier_attempt_are_ignored_and_called_back(
    job: Job, called_back: list[tuple[str, int]], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    events_apply([event("failed", job, failure_code="model:run_failed")])
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 2)
    with django_capture_on_commit_callbacks(execute=True):
        summary = events_apply([event("started", job, attempt=1), event("succeeded", job, attempt=1)])
    assert summary.counts == {"stale": 2}
    assert called_back == [(str(job.pk), 1)]
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 2)


def test_a_retryable_failure_waits_longer_each_time_and_ends_at_the_last_attempt(job: Job, moving_clock: Clock) -> None:
    waits = []
    for attempt in (1, 2):
        events_apply([event("failed", job, attempt=attempt, failure_code="model:run_failed")])
        waiting = OutboxMessage.objects.get(job=job, done=False)
        waits.append((waiting.not_before - moving_clock.now()).total_seconds())
    events_apply([event("failed", job, attempt=3, failure_code="model:run_failed", failure_detail="shape")])
    job.refresh_from_db()
    assert [1 <= waits[0] <= 1.6, 2 <= waits[1] <= 3.1] == [True, True], waits
    assert (job.status, job.failure_code, job.failure_detail) == (JobStatus.FAILED, "model:run_failed", "shape")
    assert list(JobAttempt.objects.order_by("number").values_list("number", "outcome")) == [
        (1, "requeued"),
        (2, "requeued"),
        (3, "failed"),
    ]


def test_an_input_failure_is_final_at_once(job: Job) -> None:
    events_apply([event("failed", job, failure_code="input:pixel_data_truncated")])
    job.refresh_from_db()
    assert (job.status, job.attempt, job.failure_code) == (JobStatus.FAILED, 1, "input:pixel_data_truncated")


@pytest.mark.parametrize(("code", "kept"), [("system:newer_worker", "system:newer_worker"), ("DROP TABLE", "system:unexpected")])
def test_an_unknown_failure_code_is_kept_and_a_malformed_one_is_not(job: Job, code: str, kept: str) -> None:
    for attempt in (1, 2, 3):
        events_apply([event("failed", job, attempt=attempt, failure_code=code)])
    job.refresh_from_db()
    assert (job.status, job.failure_code) == (JobStatus.FAILED, kept)


def _broken_results(job: Job) -> dict[str, Any]:
    good = result_payload(job)

    def with_image(**fields: Any) -> dict[str, Any]:
        return {**good, "images": [{**good["images"][0], **fields}, *good["images"][1:]]}

    return {
        "missing": None,
        "empty": {},
        "not a number": {**good, "study": {**good["study"], "suspicion": math.nan}},
        "text as score": with_image(probabilities={"normal": "0", "benign": 0, "malignant": 1}),
        "class missing": with_image(probabilities={"normal": 0.5}),
        "label unknown": with_image(label="cat"),
        "another package": {**good, "package_digest": "sha256:" + "f" * 64},
        "another site's file": with_image(preview_key="sites/someone/jobs/else/1/preview.png"),
        "climbing": with_image(preview_key=f"sites/{job.site_id}/jobs/{job.pk}/1/../../preview.png"),
        "next attempt's folder": with_image(preview_key=f"sites/{job.site_id}/jobs/{job.pk}/11/preview.png"),
        "NUL": {**good, "provider": "a\x00b"},
    }


@pytest.mark.parametrize(
    "name",
    [
        "missing",
        "empty",
        "not a number",
        "text as score",
        "class missing",
        "label unknown",
        "another package",
        "another site's file",
        "climbing",
        "next attempt's folder",
        "NUL",
    ],
)
def test_a_result_that_cannot_be_trusted_is_a_contract_violation(job: Job, name: str) -> None:
    events_apply([event("succeeded", job, result=_broken_results(job)[name])])
    job.refresh_from_db()
    assert (job.status, job.failure_code) == (JobStatus.FAILED, "system:contract_violation")
    assert not Result.objects.exists()


def test_nonsense_in_a_message_does_not_block_its_neighbours(job: Job) -> None:
    stranger = event("started", job)
    stranger["job_id"] = "00000000-0000-0000-0000-000000000000"
    nonsense: list[Any] = [
        None,
        7,
        "text",
        [],
        {},
        {"kind": "started"},
        {**event("started", job), "job_id": "not-a-uuid"},
        {**event("started", job), "occurred_at": "yesterday"},
        {**event("started", job), "event_id": ""},
        {**event("started", job), "attempt": "1"},
        {**event("started", job), "contract_version": 99},
        stranger,
    ]
    summary = events_apply([*nonsense, event("succeeded", job), heartbeat((job, 1))])
    assert summary.counts == {"unreadable": 11, "unknown_job": 1, "applied": 1, "heartbeat": 1}
    job.refresh_from_db()
    assert job.status == JobStatus.SUCCEEDED


@pytest.mark.parametrize("message", [None, "text", 3, {"kind": "started"}])
def test_a_message_that_is_no_list_is_dropped(db: None, message: Any) -> None:
    assert not events_apply(message).counts


def test_hostile_text_is_stored_harmlessly(job: Job) -> None:
    worker = "w\x00\ud800" + "x" * 500
    events_apply([event("started", job, event_id="\x00" * 300, worker=worker, provider="p\x00" * 99)])
    events_apply(
        [event("failed", job, worker=worker, failure_code="input:pixel_data_corrupt", failure_detail="\x00" + "d" * 900)]
    )
    job.refresh_from_db()
    assert (job.worker, job.failure_detail) == ("w?" + "x" * 98, "d" * 500)


def test_an_event_that_the_database_refuses_is_left_out_alone(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poisoned, last = make_job(), make_job(), make_job()
    real = ledger.result_columns

    def poison(*, payload: Any, job: Job) -> dict[str, Any]:
        columns = real(payload=payload, job=job)
        return columns | ({"assessment": None} if job.pk == poisoned.pk else {})

    monkeypatch.setattr(ledger, "result_columns", poison)
    summary = events_apply([event("succeeded", job) for job in (first, poisoned, last)])
    assert summary.counts == {"applied": 2, "refused": 1}
    states = {job.pk: Job.objects.get(pk=job.pk).status for job in (first, poisoned, last)}
    assert states == {first.pk: "SUCCEEDED", poisoned.pk: "QUEUED", last.pk: "SUCCEEDED"}


def test_a_heartbeat_extends_the_lease_without_touching_the_revision(job: Job, moving_clock: Clock, settings: Any) -> None:
    events_apply([event("started", job)])
    revision = Job.objects.get().revision
    moving_clock.advance(settings.JOB_LEASE_SECONDS - 1)
    events_apply([heartbeat((job, 1), concurrency=4)])
    moving_clock.advance(settings.JOB_LEASE_SECONDS - 1)
    assert leases_expire() == 0
    job.refresh_from_db()
    assert (job.status, job.revision) == (JobStatus.RUNNING, revision)
    status = WorkerStatus.objects.get(name="worker-1")
    assert (status.kind, status.concurrency, status.active, status.provider) == ("worker", 4, 1, "CPUExecutionProvider")


def test_a_heartbeat_that_still_holds_a_cancelled_job_is_told_again(
    job: Job, called_back: list[tuple[str, int]], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    events_apply([event("started", job)])
    job_cancel(job_id=job.pk, cancelled_by=None)
    with django_capture_on_commit_callbacks(execute=True):
        events_apply([heartbeat((job, 1))])
    assert called_back == [(str(job.pk), 1)]


def test_a_start_of_a_cancelled_job_is_called_back(
    job: Job, called_back: list[tuple[str, int]], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    job_cancel(job_id=job.pk, cancelled_by=None)
    with django_capture_on_commit_callbacks(execute=True):
        events_apply([event("started", job)])
    assert called_back == [(str(job.pk), 1)]
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_worker_that_gives_a_job_back_costs_it_one_attempt(job: Job) -> None:
    events_apply([event("started", job), event("abandoned", job)])
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 2)


def test_a_ledger_that_comes_back_gives_every_running_job_a_fresh_lease(job: Job, moving_clock: Clock, settings: Any) -> None:
    events_apply([event("started", job)])
    moving_clock.advance(settings.JOB_LEASE_SECONDS * 5)
    assert leases_renew() == 1
    assert leases_expire() == 0


def test_start_and_success_cost_few_queries(make_job: Callable[..., Job]) -> None:
    one = make_job()
    message = [event("started", one), event("succeeded", one)]
    with CaptureQueriesContext(connection) as queries:
        events_apply(message)
    assert len(_statements(queries)) <= 10  # one of them asks whether a batch has the job, one who is told of its end
    several = [make_job() for _ in range(10)]
    messages = [message for job in several for message in (event("started", job), event("succeeded", job))]
    with CaptureQueriesContext(connection) as queries:
        events_apply(messages)
    assert len(_statements(queries)) <= 9 + len(several)
    assert set(Job.objects.values_list("status", flat=True)) == {"SUCCEEDED"}


def _statements(queries: CaptureQueriesContext) -> list[str]:
    return [q["sql"] for q in queries.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]


def test_the_task_notes_its_own_heartbeat_even_for_an_empty_message(db: None) -> None:
    apply_events([])
    status = WorkerStatus.objects.get(kind="ledger")
    assert abs((status.last_seen_at - datetime.datetime.now(datetime.UTC)).total_seconds()) < 5


def test_while_the_database_is_away_messages_go_back_to_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(events: object) -> None:
        raise OperationalError("the database system is starting up")

    monkeypatch.setattr("jobs.ledger_tasks.events_apply", away)
    monkeypatch.setattr("jobs.ledger_tasks._DATABASE_AWAY_PAUSE_SECONDS", 0)
    monkeypatch.setattr("jobs.ledger_tasks.close_old_connections", lambda: None)
    with pytest.raises(Reject) as rejected:
        apply_events([])
    assert rejected.value.requeue is True


@pytest.mark.parametrize(
    "spoilt",
    [
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"occurred_at": "9999-12-31T23:59:59-14:00"},
        {"event_id": "\ud800"},
        {"worker": "\udfff", "provider": "\ud800\x00"},
        {"attempt": 2**70},
    ],
)
def test_an_event_that_no_database_takes_does_not_block_its_neighbours(
    job: Job, make_job: Callable[..., Job], spoilt: dict[str, Any]
) -> None:
    other = make_job()
    bad = {**event("started", job), **spoilt}
    events_apply([bad, event("started", other), event("succeeded", other)])
    other.refresh_from_db()
    assert other.status == JobStatus.SUCCEEDED
    job.refresh_from_db()
    assert job.status in (JobStatus.QUEUED, JobStatus.RUNNING)


def test_a_result_that_no_database_takes_does_not_block_its_neighbours(job: Job, make_job: Callable[..., Job]) -> None:
    other = make_job()
    bad = event("succeeded", job)
    bad["result"]["classes"][2] = bad["result"]["study"]["label"] = "\ud800"
    for scored in (bad["result"]["study"], *bad["result"]["breasts"], *bad["result"]["images"]):
        for name in ("probabilities", "calibrated_probabilities", "logits"):
            if name in scored:
                scored[name]["\ud800"] = scored[name].pop("malignant")
        scored["label"] = "\ud800"
    events_apply([bad, event("started", other), event("succeeded", other)])
    other.refresh_from_db()
    assert other.status == JobStatus.SUCCEEDED
    assert not Result.objects.filter(job=job).exists()
