"""Every request that mammoserve-client can make is in the OpenAPI document: address, method, query, fields of the body."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from drf_spectacular.generators import SchemaGenerator

from mammoserve_client import ApiProblem, Client, RetryPolicy
from tests.contract_tests.api_document import unknown

ID = "3f1d0f0e-6f55-4c8b-9a5e-2f2f5b3c1a10"
ITEM = {"custom_id": "case-1", "external_id": "x", "uploads": [ID], "priority": "stat"}
MANIFEST: dict[str, Any] = {
    "name": "x", "priority": "stat", "deployment": "x", "duplicates": "reuse", "auto_start": True, "metadata": {},
}  # fmt: skip


def calls_of(client: Client, file: Path) -> dict[str, Callable[[], Any]]:
    """Every public method with everything that it can be asked for."""
    out = file.with_suffix(".zip")
    return {
        "study_submit": lambda: client.study_submit([file], external_id="x", priority="stat", deployment="x"),
        "job_wait": lambda: client.job_wait(ID),
        "job_result": lambda: client.job_result(ID),
        "upload": lambda: client.upload(file, upload_id=ID),
        "batch_create": lambda: client.batch_create(items=[ITEM], **MANIFEST),
        "batch_append": lambda: client.batch_append(ID, [ITEM]),
        "batch_close": lambda: client.batch_close(ID),
        "batch_cancel": lambda: client.batch_cancel(ID),
        "batch_retry": lambda: client.batch_retry(ID, statuses=("failed", "cancelled")),
        "batch": lambda: client.batch(ID),
        "batch_wait": lambda: client.batch_wait(ID),
        "batches": lambda: list(client.batches(state=("open", "failed"))),
        "batch_results": lambda: list(client.batch_results(ID, statuses=("failed",), identifiers=False)),
        "batch_heatmaps": lambda: client.batch_heatmaps(ID, out),
        "quarantine": lambda: list(client.quarantine(batch=ID)),
        "quarantine_release": lambda: client.quarantine_release(ID, uploads=[ID], prefix="x", deployment="x", duplicates="reuse"),
        "quarantine_discard": lambda: client.quarantine_discard(ID),
    }


def names_in(request: httpx.Request) -> Iterator[str]:
    """Fields of a JSON or multipart body."""
    kind = request.headers.get("Content-Type", "")
    if kind.startswith("application/json"):
        yield from json.loads(request.content)
    elif kind.startswith("multipart/"):
        yield from re.findall(r'form-data; name="([^"]+)"', request.read().decode(errors="replace"))


def test_the_document_describes_every_request_of_the_client(tmp_path: Path) -> None:
    document = dict(SchemaGenerator().get_schema(request=None, public=True))
    sent: dict[str, list[dict[str, Any]]] = {}
    called = ""

    def answer(request: httpx.Request) -> httpx.Response:
        query = sorted(set(request.url.params.keys()))
        sent.setdefault(called, []).append(
            {"method": request.method, "path": request.url.path, "query": query, "body": sorted(names_in(request))}
        )
        if (request.method, request.url.path) == ("POST", "/api/v1/uploads"):
            return httpx.Response(201, headers={"Location": f"/api/v1/uploads/{ID}", "Upload-Offset": "0"})
        return httpx.Response(404, json={"code": "request:not_found"})

    file = tmp_path / "view.dcm"
    file.write_bytes(b"x")
    client = Client("http://localhost", "secret", policy=RetryPolicy(attempts=1), transport=httpx.MockTransport(answer))
    calls = calls_of(client, file)
    public = {name for name, member in vars(Client).items() if callable(member) and name[0] != "_"}
    assert set(calls) == public - {"close"}
    for called, call in calls.items():  # noqa: B007 — read by `answer`
        with pytest.raises(ApiProblem):
            call()
    assert set(sent) == set(calls)
    strange = {
        f"{name}: {asked['method']} {asked['path']}": unknown(document, asked)
        for name, requests in sent.items()
        for asked in requests
    }
    assert {request: words for request, words in strange.items() if words} == {}
