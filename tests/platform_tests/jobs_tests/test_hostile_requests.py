"""Requests that no honest client sends: each is answered with a problem document, and none costs memory, disk or a 500."""

from __future__ import annotations

import base64
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from rest_framework.test import APIClient

from jobs.models import Job
from tests.platform_tests.jobs_tests.factories import succeed

NOBODY = uuid.UUID(int=7)
LISTS = ["/api/v1/jobs", "/api/v1/studies"]


@pytest.fixture
def no_raise() -> Callable[[APIClient], Any]:
    """A client that, like a server, answers 500 to a bug in place of raising it."""

    def make(client: APIClient) -> Any:
        client.raise_request_exception = False
        return client

    return make


def addresses(job: Job) -> list[str]:
    one = f"/api/v1/jobs/{job.pk}"
    return [
        *LISTS,
        "/api/v1/session",
        "/api/v1/jobs/summary",
        one,
        *[f"{one}/{part}" for part in ("events", "result", "artifacts/preview.png", "cancel", "retry")],
        f"/api/v1/studies/{job.study_id}",
        "/api/v1/failures",
        "/api/v1/deployments",
        "/healthz",
        "/readyz",
        "/login",
    ]


def cursor(**parts: str) -> str:
    return urlencode({"cursor": base64.b64encode(urlencode(parts).encode()).decode()})


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        cursor(p="yesterday"),
        cursor(p="\x00"),
        cursor(p="0001-01-01 00:00:00+14:00"),
        cursor(p="2026-13-45 00:00:00+00:00"),
        cursor(o="9" * 400),
        cursor(p="2026-01-01 00:00:00+00:00", r="1"),
        "cursor=%00%ff",
        "cursor=" + "A" * 5001,
        "page_size=-1",
        "page_size=" + "9" * 5000,
        "page_size=%00",
        "external_id=%00",
        "external_id=%ed%a0%80",
        "search=%00",
        "study=%00",
        "study=not-a-uuid",
        "status=%00&status=QUEUED",
        "priority=urgent",
        "format=xml",
    ],
)
def test_no_query_breaks_a_list(api: APIClient, job: Job, no_raise: Callable[[APIClient], Any], address: str, query: str) -> None:
    answer = no_raise(api).get(f"{address}?{query}")

    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("charset", ["hex", "rot13", "utf-16", "idna", "undefined", "punycode", "no-such"])
def test_no_charset_breaks_a_request(api: APIClient, job: Job, no_raise: Callable[[APIClient], Any], charset: str) -> None:
    client = no_raise(api)
    statuses = {
        client.get("/api/v1/jobs?external_id=%C3%A4&status=QUEUED", CONTENT_TYPE=f"text/plain; charset={charset}").status_code,
        client.generic(
            "POST", "/api/v1/session", b'{"username": "a"}', content_type=f"application/json; charset={charset}"
        ).status_code,
        client.generic(
            "POST",
            "/api/v1/studies",
            b'--x\r\nContent-Disposition: form-data; name="priority"\r\n\r\nstat\xff\r\n--x--\r\n',
            content_type=f"multipart/form-data; boundary=x; charset={charset}",
        ).status_code,
    }
    assert max(statuses) < 500


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n\r\n--x--", b"\x00" * 100, b"--x\r\nContent-Disposition: form-data; name"]
)
def test_no_malformed_form_breaks_a_submission(
    api: APIClient, deployment: Any, no_raise: Callable[[APIClient], Any], content_type: str, body: bytes
) -> None:
    answer = no_raise(api).generic("POST", "/api/v1/studies", body, content_type=content_type)

    assert answer.status_code in (400, 415)
    assert answer["Content-Type"] == "application/problem+json"


def test_every_address_answers_every_method(api: APIClient, job: Job, no_raise: Callable[[APIClient], Any]) -> None:
    client = no_raise(api)
    for address in addresses(job):
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "DELETE", "PURGE"):
            answer = client.generic(method, address)
            assert answer.status_code < 500 or address == "/readyz", (method, address, answer.status_code)


def test_every_address_refuses_a_name_that_is_not_ours(api: APIClient, job: Job, no_raise: Callable[[APIClient], Any]) -> None:
    for address in addresses(job):
        assert no_raise(api).get(address, HTTP_HOST="evil.example").status_code in (400, 200), address
    answer = no_raise(api).post("/api/v1/studies", HTTP_HOST="evil.example")
    assert (answer.status_code, "Location" in answer) == (400, False)


def test_nothing_of_a_site_is_shown_to_another(other_api: APIClient, job: Job) -> None:
    succeed(job)
    for address in addresses(job):
        if str(job.pk) in address or str(job.study_id) in address:
            for method in ("GET", "POST"):
                answer = other_api.generic(method, address, HTTP_IF_NONE_MATCH="*")
                assert answer.status_code in (404, 405), (method, address)
                assert answer["Content-Type"] == "application/problem+json"
                unknown = address.replace(str(job.pk), str(NOBODY)).replace(str(job.study_id), str(NOBODY))
                assert without_instance(other_api.generic(method, unknown).json()) == without_instance(answer.json())


def without_instance(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "instance"}


def csrf_client() -> tuple[Client, str]:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client, client.get("/api/v1/session").json()["csrf_token"]


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/login", "/", "/api/v1/session", "/api/v1/jobs", "/api/v1/studies"])
def test_files_of_a_stranger_are_never_written_to_disk(db: None, settings: Any, tmp_path: Path, address: str) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    client, token = csrf_client()

    answer = client.post(address, {"files": io.BytesIO(b"x" * 300_000)}, headers={"X-CSRFToken": token})

    assert answer.status_code in (200, 302, 401, 400, 403, 405, 415) or address == "/readyz"
    assert not (tmp_path / "incoming").exists()


def test_a_json_body_of_any_size_is_not_read_into_memory(db: None, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    client, token = csrf_client()
    body = json.dumps({"username": "a", "password": "b", "more": "x" * 20_000})

    answer = client.post("/api/v1/session", body, content_type="application/json", headers={"X-CSRFToken": token})

    assert (answer.status_code, answer.json()["code"]) == (413, "input:too_large")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"7", b"null", b'{"username": {"a": 1}, "password": []}', b"\xff\xfe", b""],
)
def test_no_json_breaks_signing_in(db: None, body: bytes) -> None:
    client, token = csrf_client()

    answer = client.post("/api/v1/session", body, content_type="application/json", headers={"X-CSRFToken": token})

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
