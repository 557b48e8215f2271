"""A query whose value means nothing is refused by name, on either database; it is neither passed over nor a server error."""

from __future__ import annotations

from pathlib import Path

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from catalog.models import Deployment
from tests.platform_tests.jobs_tests.factories import deployment_make

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def api(administrator: User, client_of) -> APIClient:
    client: APIClient = client_of(administrator)
    client.raise_request_exception = False
    return client


@pytest.fixture
def deployment(db, store, tmp_path: Path) -> Deployment:
    return deployment_make(tmp_path)


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("deployments/default?scope=mine", "scope"),
        ("deployments/requests?state=DONE", "state"),
        ("deployments/history?as=xml", "as"),
        ("deployments/history?name=%00", "name"),
        ("deployments/default/agreement?scope=mine", "scope"),
        ("deployments/default/agreement?mode=mirror", "mode"),
        ("deployments/default/agreement?candidate=%00", "candidate"),
        ("deployments/default/agreement?candidate=" + DIGEST + "&since=yesterday", "since"),
        ("monitoring/deployments/default?scope=mine", "scope"),
        ("monitoring/deployments/default?window=1y", "window"),
        ("packages?state=new", "state"),
        ("packages?search=%00", "search"),
        ("packages?page_size=many", "page_size"),
        ("packages/compare?left=%00&right=x", "left"),
        ("audit?since=0001-01-01T00:00:00%2B14:00", "since"),
        ("audit?actor=%00", "actor"),
        ("audit?page_size=0", "page_size"),
        ("jobs?page_size=-1", "page_size"),
        ("users?page_size=1.5", "page_size"),
    ],
)
def test_what_means_nothing_is_refused_by_name(api: APIClient, deployment: Deployment, address: str, field: str) -> None:
    answer = api.get(f"/api/v1/{address}")

    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "input:invalid_field"
    assert answer.json()["errors"][0]["message"].startswith(f"{field}:") or answer.json()["errors"][0].get("field") == field


@pytest.mark.parametrize("address", ["packages/%00", "packages/%00/files/a", "deployments/default/agreement?candidate=unknown"])
def test_an_unknown_package_is_not_found_whatever_its_name(api: APIClient, deployment: Deployment, address: str) -> None:
    answer = api.get(f"/api/v1/{address}")

    assert (answer.status_code, answer.json()["code"]) == (404, "input:unknown_package")


def test_more_than_a_page_may_hold_is_a_full_page(api: APIClient, db) -> None:
    assert api.get("/api/v1/jobs?page_size=" + "9" * 30).status_code == 200
    assert api.get("/api/v1/jobs?page_size=201").status_code == 200


@pytest.mark.parametrize("given", [0, "yes", "false", 1])
def test_true_and_false_are_no_words_or_numbers(api: APIClient, administrator: User, given: object) -> None:
    answer = api.patch(f"/api/v1/users/{administrator.pk}", {"is_active": given}, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "is_active")
    assert api.post("/api/v1/tokens", {"name": "a", "read_only": given}, format="json").status_code == 400
    assert api.post("/api/v1/tokens", {"name": "a", "read_only": True}, format="json").json()["read_only"] is True
