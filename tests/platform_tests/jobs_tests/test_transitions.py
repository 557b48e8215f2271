"""The transition table: every move that is drawn, and none that is not."""

from __future__ import annotations

import ast
import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import jobs
from jobs.changes import JobChanges
from jobs.ledger import events_apply
from jobs.models import Job, JobAttempt, JobEvent, JobStatus, OutboxMessage, Result
from jobs.services import job_cancel, job_retry
from jobs.transitions import TABLE, Change, Happening, Verdict, job_transition
from tests.platform_tests.jobs_tests.factories import event, result_payload

PLATFORM = Path(jobs.__file__).resolve().parents[1]
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    JobStatus.QUEUED,
    JobStatus.RUNNING,
    JobStatus.SUCCEEDED,
    JobStatus.FAILED,
    JobStatus.CANCELLED,
)


def bring_to(job: Job, status: JobStatus) -> Job:
    """A job in the given state, by the ways of the platform."""
    if status in (RUNNING, SUCCEEDED, FAILED):
        events_apply([event("started", job)])
    if status is SUCCEEDED:
        events_apply([event("succeeded", job)])
    if status is FAILED:
        events_apply([event("failed", job, failure_code="input:pixel_data_corrupt")])
    if status is CANCELLED:
        job_cancel(job_id=job.pk, cancelled_by=None)
    job.refresh_from_db()
    assert job.status == status
    return job


def change(job: Job, happening: Happening) -> Change:
    now = datetime.datetime.now(datetime.UTC)
    return Change(
        happening=happening,
        attempt=job.attempt,
        event_id=f"test-{happening}",
        at=now,
        stage="INFERRING",
        failure_code="system:worker_lost",
        not_before=now,
        result={
            "assessment": "assessed",
            "package_digest": job.package_id,
            "payload": result_payload(job),
        },
    )


@pytest.mark.parametrize("happening", list(Happening))
@pytest.mark.parametrize("status", list(JobStatus))
def test_only_what_is_drawn_can_happen(job: Job, status: JobStatus, happening: Happening) -> None:
    bring_to(job, status)
    before = Job.objects.values().get(pk=job.pk)
    changes = JobChanges()
    verdict = job_transition(job=job, change=change(job, happening), changes=changes)
    changes.save()
    after = Job.objects.values().get(pk=job.pk)
    implied = status is QUEUED and happening in (Happening.PROGRESS, Happening.SUCCEEDED, Happening.FAILED, Happening.REQUEUED)
    allowed = (status, happening) in TABLE or implied
    assert (verdict is Verdict.APPLIED) is allowed
    if allowed:
        assert after["status"] == TABLE[(RUNNING if implied else status, happening)]
        assert after["revision"] == before["revision"] + (2 if implied else 1)
    else:
        assert after == before


@pytest.mark.parametrize("status", [SUCCEEDED, FAILED, CANCELLED])
def test_an_ended_job_is_left_only_by_retry(status: JobStatus) -> None:
    ways_out = {happening for (source, happening) in TABLE if source is status}
    assert ways_out == ({Happening.RETRIED} if status is not SUCCEEDED else set())


def test_a_submitted_job_has_its_event_and_its_order(job: Job) -> None:
    assert (job.status, job.revision, job.attempt) == (QUEUED, 1, 1)
    recorded = JobEvent.objects.get(job=job)
    assert (recorded.kind, recorded.from_status, recorded.to_status, recorded.attempt) == ("submitted", "", "QUEUED", 1)
    order = OutboxMessage.objects.get(job=job)
    assert (order.queue, order.attempt, order.done, order.published_at) == ("routine", 1, False, None)
    assert order.order["artifact_prefix"] == f"sites/{job.site_id}/jobs/{job.pk}/1"
    assert [image["view_position"] for image in order.order["images"]] == ["CC", "MLO"]
    assert order.order["package_digest"] == job.package_id
    assert order.order["package_key"] == job.package.object_key


def test_success_writes_result_attempt_and_times(job: Job) -> None:
    events_apply([event("started", job), event("succeeded", job)])
    job.refresh_from_db()
    assert job.status == SUCCEEDED
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    assert job.lease_until is None
    result = Result.objects.get(job=job)
    assert (result.attempt, result.assessment, result.label, result.suspicion) == (1, "assessed", "malignant", 0.75)
    attempt = JobAttempt.objects.get(job=job)
    assert (attempt.number, attempt.outcome, attempt.provider) == (1, "succeeded", "CPUExecutionProvider")
    assert attempt.ended_at == job.finished_at


def test_progress_never_goes_back(job: Job) -> None:
    for stage in ("FETCHING", "INFERRING", "PREPROCESSING", "INFERRING"):
        events_apply([event("progress", job, stage=stage)])
    job.refresh_from_db()
    assert job.stage == "INFERRING"
    kinds = list(JobEvent.objects.filter(job=job).order_by("id").values_list("kind", "stage"))
    assert kinds == [("submitted", ""), ("started", ""), ("progress", "FETCHING"), ("progress", "INFERRING")]


