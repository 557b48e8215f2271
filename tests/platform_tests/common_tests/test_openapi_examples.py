"""The examples of the OpenAPI document are real answers, and each of them is of the shape that the document describes."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

#: What an integrator meets first has to be there.
SHOWN = {
    "studies_submit": {"202", "400", "409", "422"},
    "jobs_retrieve": {"200"},
    "jobs_list": {"200"},
    "jobs_export": {"200"},
    "jobs_export_count": {"200"},
    "views_create": {"201", "409"},
    "sample_study_submit": {"200", "202"},
    "jobs_result": {"200", "404"},
    "batches_create": {"202", "400"},
    "batches_retrieve": {"200"},
    "batches_results": {"200"},
    "uploads_create": {"201", "412"},
    "webhooks_create": {"201", "422"},
    "deployments_list": {"200"},
    "deployments_activate": {"200", "202"},
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def strict(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type, and a field that is not described is refused."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {name: strict(part) for name, part in schema.items() if name != "nullable"}
    if "properties" in turned and isinstance(turned["properties"], dict):
        turned.setdefault("additionalProperties", False)
    return {"anyOf": [turned, {"type": "null"}]} if schema.get("nullable") is True else turned


def examples(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(operation, status or “request”, media type object with its schema and examples)."""
    found = []
    for operations in document["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            bodies = [("request", operation.get("requestBody", {})), *operation["responses"].items()]
            found += [
                (name, status, media)
                for status, body in bodies
                for media in body.get("content", {}).values()
                if media.get("examples")
            ]
    return found


def test_every_example_is_what_the_document_describes(document: dict[str, Any]) -> None:
    components = strict(document["components"])
    wrong = []
    for operation, status, media in examples(document):
        validator = jsonschema.Draft202012Validator({**strict(media["schema"]), "components": components})
        for name, example in media["examples"].items():
            wrong += [
                f"{operation} {status} {name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:120]}"
                for error in validator.iter_errors(example["value"])
            ]
    assert wrong == []


def test_what_an_integrator_meets_first_is_shown(document: dict[str, Any]) -> None:
    shown: dict[str, set[str]] = {}
    for operation, status, _ in examples(document):
        shown.setdefault(operation, set()).add(status)
    assert {name: statuses - shown.get(name, set()) for name, statuses in SHOWN.items()} == {name: set() for name in SHOWN}
    job = document["paths"]["/api/v1/jobs/{job_id}"]["get"]["responses"]["200"]["content"]["application/json"]["examples"]
    assert {job[name]["value"]["status"] for name in ("Queued", "Succeeded", "Failed")} == {"QUEUED", "SUCCEEDED", "FAILED"}


def test_no_example_names_a_machine_or_holds_a_secret(document: dict[str, Any]) -> None:
    text = str([media["examples"] for _, _, media in examples(document)])
    assert re.findall(r"127\.0\.0\.1:\d+|localhost|/tmp/|ms_[a-z0-9]{8}_", text) == []
    assert set(re.findall(r"whsec_[^'\"]+", text)) <= {"whsec_" + "A" * 43 + "="}
