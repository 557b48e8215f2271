"""Every way a request can fail, as one kind of document."""

from __future__ import annotations

import logging

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.urls import path
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from common.problems import Problem, coded_status, problem_from
from config.urls import handler400, handler403, handler404, handler500  # noqa: F401  Django looks them up here
from inference_worker.contract.failures import CATALOGUE, CodedError


class _Raises(APIView):
    """Raises what the test asked for."""

    authentication_classes = []
    permission_classes = [AllowAny]
    raising: Exception = Exception()

    def get(self, request: Request) -> Response:
        raise type(self).raising


urlpatterns = [path("api/raises", _Raises.as_view())]


@pytest.fixture
def answer(settings):
    settings.ROOT_URLCONF = __name__

    def ask(error: Exception):
        _Raises.raising = error
        return APIClient(raise_request_exception=False).get("/api/raises")

    return ask


def test_a_coded_error_carries_the_catalogues_words(answer) -> None:
    response = answer(CodedError("input:pixel_data_truncated", "100 bytes needed"))

    body = response.json()
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert body["type"] == "urn:mammoserve:problem:input:pixel_data_truncated"
    assert (body["code"], body["status"], body["title"]) == ("input:pixel_data_truncated", 422, "Truncated pixels")
    assert body["detail"] == CATALOGUE["input:pixel_data_truncated"].message
    assert body["action"] == CATALOGUE["input:pixel_data_truncated"].action
    assert body["errors"] == [{"code": "input:pixel_data_truncated", "message": "100 bytes needed"}]
    assert body["instance"] == f"urn:mammoserve:request:{response['X-Request-ID']}"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("input:no_files", 400),
        ("input:too_large", 413),
        ("input:not_mammography", 422),
        ("model:none_deployed", 503),
        ("system:storage_full", 507),
        ("system:unexpected", 500),
    ],
)
def test_each_code_has_its_status(code: str, status: int) -> None:
    assert coded_status(code) == status


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.NotAuthenticated(), 401, "auth:required"),
        (exceptions.PermissionDenied(), 403, "auth:forbidden"),
        (exceptions.NotFound(), 404, "request:not_found"),
        (exceptions.MethodNotAllowed("GET"), 405, "request:method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "request:not_acceptable"),
        (exceptions.UnsupportedMediaType("x"), 415, "request:unsupported_media_type"),
        (exceptions.Throttled(wait=7.2), 429, "request:too_many"),
        (exceptions.ParseError(), 400, "request:malformed"),
        (SuspiciousOperation("x"), 400, "request:malformed"),
    ],
)
def test_frameworks_errors_become_problems(error: Exception, status: int, code: str) -> None:
    problem = problem_from(error)

    assert problem is not None
    assert (problem.status, problem.code) == (status, code)


def test_throttling_says_how_long_to_wait(answer) -> None:
    assert answer(exceptions.Throttled(wait=7.2))["Retry-After"] == "8"


def test_nested_validation_errors_are_flat_and_named(answer) -> None:
    body = answer(exceptions.ValidationError({"name": ["Too long."], "items": [{}, {"size": ["Too big."]}]})).json()

    assert body["code"] == "input:invalid_field"
    assert [(entry["field"], entry["message"]) for entry in body["errors"]] == [
        ("name", "Too long."),
        ("items[1].size", "Too big."),
    ]


def test_a_bug_is_500_with_a_reference_and_leaks_nothing(answer, caplog) -> None:
    with caplog.at_level(logging.ERROR, "django.request"):
        response = answer(KeyError("Roe^Jane"))

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "system:unexpected"
    assert response.json()["instance"].endswith(response["X-Request-ID"])
    assert "Roe" not in response.content.decode()
    assert [record for record in caplog.records if record.exc_info]


def test_an_unknown_address_is_a_problem_outside_the_api_too(client: Client, db) -> None:
    for address in ("/api/v1/nothing", "/nothing"):
        response = client.get(address)
        assert (response.status_code, response.json()["code"]) == (404, "request:not_found")


def test_wrong_methods_types_and_accepts_are_problems(api) -> None:
    assert api.put("/api/v1/jobs").json()["code"] == "request:method_not_allowed"
    assert api.post("/api/v1/studies", "x", content_type="text/plain").json()["code"] == "request:unsupported_media_type"
    assert api.get("/api/v1/jobs", headers={"Accept": "text/csv"}).json()["code"] == "request:not_acceptable"


def test_a_plain_problem_may_carry_headers_and_errors() -> None:
    problem = Problem.for_status(409, code="job:busy", detail="d", action="a", headers={"Retry-After": "3"})

    assert problem.body() == {
        "type": "urn:mammoserve:problem:job:busy",
        "title": "Conflict",
        "status": 409,
        "code": "job:busy",
        "detail": "d",
        "action": "a",
    }


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_said_to_be_so(kind: type[Exception]) -> None:
    problem = problem_from(kind("server at 10.0.0.7 closed the connection"))

    assert problem is not None
    assert (problem.status, problem.code, problem.headers) == (503, "system:database_unavailable", {"Retry-After": "5"})
    assert "10.0.0.7" not in str(problem.body())


def test_a_full_disk_under_the_uploads_is_said_to_be_full() -> None:
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")

    problem = problem_from(caught.value)

    assert problem is not None
    assert (problem.status, problem.code) == (507, "system:storage_full")
    assert problem_from(OSError(5, "Input/output error")) is None
