"""Deployments over HTTP: who may, what answers, and what an auditor can take home."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Role, Site, User
from accounts.services import user_create
from catalog.api import serializers as shapes
from catalog.models import Deployment, DeploymentChange, ModelPackage
from common.object_store import ObjectStore
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import deployment_make, package_in, shape_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/deployments"
WHY = {"reason": "because of tests"}


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


@pytest.fixture
def platform_api(site: Site, client_of: Callable[[User], APIClient]) -> APIClient:
    user = user_create(site=site, username="platform-admin", password=PASSWORD, role=Role.ADMINISTRATOR)
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    return client_of(User.objects.get(pk=user.pk))


@pytest.fixture
def packages(store: ObjectStore, tmp_path: Path) -> list[ModelPackage]:
    return [package_in(tmp_path, version=f"{number}.0.0") for number in (1, 2)]


CHANGES = [
    ("post", "default/activate", {"package": "sha256:" + "0" * 64, **WHY}),
    ("post", "default/rollback", WHY),
    ("post", "default/candidate", {"package": "sha256:" + "0" * 64, "mode": "shadow", "share": 0.5, **WHY}),
    ("delete", "default/candidate", WHY),
    ("put", "default/rules", {"rules": {}, **WHY}),
    ("post", "requests/8c1f0c59-9f3e-4c3c-8f6c-0a3c8f5d2f10/approve", {}),
    ("post", "requests/8c1f0c59-9f3e-4c3c-8f6c-0a3c8f5d2f10/reject", {}),
    ("post", "requests/8c1f0c59-9f3e-4c3c-8f6c-0a3c8f5d2f10/withdraw", {}),
    ("get", "all", None),
    ("get", "default", None),
    ("get", "requests", None),
    ("get", "history", None),
]


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_only_administrators_see_and_change_deployments(
    site: Site, client_of: Callable[[User], APIClient], role: Role, method: str, path: str, body: Any
) -> None:
    user = user_create(site=site, username="someone", password=PASSWORD, role=role)
    answer = getattr(client_of(user), method)(f"{URL}/{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "auth:forbidden")
    assert not DeploymentChange.objects.exists()


def test_an_administrator_activates_for_the_own_site_and_rolls_back(admin_api: APIClient, packages: list[ModelPackage]) -> None:
    for package in packages:
        answer = admin_api.post(f"{URL}/default/activate", {"package": package.pk, **WHY})
        assert (answer.status_code, answer.json()["state"]) == (200, "APPLIED")
    document = answer.json()["deployment"]
    assert (document["scope"], document["site"], document["package"]["version"]) == ("site", "north", "2.0.0")
    assert document["previous"]["version"] == "1.0.0"
    assert [entry["kind"] for entry in document["history"]] == ["activate", "activate"]
    answer = admin_api.post(f"{URL}/default/rollback", WHY)
    assert answer.json()["deployment"]["package"]["version"] == "1.0.0"
    assert admin_api.get(URL).json()["results"][0]["package"]["version"] == "1.0.0"
    again = admin_api.post(f"{URL}/default/rollback", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "input:no_previous_package")


def test_what_concerns_every_site_takes_a_platform_administrator(
    admin_api: APIClient, platform_api: APIClient, packages: list[ModelPackage]
) -> None:
    body = {"package": packages[0].pk, "scope": "all", **WHY}
    assert admin_api.post(f"{URL}/default/activate", body).status_code == 403
    assert not Deployment.objects.exists()
    assert platform_api.post(f"{URL}/default/activate", body).status_code == 200
    assert Deployment.objects.get().site is None
    assert admin_api.get(f"{URL}/default").json()["scope"] == "all"
    assert admin_api.get(f"{URL}/default?scope=site").status_code == 404


def test_another_sites_pointers_and_requests_do_not_exist(
    store: ObjectStore, tmp_path: Path, other_site: Site, admin_api: APIClient, settings: Any
) -> None:
    deployment_make(tmp_path, site=other_site, name="theirs")
    assert admin_api.get(f"{URL}/all").json()["results"] == []
    assert admin_api.get(f"{URL}/theirs").status_code == 404
    assert admin_api.get(f"{URL}/history").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"package": "sha256:" + "0" * 64, **WHY}, 404, "input:unknown_package"),
        ({"package": "KNOWN"}, 400, "input:invalid_field"),
        ({"package": "KNOWN", "reason": "no"}, 400, "input:invalid_field"),
        ({"package": "KNOWN", "scope": "galaxy", **WHY}, 400, "input:invalid_field"),
        ({"package": "KNOWN", "apply_at": "tomorrow", **WHY}, 400, "input:invalid_field"),
    ],
)
def test_a_wrong_activation_is_worded(
    admin_api: APIClient, packages: list[ModelPackage], body: dict[str, Any], status: int, code: str
) -> None:
    body = {**body, "package": packages[0].pk if body["package"] == "KNOWN" else body["package"]}
    answer = admin_api.post(f"{URL}/default/activate", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("name", ["all", "requests", "history"])
def test_names_that_are_addresses_are_reserved(admin_api: APIClient, packages: list[ModelPackage], name: str) -> None:
    answer = admin_api.post(f"{URL}/{name}/activate", {"package": packages[0].pk, **WHY})
    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")


def test_two_people_over_http(admin_api: APIClient, platform_api: APIClient, packages: list[ModelPackage], settings: Any) -> None:
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    asked = admin_api.post(f"{URL}/default/activate", {"package": packages[0].pk, **WHY})
    assert (asked.status_code, asked.json()["state"], asked.json()["deployment"]) == (202, "PENDING", None)
    request = asked.json()["request"]["id"]
    assert [row["id"] for row in admin_api.get(f"{URL}/requests?state=PENDING").json()["results"]] == [request]
    own = admin_api.post(f"{URL}/requests/{request}/approve", {})
    assert (own.status_code, own.json()["code"]) == (409, "input:needs_second_person")
    done = platform_api.post(f"{URL}/requests/{request}/approve", {"reason": "figures seen"})
    assert (done.status_code, done.json()["state"]) == (200, "APPLIED")
    assert done.json()["deployment"]["history"][0]["approved_by"] == "platform-admin"
    assert AuditEntry.objects.filter(action="request.approve").count() == 1


def test_candidates_and_rules_over_http(admin_api: APIClient, packages: list[ModelPackage]) -> None:
    admin_api.post(f"{URL}/default/activate", {"package": packages[0].pk, **WHY})
    started = admin_api.post(
        f"{URL}/default/candidate", {"package": packages[1].pk, "mode": "canary", "share": 0.1, **WHY}
    ).json()
    assert started["deployment"]["candidate"]["package"]["version"] == "2.0.0"
    assert started["deployment"]["candidate"]["package"]["candidate_of"][0]["mode"] == "canary"
    ruled = admin_api.put(f"{URL}/default/rules", {"rules": {"failure_share": 0.05}, **WHY}).json()
    assert ruled["deployment"]["rules"] == {"failure_share": 0.05}
    stopped = admin_api.delete(f"{URL}/default/candidate", WHY).json()
    assert stopped["deployment"]["candidate"] is None
    assert [entry["kind"] for entry in stopped["deployment"]["history"]] == [
        "candidate_stop",
        "rules",
        "candidate_start",
        "activate",
    ]


def test_the_documents_have_the_shape_the_schema_promises(admin_api: APIClient, packages: list[ModelPackage]) -> None:
    answer = admin_api.post(f"{URL}/default/activate", {"package": packages[0].pk, **WHY}).json()
    assert set(answer) == shape_of(shapes.RequestOutcomeSerializer())
    assert set(answer["request"]) == shape_of(shapes.RequestSerializer())
    assert set(answer["deployment"]) == shape_of(shapes.DeploymentDetailSerializer())
    assert set(answer["deployment"]["package"]) == shape_of(shapes.PackageSerializer())
    assert set(answer["deployment"]["history"][0]) == shape_of(shapes.ChangeSerializer())


def test_the_history_goes_home_as_a_file_that_no_spreadsheet_runs(admin_api: APIClient, packages: list[ModelPackage]) -> None:
    admin_api.post(f"{URL}/default/activate", {"package": packages[0].pk, "reason": "=HYPERLINK(1)"})
    admin_api.post(f"{URL}/default/activate", {"package": packages[1].pk, **WHY})
    answer: Any = admin_api.get(f"{URL}/history?as=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["from_version"], row["to_version"], row["changed_by"]) for row in rows] == [
        ("", "1.0.0", "administrator"),
        ("1.0.0", "2.0.0", "administrator"),
    ]
    assert rows[0]["reason"] == "'=HYPERLINK(1)"
    listed = admin_api.get(f"{URL}/history")
    assert [row["package"]["version"] for row in listed.json()["results"]] == ["1.0.0", "2.0.0"]
    assert admin_api.get(f"{URL}/history", headers={"If-None-Match": listed["ETag"]}).status_code == 304


def test_a_list_of_deployments_costs_few_queries_each(
    admin_api: APIClient, packages: list[ModelPackage], django_assert_max_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    for name in ("a", "b", "c"):
        admin_api.post(f"{URL}/{name}/activate", {"package": packages[0].pk, **WHY})
    with django_assert_max_num_queries(26):
        assert len(admin_api.get(f"{URL}/all").json()["results"]) == 3
