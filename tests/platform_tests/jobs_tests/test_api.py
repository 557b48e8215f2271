"""Jobs and studies over HTTP: the contract of API v1, site by site and role by role."""

from __future__ import annotations

import datetime
import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from PIL import Image as PillowImage
from rest_framework.test import APIClient

from accounts.models import Site, User
from catalog.models import Deployment
from common.object_store import ObjectStore
from inference_worker.contract.failures import CATALOGUE
from jobs.api import job_serializers, serializers
from jobs.ledger import events_apply
from jobs.models import Job, JobAttempt, JobEvent, OutboxMessage
from studies.models import Image, StoredObject, Study
from tests.platform_tests.jobs_tests.factories import event, heartbeat, shape_of, succeed


def png(shade: int = 90, name: str = "view.png") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    PillowImage.new("L", (96, 128), shade).save(buffer, "PNG")
    return SimpleUploadedFile(name, buffer.getvalue(), content_type="image/png")


# ── Submitting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_study_is_accepted_with_a_place_to_follow_it(api: APIClient, deployment: Deployment) -> None:
    body = {
        "files": [png(90), png(120)],
        "external_id": "case-17",
        "priority": "stat",
        "image_laterality": ["L", "R"],
        "view_position": ["CC", "MLO"],
    }
    answer = api.post("/api/v1/studies", body, format="multipart")
    assert answer.status_code == 202, answer.json()
    accepted = answer.json()
    job = Job.objects.select_related("study").get()
    assert accepted == {"id": str(job.study_id), "job": {"id": str(job.pk), "url": f"/api/v1/jobs/{job.pk}"}}
    assert answer["Location"] == f"http://testserver/api/v1/jobs/{job.pk}"
    assert 1 <= int(answer["Retry-After"]) <= 30
    assert (job.status, job.priority, job.study.external_id, job.package_id) == (
        "QUEUED",
        "stat",
        "case-17",
        deployment.package_id,
    )
    order = OutboxMessage.objects.get().order
    assert [(image["image_laterality"], image["view_position"]) for image in order["images"]] == [("L", "CC"), ("R", "MLO")]


