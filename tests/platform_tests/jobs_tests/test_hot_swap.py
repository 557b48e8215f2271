"""Workers and packages: who is ready, and what becomes of a job whose worker cannot serve its package."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from catalog.models import Deployment
from catalog.requests import deployment_request
from common import clock
from common.object_store import ObjectStore
from inference_worker.contract.events import WorkerHeartbeat
from jobs.api import registry_serializers as shapes
from jobs.hot_swap import packages_announce, packages_in_service
from jobs.ledger import events_apply
from jobs.models import Job, WorkerStatus
from jobs.policy import PASSED_ON_MAXIMUM
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, package_in, shape_of

pytestmark = pytest.mark.django_db


def beat(worker: str, *, loaded: tuple[str, ...] = (), refused: dict[str, Any] | None = None) -> None:
    heartbeat = WorkerHeartbeat(
        event_id=uuid.uuid4().hex,
        worker=worker,
        occurred_at=clock.now().isoformat(),
        active=(),
        concurrency=2,
        loaded_packages=loaded,
        refused_packages=refused,
    )
    events_apply([heartbeat.to_wire()])


def refuse(job: Job, worker: str, code: str = "model:golden_mismatch") -> Job:
    job = Job.objects.get(pk=job.pk)
    events_apply([event("started", job, worker=worker), event("failed", job, worker=worker, failure_code=code)])
    return Job.objects.get(pk=job.pk)


def test_readiness_follows_the_heartbeats(
    deployment: Deployment, administrator: User, client_of: Callable[[User], APIClient], api: APIClient, moving_clock: Clock
) -> None:
    digest = deployment.package_id
    url = f"/api/v1/packages/{digest}/readiness"
    client = client_of(administrator)
    assert api.get(url).status_code == 403
    assert client.get(url).json() == {"state": "no_workers", "workers": []}
    beat("a")
    assert client.get(url).json()["state"] == "loading"
    beat("a", loaded=(digest,))
    beat("b", loaded=(digest,))
    answer = client.get(url).json()
    assert (answer["state"], set(answer)) == ("ready", shape_of(shapes.ReadinessSerializer()))
    beat("b", refused={digest: "model:golden_mismatch"})
    answer = client.get(url).json()
    assert (answer["state"], answer["workers"][1]["code"]) == ("partial", "model:golden_mismatch")
    assert "golden" in answer["workers"][1]["message"]
    beat("a", refused={digest: "model:session_failed"})
    assert client.get(url).json()["state"] == "refused"
    moving_clock.advance(3600)
    assert client.get(url).json()["state"] == "no_workers"
    assert client.get("/api/v1/packages/sha256:none/readiness").status_code == 404


def test_a_refusing_worker_passes_the_job_on_and_the_job_pays_nothing(job: Job) -> None:
    beat("a")
    beat("b", loaded=(job.package_id,))
    allowance = job.max_attempts - job.attempt
    for _ in range(3):
        job = refuse(job, "a")
        assert (job.status, job.max_attempts - job.attempt) == ("QUEUED", allowance)
        assert (job.queued_at - clock.now()).total_seconds() < 1.5
    assert WorkerStatus.objects.get(name="a").refused_packages == {job.package_id: "model:golden_mismatch"}
    events_apply([event("started", job, worker="b"), event("succeeded", job, worker="b")])
    assert Job.objects.get(pk=job.pk).status == "SUCCEEDED"


def test_the_only_worker_that_refuses_fails_the_job(job: Job) -> None:
    beat("a")
    job = refuse(job, "a")
    assert (job.status, job.failure_code) == ("FAILED", "model:golden_mismatch")


def test_when_every_worker_has_refused_the_job_fails_without_going_round(job: Job) -> None:
    beat("a")
    beat("b")
    job = refuse(job, "a")
    assert job.status == "QUEUED"
    job = refuse(job, "b", code="model:session_failed")
    assert (job.status, job.failure_code, job.attempt) == ("FAILED", "model:session_failed", 2)


def test_a_job_is_not_passed_on_for_ever(job: Job) -> None:
    beat("a")
    beat("b", loaded=(job.package_id,))
    for _ in range(PASSED_ON_MAXIMUM + 1):
        job = refuse(job, "a")
    assert (job.status, job.attempt) == ("FAILED", PASSED_ON_MAXIMUM + 1)


def test_a_worker_that_recovered_says_so(job: Job) -> None:
    beat("a", refused={job.package_id: "model:golden_mismatch"})
    beat("a", loaded=(job.package_id,))
    assert WorkerStatus.objects.get(name="a").refused_packages == {}


def test_a_change_is_broadcast_to_the_workers(
    redis_broker: Any,
    deployment: Deployment,
    store: ObjectStore,
    tmp_path: Path,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = package_in(tmp_path, version="2.0.0")
    said: list[list[dict[str, str]]] = []
    monkeypatch.setattr("jobs.broker.packages_announce", lambda *, packages: said.append(packages))
    with django_capture_on_commit_callbacks(execute=True):
        deployment_request(kind="activate", name="default", site=None, requested_by=None, reason="a new model", package=new)
    assert said == [[{"digest": new.pk, "key": new.object_key}]]


def test_candidates_are_in_service_too(deployment: Deployment, store: ObjectStore, tmp_path: Path) -> None:
    new = package_in(tmp_path, version="2.0.0")
    package_in(tmp_path, version="3.0.0")
    deployment_request(
        kind="candidate_start",
        name="default",
        site=None,
        requested_by=None,
        reason="a new model",
        package=new,
        candidate_mode="shadow",
        candidate_share=1.0,
    )
    expected = sorted((row.pk, row.object_key) for row in (deployment.package, new))
    assert [(row["digest"], row["key"]) for row in packages_in_service()] == expected


def test_a_broker_that_is_away_does_not_keep_a_change_from_being_made(settings: Any, deployment: Deployment) -> None:
    from jobs import broker

    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    broker.celery_app.cache_clear()
    try:
        packages_announce()
    finally:
        broker.celery_app.cache_clear()
