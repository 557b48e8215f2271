"""The OpenAPI document is sound, and tells how every operation fails."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # No fixture `db` at this scope: the document needs none.
    return dict(Client().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json())


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_the_document_is_valid_and_nothing_in_it_is_a_guess() -> None:
    """A warning is a name that drf-spectacular made up, or a type that it could not know."""
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_every_failure_of_every_operation_is_a_problem_document(document: dict[str, Any]) -> None:
    assert len(operations(document)) >= 90
    for operation in operations(document):
        failures = {status: response for status, response in operation["responses"].items() if not status.startswith(("2", "3"))}
        assert "5XX" in failures
        assert "default" not in failures, "a status that is not named would pass every check"
        for response in failures.values():
            assert list(response["content"]) == ["application/problem+json"], operation["operationId"]
            reference = response["content"]["application/problem+json"]["schema"]["$ref"]
            assert "code" in document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]


def test_what_an_operation_takes_decides_how_it_can_fail(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert set(paths["/api/v1/failures"]["get"]["responses"]) == {"200", "304", "401", "403", "406", "5XX"}
    assert set(paths["/api/v1/session"]["get"]["responses"]) == {"200", "406", "5XX"}
    assert {"400", "404", "409", "413", "415", "422", "429"} <= set(
        paths["/api/v1/webhooks/{webhook_id}/replay"]["post"]["responses"]
    )
    assert "406" not in paths["/api/v1/batches/{batch_id}/results"]["get"]["responses"], "nothing is negotiated there"


def test_what_can_be_polled_says_so(document: dict[str, Any]) -> None:
    job = document["paths"]["/api/v1/jobs/{job_id}"]["get"]
    assert "ETag" in job["responses"]["304"]["headers"]
    assert "content" not in job["responses"]["304"]
    assert "If-None-Match" in {parameter["name"] for parameter in job["parameters"]}
    assert "304" not in document["paths"]["/api/v1/users"]["get"]["responses"]