def test_a_submission_that_fails_halfway_leaves_no_row(
    api: APIClient, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*, wanted: object) -> None:
        raise RuntimeError("the outbox is broken")

    monkeypatch.setattr("jobs.changes.orders_write", refuse)
    api.raise_request_exception = False
    answer = api.post("/api/v1/studies", {"files": [png()]}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (500, "system:unexpected")
    for model in (Study, Image, StoredObject, Job, JobEvent, OutboxMessage):
        assert not model.objects.exists()


def test_a_submission_costs_few_queries(api: APIClient, deployment: Deployment) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert api.post("/api/v1/studies", {"files": [png(10), png(20)]}, format="multipart").status_code == 202
    assert len([q for q in queries.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]) <= 18


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "input:no_files"),
        ({"files": [SimpleUploadedFile("a.png", b"no image")]}, 422, "input:not_an_image"),
        ({"files": [png()], "priority": "asap"}, 400, "input:invalid_field"),
        ({"files": [png()], "deployment": "nobody"}, 422, "input:unknown_deployment"),
        ({"files": [png()], "external_id": "x" * 129}, 400, "input:invalid_field"),
        ({"files": [png()], "image_laterality": ["X"]}, 400, "input:invalid_field"),
        ({"files": [png()], "view_position": ["CC", "MLO"]}, 400, "input:invalid_field"),
        ({"image": [png()]}, 400, "input:invalid_field"),
    ],
)
def test_a_bad_submission_is_refused_with_its_code(
    api: APIClient, deployment: Deployment, body: dict[str, Any], status: int, code: str
) -> None:
    for file in body.get("files", []) + body.get("image", []):
        file.seek(0)
    answer = api.post("/api/v1/studies", body, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["action"]
    assert not Job.objects.exists()
    assert not Study.objects.exists()


def test_without_a_model_in_service_nothing_is_accepted(api: APIClient, store: ObjectStore) -> None:
    answer = api.post("/api/v1/studies", {"files": [png()]}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (503, "model:none_deployed")


def test_a_submission_that_is_neither_form_nor_json_is_415(api: APIClient, deployment: Deployment) -> None:
    assert api.post("/api/v1/studies", "files", content_type="text/plain").status_code == 415
    assert api.post("/api/v1/studies", {"files": []}, format="json").status_code == 400  # JSON names uploads


# ── Who sees and does what ────────────────────────────────────────────────────────────────────────────────────────────


def test_another_sites_objects_do_not_exist(api: APIClient, other_api: APIClient, job: Job) -> None:
    succeed(job)
    base = f"/api/v1/jobs/{job.pk}"
    preview = api.get(f"{base}/result").json()["images"][0]["preview"]["url"]
    reads = [base, f"{base}/events", f"{base}/result", preview, f"/api/v1/studies/{job.study_id}"]
    for address in reads:
        answer = other_api.get(address)
        assert (address, answer.status_code) == (address, 404)
        assert answer.json()["code"] == "request:not_found"
    for action in ("cancel", "retry"):
        assert other_api.post(f"{base}/{action}").status_code == 404
    assert other_api.get("/api/v1/jobs").json()["results"] == []
    assert other_api.get("/api/v1/studies").json()["results"] == []
    assert other_api.get("/api/v1/jobs/summary").json()["counts"]["SUCCEEDED"] == 0
    assert other_api.get(f"/api/v1/jobs?study={job.study_id}").json()["results"] == []
    job.refresh_from_db()
    assert job.status == "SUCCEEDED"


NOBODY = uuid.UUID(int=0, version=4)  # a constant, so that every process of a run collects the same names
ADDRESSES = [
    ("get", "/api/v1/studies"),
    ("post", "/api/v1/studies"),
    ("get", f"/api/v1/studies/{NOBODY}"),
    ("get", "/api/v1/jobs"),
    ("get", "/api/v1/jobs/summary"),
    ("get", f"/api/v1/jobs/{NOBODY}"),
    ("get", f"/api/v1/jobs/{NOBODY}/events"),
    ("get", f"/api/v1/jobs/{NOBODY}/result"),
    ("get", f"/api/v1/jobs/{NOBODY}/artifacts/a.png"),
    ("post", f"/api/v1/jobs/{NOBODY}/cancel"),
    ("post", f"/api/v1/jobs/{NOBODY}/retry"),
    ("get", "/api/v1/failures"),
    ("get", "/api/v1/deployments"),
]


@pytest.mark.parametrize(("method", "address"), ADDRESSES)
def test_nobody_gets_in_without_credentials(db: None, method: str, address: str) -> None:
    answer = getattr(APIClient(), method)(address)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth:required")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_reader_reads_and_changes_nothing(reader: User, client_of: Callable[[User], APIClient], job: Job) -> None:
    client = client_of(reader)
    assert client.get(f"/api/v1/jobs/{job.pk}").status_code == 200
    for address in (f"/api/v1/jobs/{job.pk}/cancel", f"/api/v1/jobs/{job.pk}/retry"):
        assert client.post(address).status_code == 403
    assert client.post("/api/v1/studies", {"files": [png()]}, format="multipart").status_code == 403
    job.refresh_from_db()
    assert job.status == "QUEUED"


# ── Following a job ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_queued_job_tells_its_place_and_what_can_be_done(api: APIClient, make_job: Callable[..., Job]) -> None:
    make_job(priority="stat")
    job = make_job(external_id="case-9")
    document = api.get(f"/api/v1/jobs/{job.pk}").json()
    assert set(document) == shape_of(job_serializers.JobSerializer())
    assert document["study"] == {"id": str(job.study_id), "external_id": "case-9", "is_sample": False}
    assert (document["status"], document["queue_position"], document["eta_seconds"]) == ("QUEUED", 2, None)
    assert document["package"] == {"name": "known-answer", "version": "1.0.0", "digest": job.package_id}
    assert document["actions"] == {"cancel": True, "retry": False}
    assert (document["failure"], document["outcome"], document["result_url"]) == (None, None, None)
    assert document["created_at"].endswith("Z")


def test_an_unchanged_job_is_304_and_a_changed_one_is_not(api: APIClient, job: Job) -> None:
    address = f"/api/v1/jobs/{job.pk}"
    first = api.get(address)
    assert first["ETag"].startswith('W/"')
    assert first["Retry-After"] == "2"
    with CaptureQueriesContext(connection) as queries:
        second = api.get(address, headers={"If-None-Match": first["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second["ETag"] == first["ETag"]
    assert len(queries) <= 7  # token, job, and for a queued one its place (5)
    events_apply([event("started", job)])
    third = api.get(address, headers={"If-None-Match": first["ETag"]})
    assert (third.status_code, third.json()["status"]) == (200, "RUNNING")
    with CaptureQueriesContext(connection) as queries:
        assert api.get(address, headers={"If-None-Match": third["ETag"]}).status_code == 304
    assert len(queries) <= 2
    succeed(job)
    last = api.get(address)
    assert "Retry-After" not in last
    with CaptureQueriesContext(connection) as queries:
        assert api.get(address, headers={"If-None-Match": last["ETag"]}).status_code == 304
    assert len(queries) <= 2


def test_moving_up_in_the_queue_changes_the_etag(api: APIClient, make_job: Callable[..., Job]) -> None:
    ahead, job = make_job(), make_job()
    etag = api.get(f"/api/v1/jobs/{job.pk}")["ETag"]
    events_apply([event("started", ahead)])
    answer = api.get(f"/api/v1/jobs/{job.pk}", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json()["queue_position"]) == (200, 1)


def test_a_failed_job_says_why_and_what_to_do(api: APIClient, job: Job) -> None:
    events_apply([event("failed", job, failure_code="input:pixel_data_corrupt", failure_detail="image 0: bad marker")])
    document = api.get(f"/api/v1/jobs/{job.pk}").json()
    words = CATALOGUE["input:pixel_data_corrupt"]
    assert document["failure"] == {
        "code": "input:pixel_data_corrupt",
        "title": words.title,
        "message": words.message,
        "action": words.action,
        "retryable": False,
        "detail": "image 0: bad marker",
    }
    assert document["actions"] == {"cancel": False, "retry": True}


def test_history_tells_every_change(api: APIClient, job: Job, submitter: User) -> None:
    events_apply([event("started", job), event("progress", job, stage="INFERRING")])
    api.post(f"/api/v1/jobs/{job.pk}/cancel")
    results = api.get(f"/api/v1/jobs/{job.pk}/events").json()["results"]
    assert [(entry["kind"], entry["from_status"], entry["to_status"], entry["stage"]) for entry in results] == [
        ("submitted", None, "QUEUED", None),
        ("started", "QUEUED", "RUNNING", None),
        ("progress", "RUNNING", "RUNNING", "INFERRING"),
        ("cancelled", "RUNNING", "CANCELLED", None),
    ]
    assert results[-1]["actor"] == f"user:{submitter.pk}"
    assert set(results[0]) == shape_of(job_serializers.EventSerializer())


def test_cancel_and_retry(api: APIClient, job: Job) -> None:
    cancelled = api.post(f"/api/v1/jobs/{job.pk}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "CANCELLED")
    assert cancelled.json()["failure"]["code"] == "input:cancelled"
    assert api.post(f"/api/v1/jobs/{job.pk}/cancel").status_code == 202
    retried = api.post(f"/api/v1/jobs/{job.pk}/retry")
    assert retried.status_code == 202
    assert (retried.json()["status"], retried.json()["attempt"], retried.json()["queue_position"]) == ("QUEUED", 2, 1)
    again = api.post(f"/api/v1/jobs/{job.pk}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "job:not_retryable")


def test_a_finished_job_is_neither_cancelled_nor_retried(api: APIClient, job: Job) -> None:
    succeed(job)
    for action, code in (("cancel", "job:not_cancellable"), ("retry", "job:not_retryable")):
        answer = api.post(f"/api/v1/jobs/{job.pk}/{action}")
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert "SUCCEEDED" in answer.json()["detail"]


# ── Lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_is_newest_first_filtered_and_paged(api: APIClient, make_job: Callable[..., Job]) -> None:
    jobs = [make_job(priority=priority, external_id=f"case-{n}") for n, priority in enumerate(["routine", "stat", "backfill"])]
    succeed(jobs[0])

    def listed(query: str = "") -> list[str]:
        return [document["id"] for document in api.get(f"/api/v1/jobs{query}").json()["results"]]

    ids = [str(job.pk) for job in jobs]
    assert listed() == ids[::-1]
    assert listed("?status=SUCCEEDED") == [ids[0]]
    assert listed("?status=SUCCEEDED&status=QUEUED") == ids[::-1]
    assert listed("?priority=stat") == [ids[1]]
    assert listed("?external_id=case-2") == [ids[2]]
    assert listed("?external_id=case") == []
    assert listed("?search=ASE-2") == [ids[2]]
    assert listed(f"?study={jobs[1].study_id}") == [ids[1]]
    first = api.get("/api/v1/jobs?page_size=2").json()
    second = api.get(first["next"]).json()
    assert [document["id"] for document in first["results"] + second["results"]] == ids[::-1]
    assert second["next"] is None
    positions = {document["id"]: document["queue_position"] for document in api.get("/api/v1/jobs").json()["results"]}
    assert positions == {ids[0]: None, ids[1]: 1, ids[2]: 2}
    outcome = next(d for d in api.get("/api/v1/jobs").json()["results"] if d["id"] == ids[0])["outcome"]
    threshold = jobs[0].package.manifest["suspicion"]["threshold"]
    assert outcome == {
        "assessment": "assessed",
        "label": "malignant",
        "suspicion": 0.75,
        "threshold": threshold,
        "above_threshold": True,
    }
    assert 0 < threshold <= 0.75


@pytest.mark.parametrize("query", ["status=DONE", "priority=asap", "study=seven"])
def test_a_filter_that_means_nothing_is_refused(api: APIClient, deployment: Deployment, query: str) -> None:
    answer = api.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")


def test_an_unchanged_list_is_304_at_a_fixed_cost(api: APIClient, make_job: Callable[..., Job]) -> None:
    jobs = [make_job() for _ in range(8)]
    events_apply([event("started", jobs[0])])
    first = api.get("/api/v1/jobs")
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/api/v1/jobs", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert len(queries) <= 5  # token, page, state of the queues (3)
    events_apply([event("succeeded", jobs[0])])
    assert api.get("/api/v1/jobs", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_counts_by_status(api: APIClient, make_job: Callable[..., Job]) -> None:
    jobs = [make_job() for _ in range(3)]
    succeed(jobs[0])
    answer = api.get("/api/v1/jobs/summary")
    assert answer.json() == {"counts": {"QUEUED": 2, "RUNNING": 0, "SUCCEEDED": 1, "FAILED": 0, "CANCELLED": 0}, "unread": 1}
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/api/v1/jobs/summary", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    assert len(queries) <= 4  # token, whether all have ended, counts, marks
    events_apply([event("started", jobs[1])])
    assert api.get("/api/v1/jobs/summary", headers={"If-None-Match": answer["ETag"]}).status_code == 200


def test_studies_carry_their_latest_job(api: APIClient, make_job: Callable[..., Job]) -> None:
    job = succeed(make_job(external_id="case-1"))
    make_job()
    listed = api.get("/api/v1/studies?external_id=case-1").json()["results"]
    assert [set(document) for document in listed] == [shape_of(serializers.StudySerializer())]
    assert (listed[0]["image_count"], listed[0]["latest_job"]["id"]) == (2, str(job.pk))
    assert set(listed[0]["latest_job"]) == shape_of(serializers.JobSummarySerializer())
    detail = api.get(f"/api/v1/studies/{job.study_id}").json()
    assert set(detail) == shape_of(serializers.StudyDetailSerializer())
    assert [(image["position"], image["image_laterality"], image["view_position"]) for image in detail["images"]] == [
        (0, "L", "CC"),
        (1, "R", "MLO"),
    ]
    assert set(detail["images"][0]) == shape_of(serializers.ImageSerializer())
    with CaptureQueriesContext(connection) as queries:
        api.get("/api/v1/studies")
    assert len(queries) <= 4


# ── Catalogues and the contract as a whole ────────────────────────────────────────────────────────────────────────────


def test_every_failure_code_has_words(api: APIClient) -> None:
    results = api.get("/api/v1/failures").json()["results"]
    assert {entry["code"] for entry in results} == set(CATALOGUE)
    assert set(results[0]) == shape_of(serializers.CatalogueEntrySerializer())
    assert all(entry["title"] and entry["message"] and entry["action"] for entry in results)


def test_estimates_come_from_measurement(api: APIClient, make_job: Callable[..., Job], site: Site) -> None:
    done = make_job()
    events_apply([event("started", done)])
    job, last = make_job(), make_job()
    assert api.get(f"/api/v1/jobs/{last.pk}").json()["eta_seconds"] is None
    events_apply([event("succeeded", done), heartbeat(concurrency=2)])
    ended_at = JobAttempt.objects.get().ended_at
    assert ended_at is not None
    JobAttempt.objects.update(started_at=ended_at - datetime.timedelta(seconds=10))
    cache.clear()
    assert api.get(f"/api/v1/jobs/{job.pk}").json()["eta_seconds"] == 10
    answer = api.get(f"/api/v1/jobs/{last.pk}")
    assert (answer.json()["queue_position"], answer.json()["eta_seconds"], answer["Retry-After"]) == (2, 15, "15")


def test_the_schema_describes_every_address_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        schema = SchemaGenerator().get_schema(request=None, public=True)
    messages = [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]
    assert [message for message in messages if "jobs/" in message or "catalog/" in message] == []
    assert {"/api/v1/studies", "/api/v1/jobs/{job_id}/result", "/api/v1/deployments", "/api/v1/failures"} <= set(schema["paths"])
