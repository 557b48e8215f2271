"""The OpenAPI document tells how every operation fails."""

from __future__ import annotations

from django.test import Client


def test_every_failure_of_every_operation_is_a_problem_document(db: None) -> None:
    document = Client().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]

    assert len(operations) >= 16
    for operation in operations:
        failures = {status: response for status, response in operation["responses"].items() if not status.startswith(("2", "3"))}
        assert "default" in failures
        for response in failures.values():
            assert list(response["content"]) == ["application/problem+json"], operation["operationId"]
            reference = response["content"]["application/problem+json"]["schema"]["$ref"]
            assert "code" in document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
