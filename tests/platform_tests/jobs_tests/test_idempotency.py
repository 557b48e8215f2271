"""Idempotency-Key: the same request twice is carried out once, whatever happens in between."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from PIL import Image as Picture
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import token_issue
from catalog.models import Deployment
from common.idempotency import takes_keys
from common.idempotency_records import Claim, ClaimLost, KeptAnswer, answer_keep, key_claim, records_sweep
from common.models import IdempotencyRecord
from jobs import submission
from jobs.models import Job
from jobs.services import job_cancel
from studies.models import Study
from tests.platform_tests.jobs_tests.conftest import Clock

KEY: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "7d0a8c7e-5f0e-4a43-9d0e-2f0f4d1c9a11"}


def png(shade: int = 90, name: str = "view.png") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Picture.new("L", (100, 120), shade).save(buffer, "PNG")
    return SimpleUploadedFile(name, buffer.getvalue(), content_type="image/png")


def submit(client: APIClient, *, shade: int = 90, key: dict[str, Any] = KEY, **fields: Any) -> Any:
    return client.post("/api/v1/studies", {"files": [png(shade)], **fields}, format="multipart", **key)


def by_hand(client: APIClient, boundary: str, *, reverse: bool = False) -> Any:
    """A multipart body as another program would write it."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="external_id"\r\n\r\nA-1\r\n'.encode(),
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="view.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + png().read()
        + b"\r\n",
    ]
    body = b"".join(reversed(parts) if reverse else parts) + f"--{boundary}--\r\n".encode()
    return client.generic(
        "POST", "/api/v1/studies", cast("str", body), content_type=f"multipart/form-data; boundary={boundary}", **KEY
    )