def test_success_before_start_brings_an_implied_start(job: Job) -> None:
    late_start, success = event("started", job), event("succeeded", job)
    events_apply([success])
    events_apply([late_start])
    job.refresh_from_db()
    kinds = list(JobEvent.objects.filter(job=job).order_by("id").values_list("kind", "from_status", "to_status"))
    assert kinds == [("submitted", "", "QUEUED"), ("started", "QUEUED", "RUNNING"), ("succeeded", "RUNNING", "SUCCEEDED")]
    assert job.status == SUCCEEDED
    assert job.started_at is not None


def test_a_worker_with_a_wrong_clock_cannot_bend_time(job: Job) -> None:
    events_apply([event("started", job, occurred_at="2001-01-01T00:00:00Z")])
    events_apply([event("succeeded", job, occurred_at="2101-01-01T00:00:00+00:00")])
    job.refresh_from_db()
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.queued_at <= job.started_at <= job.finished_at <= datetime.datetime.now(datetime.UTC)


def test_retry_keeps_history_and_allows_fresh_attempts(job: Job, settings: object) -> None:
    bring_to(job, FAILED)
    job_retry(job_id=job.pk, retried_by=None)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.max_attempts, job.failure_code) == (QUEUED, 2, 11, "")
    assert job.finished_at is None
    assert list(job.attempts.values_list("number", "outcome", "failure_code")) == [(1, "failed", "input:pixel_data_corrupt")]
    waiting = OutboxMessage.objects.get(job=job, done=False)
    assert (waiting.attempt, waiting.order["attempt"]) == (2, 2)
    assert waiting.order["artifact_prefix"].endswith("/2")


def test_cancelling_a_queued_job_takes_its_order_back(job: Job) -> None:
    bring_to(job, CANCELLED)
    assert job.failure_code == "input:cancelled"
    assert not OutboxMessage.objects.filter(job=job, done=False).exists()
    assert OutboxMessage.objects.get(job=job).taken_at is None
    assert not JobAttempt.objects.filter(job=job).exists()


def test_cancelling_a_running_job_ends_its_attempt_and_calls_the_worker_back(
    job: Job, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable
) -> None:
    bring_to(job, RUNNING)
    called_back: list[object] = []
    monkeypatch.setattr("jobs.broker.attempts_abandon", lambda *, attempts: called_back.extend(attempts))
    with django_capture_on_commit_callbacks(execute=True):
        job_cancel(job_id=job.pk, cancelled_by=None)
    assert called_back == [(str(job.pk), 1)]
    assert JobAttempt.objects.get(job=job).outcome == "cancelled"
    events_apply([event("succeeded", job)])
    job.refresh_from_db()
    assert job.status == CANCELLED
    assert not Result.objects.exists()


def _writes_of_status(tree: ast.AST) -> list[int]:
    """Lines that assign `.status` or pass `status=` to a call that writes rows."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            owners = [t.value for t in targets if isinstance(t, ast.Attribute) and t.attr == "status"]
            lines += [node.lineno for owner in owners if not (isinstance(owner, ast.Name) and owner.id == "self")]
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            writes = name in {"Job", "update", "create", "get_or_create", "update_or_create", "bulk_update", "setattr"}
            named = any(keyword.arg == "status" for keyword in node.keywords)
            quoted = any(isinstance(leaf, ast.Constant) and leaf.value == "status" for arg in node.args for leaf in ast.walk(arg))
            if writes and (named or quoted):
                lines.append(node.lineno)
    return lines


#: Write a status of rows of their own: items of batches, answers that are kept, deliveries of webhooks.
OF_OTHER_ROWS = {
    "batches/changes.py",
    "batches/rounds.py",
    "batches/services.py",
    "common/idempotency_records.py",
    "notifications/deliveries.py",
}


def test_no_job_state_is_written_outside_the_ledger() -> None:
    written = {
        str(path.relative_to(PLATFORM)): lines
        for path in PLATFORM.rglob("*.py")
        if "migrations" not in path.parts and (lines := _writes_of_status(ast.parse(path.read_text())))
    }
    assert set(written) == {"jobs/transitions.py", *OF_OTHER_ROWS}
    for name in OF_OTHER_ROWS:
        source = (PLATFORM / name).read_text()
        assert not re.search(r"\bjob\.status\s*=[^=]|\bJob\.objects\b[^\n]*\.(update|bulk_update|create)\(|\bJob\(", source), name
    saves = [
        str(path.relative_to(PLATFORM))
        for path in PLATFORM.rglob("*.py")
        if "_JOB_FIELDS" in path.read_text() or "Job.objects.bulk_" in path.read_text()
    ]
    assert saves == ["jobs/changes.py"]


@pytest.mark.parametrize(
    "source",
    [
        "job.status = 'FAILED'",
        "Job.objects.filter(pk=1).update(status='FAILED')",
        "Job(status='QUEUED')",
        "setattr(job, 'status', 1)",
    ],
)
def test_the_check_finds_each_way_of_writing_a_state(source: str) -> None:
    assert _writes_of_status(ast.parse(source)) == [1]