def test_the_same_submission_twice_is_one_study_and_one_answer(api: APIClient, deployment: Deployment):
    first, second = submit(api, external_id="A-1"), submit(api, external_id="A-1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.content == first.content
    assert {name: second[name] for name in ("Location", "Retry-After", "Content-Type")} == {
        name: first[name] for name in ("Location", "Retry-After", "Content-Type")
    }
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Study.objects.count() == Job.objects.count() == 1


def test_boundary_and_order_of_fields_do_not_matter(api: APIClient, deployment: Deployment):
    first, second = by_hand(api, "one"), by_hand(api, "another", reverse=True)
    assert (first.status_code, second.status_code) == (202, 202), second.content
    assert second["Idempotent-Replayed"] == "true"
    assert Study.objects.count() == 1


@pytest.mark.parametrize("other", [{"shade": 91}, {"external_id": "B-2"}, {"priority": "stat"}])
def test_another_body_under_the_key_is_refused(api: APIClient, deployment: Deployment, other: dict[str, Any]):
    submit(api)
    answer = submit(api, **other)
    assert (answer.status_code, answer.json()["code"]) == (422, "request:idempotency_key_reused")
    assert Study.objects.count() == 1


def test_another_address_under_the_key_is_refused(api: APIClient, make_job: Callable[..., Job]):
    one, other = make_job(), make_job()
    assert api.post(f"/api/v1/jobs/{one.pk}/cancel", **KEY).status_code == 202
    answer = api.post(f"/api/v1/jobs/{other.pk}/cancel", **KEY)
    assert answer.json()["code"] == "request:idempotency_key_reused"
    assert Job.objects.get(pk=other.pk).status == "QUEUED"


def test_the_first_answer_comes_again_although_things_have_moved_on(api: APIClient, job: Job):
    job_cancel(job_id=job.pk, cancelled_by=None)
    address = f"/api/v1/jobs/{job.pk}/retry"
    first = api.post(address, **KEY)
    job_cancel(job_id=job.pk, cancelled_by=None)
    again = api.post(address, **KEY)
    assert again.json() == first.json()
    assert Job.objects.get(pk=job.pk).status == "CANCELLED"  # not retried a second time


def test_a_refusal_is_an_answer_too(api: APIClient, deployment: Deployment):
    bad = {"files": [SimpleUploadedFile("x.png", b"no image")]}
    first = api.post("/api/v1/studies", bad, format="multipart", **KEY)
    bad["files"][0].seek(0)
    second = api.post("/api/v1/studies", bad, format="multipart", **KEY)
    assert (first.status_code, second.status_code) == (422, 422)
    assert second.json() == first.json()
    assert second["Content-Type"] == "application/problem+json"
    assert second["Idempotent-Replayed"] == "true"


def test_an_error_of_the_server_is_not_kept(api: APIClient, store: Any):
    assert submit(api).status_code == 503  # no model in service
    assert not IdempotencyRecord.objects.exists()


def test_a_bug_frees_the_key(api: APIClient, deployment: Deployment, monkeypatch: pytest.MonkeyPatch):
    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    api.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr(submission, "study_receive", broken)
        assert submit(api).status_code == 500
    assert submit(api).status_code == 202


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ünï", "tab\there"])
def test_a_malformed_key_is_refused(api: APIClient, deployment: Deployment, key: str):
    answer = submit(api, key={"HTTP_IDEMPOTENCY_KEY": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "request:idempotency_key_malformed")
    assert not Study.objects.exists()


def test_a_key_belongs_to_its_caller(api: APIClient, other_api: APIClient, deployment: Deployment):
    first, second = submit(api), submit(other_api)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotent-Replayed" not in second


def test_a_new_token_of_the_same_user_finds_the_answer(
    submitter: User, client_of: Callable[[User], APIClient], deployment: Deployment
):
    assert submit(client_of(submitter)).json() == submit(client_of(submitter)).json()


def test_a_running_request_keeps_others_out_until_its_lease_ends(api: APIClient, deployment: Deployment, moving_clock: Clock):
    submit(api)
    IdempotencyRecord.objects.update(status=None)  # as its process left it that was killed in between
    answer = submit(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "request:idempotency_in_progress")
    assert int(answer["Retry-After"]) >= 1
    moving_clock.advance(61)
    assert submit(api).status_code == 202


def test_who_lost_the_claim_commits_nothing(
    api: APIClient, deployment: Deployment, moving_clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """A submission that takes longer than its lease, and a repetition that overtakes it."""
    receive = submission.study_receive

    def slow(**given: Any) -> Any:
        monkeypatch.setattr(submission, "study_receive", receive)
        moving_clock.advance(61)
        overtaking.append(submit(api))
        return receive(**given)

    overtaking: list[Any] = []
    monkeypatch.setattr(submission, "study_receive", slow)
    answer = submit(api)
    assert (answer.status_code, overtaking[0].status_code) == (409, 202)
    assert Study.objects.count() == 1
    assert submit(api).json() == overtaking[0].json()


def test_an_answer_is_kept_a_day(api: APIClient, deployment: Deployment, moving_clock: Clock):
    first = submit(api)
    moving_clock.advance(24 * 3600 + 1)
    assert records_sweep() == 1
    second = submit(api)
    assert second.json()["id"] != first.json()["id"]
    moving_clock.advance(24 * 3600 + 1)  # not swept yet, and yet as good as gone
    assert submit(api, shade=3).status_code == 202


def test_an_answer_lies_encrypted(api: APIClient, deployment: Deployment):
    study = submit(api).json()["id"]
    row = IdempotencyRecord.objects.get()
    assert study not in row.body
    assert KEY["HTTP_IDEMPOTENCY_KEY"] not in row.digest


def test_a_reader_is_refused_before_the_key_is_looked_at(
    reader: User, client_of: Callable[[User], APIClient], deployment: Deployment
):
    assert submit(client_of(reader)).status_code == 403
    assert not IdempotencyRecord.objects.exists()


def test_signing_in_takes_no_key(db: None):
    answer = Client().post("/api/v1/session", {"username": "x", "password": "y"}, content_type="application/json", **KEY)
    assert answer.status_code == 401
    assert not IdempotencyRecord.objects.exists()


def test_a_claim_is_a_fence(db: None, moving_clock: Clock):
    first = key_claim(digest="d", fingerprint="f")
    assert isinstance(first, Claim)
    moving_clock.advance(61)
    second = key_claim(digest="d", fingerprint="f")
    assert isinstance(second, Claim)
    with pytest.raises(ClaimLost):
        answer_keep(claim=first, answer=KeptAnswer(200, {}, b"late"))
    answer_keep(claim=second, answer=KeptAnswer(201, {}, b"\xffraw"))
    assert key_claim(digest="d", fingerprint="f") == KeptAnswer(201, {}, b"\xffraw")


@pytest.mark.django_db(transaction=True)
def test_of_parallel_submissions_with_one_key_one_is_carried_out(submitter: User, deployment: Deployment):
    _, token = token_issue(user=submitter, name="parallel")
    together = threading.Barrier(8)
    answers: list[Any] = []

    def run() -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        together.wait()
        answers.append(submit(client))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Study.objects.count() == Job.objects.count() == 1
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {202, 409}
    assert statuses[202] >= 1
    assert {answer.json()["id"] for answer in answers if answer.status_code == 202} == {str(Study.objects.get().pk)}
    assert submit_again(token).json()["id"] == str(Study.objects.get().pk)


def submit_again(token: str) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return submit(client)


def posts() -> list[tuple[str, Any]]:
    found = []

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, prefix + str(pattern.pattern))
            elif isinstance(pattern, URLPattern) and hasattr(getattr(pattern.callback, "cls", None), "post"):
                found.append((prefix + str(pattern.pattern), getattr(pattern.callback, "cls", None)))

    walk(get_resolver().url_patterns, "")
    return [
        (route, view) for route, view in found if route.startswith("api/v1/") and "post" in getattr(view, "http_method_names", ())
    ]


def test_every_post_says_in_the_document_that_it_takes_a_key(db: None):
    document = Client().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    told = 0
    for path, operations in document["paths"].items():
        if "post" not in operations:
            continue
        names = {parameter["name"] for parameter in operations["post"].get("parameters", [])}
        if path in ("/api/v1/session", "/api/v1/uploads"):  # sign-in, and a protocol of its own
            assert "Idempotency-Key" not in names
            continue
        assert "Idempotency-Key" in names, path
        assert {"409", "422"} <= set(operations["post"]["responses"]), path
        told += 1
    assert told == sum(takes_keys(view) for _, view in posts())
    assert told >= 10
