"""Administration: who may, what stays within a site, what is shown once, and that nobody locks everybody out."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, AuditEntry, Role, Site, User
from accounts.services import token_issue, user_create
from tests.platform_tests.conftest import PASSWORD

Client = Callable[[User], APIClient]


@pytest.fixture
def root(administrator: User) -> User:
    administrator.is_superuser = True
    administrator.save()
    return administrator


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_a_person_is_added_signs_in_once_and_chooses_a_password(administrator: User, client_of: Client) -> None:
    answer = client_of(administrator).post("/api/v1/users", {"username": "new.reader", "role": "reader"})
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    password = answer.json()["temporary_password"]
    browser = APIClient()
    assert browser.post("/api/v1/session", {"username": "new.reader", "password": password}).status_code == 200
    assert browser.get("/api/v1/jobs").json()["code"] == "auth:password_change_required"
    weak = browser.put("/api/v1/session/password", {"current_password": password, "new_password": "short"})
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (400, "new_password")
    wrong = browser.put("/api/v1/session/password", {"current_password": "no", "new_password": PASSWORD})
    assert wrong.status_code == 400
    assert browser.put("/api/v1/session/password", {"current_password": password, "new_password": PASSWORD}).status_code == 204
    assert browser.get("/api/v1/jobs").status_code == 200  # the session stays open
    assert actions() == ["user.create", "user.change_password"]
    assert password not in str(list(AuditEntry.objects.values()))


def test_the_last_administrator_stays(administrator: User, reader: User, client_of: Client) -> None:
    client, own = client_of(administrator), f"/api/v1/users/{administrator.pk}"
    for change in ({"role": "reader"}, {"is_active": False}):
        answer = client.patch(own, change)
        assert (answer.status_code, answer.json()["code"]) == (409, "request:last_administrator")
    assert client.patch(f"/api/v1/users/{reader.pk}", {"role": "administrator"}).json()["role"] == "administrator"
    assert client.patch(own, {"role": "submitter"}).status_code == 200
    assert actions() == ["user.change", "user.change"]
    assert client.get("/api/v1/users").status_code == 403


def test_a_deactivated_person_is_out_at_once(administrator: User, reader: User, client_of: Client) -> None:
    reading = client_of(reader)
    assert client_of(administrator).patch(f"/api/v1/users/{reader.pk}", {"is_active": False}).status_code == 200
    assert reading.get("/api/v1/jobs").status_code == 401


def test_another_sites_people_do_not_exist(administrator: User, other_submitter: User, client_of: Client) -> None:
    client = client_of(administrator)
    assert [row["username"] for row in client.get("/api/v1/users").json()["results"]] == ["administrator"]
    assert client.patch(f"/api/v1/users/{other_submitter.pk}", {"role": "reader"}).status_code == 404
    assert client.post(f"/api/v1/users/{other_submitter.pk}/password").status_code == 404
    assert client.post("/api/v1/tokens", {"name": "x", "user": other_submitter.pk}).status_code == 404
    assert client.post("/api/v1/users", {"username": "x", "role": "reader", "site": "south"}).status_code == 403


def test_a_sites_administrator_has_no_hand_in_the_platforms(site: Site, root: User, client_of: Client) -> None:
    other = user_create(site=site, username="second", password=PASSWORD, role=Role.ADMINISTRATOR)
    client = client_of(other)
    assert client.post(f"/api/v1/users/{root.pk}/password").status_code == 403
    assert client.patch(f"/api/v1/users/{root.pk}", {"role": "reader"}).status_code == 403
    assert client.get("/api/v1/sites").status_code == 403


@pytest.mark.parametrize("address", ["users", "sites", "audit"])
def test_others_are_403(submitter: User, client_of: Client, address: str) -> None:
    assert client_of(submitter).get(f"/api/v1/{address}").status_code == 403
    assert APIClient().get(f"/api/v1/{address}").status_code == 401


def test_a_token_is_shown_once_expires_reads_only_and_is_revoked(submitter: User, reader: User, client_of: Client) -> None:
    client = client_of(submitter)
    made = client.post("/api/v1/tokens", {"name": "script", "read_only": True})
    assert made.status_code == 201, made.content
    machine = APIClient()
    machine.credentials(HTTP_AUTHORIZATION=f"Bearer {made.json()['token']}")
    assert machine.get("/api/v1/jobs").status_code == 200
    assert machine.post("/api/v1/tokens", {"name": "more"}).status_code == 403
    listed = client.get("/api/v1/tokens").json()["results"]
    assert "token" not in listed[0]
    assert {row["user"] for row in listed} == {"submitter"}
    assert client_of(reader).delete(f"/api/v1/tokens/{made.json()['id']}").status_code == 404
    assert client.delete(f"/api/v1/tokens/{made.json()['id']}").json()["revoked_at"]
    assert machine.get("/api/v1/jobs").status_code == 401
    assert actions() == ["token.create", "token.revoke"]
    token, plain = token_issue(user=submitter, name="old", expires_at=timezone.now() - datetime.timedelta(seconds=1))
    machine.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    assert machine.get("/api/v1/jobs").status_code == 401
    assert ApiToken.objects.get(pk=token.pk).last_used_at is None


def test_a_site_is_made_and_its_limits_changed(root: User, client_of: Client) -> None:
    client = client_of(root)
    assert client.post("/api/v1/sites", {"slug": "east", "name": "Eastern"}).status_code == 201
    assert client.post("/api/v1/sites", {"slug": "east", "name": "Again"}).status_code == 400
    changed = client.patch("/api/v1/sites/east", {"share_weight": 3, "max_queued_jobs": 50})
    assert (changed.json()["share_weight"], changed.json()["max_queued_jobs"]) == (3, 50)
    for wrong in ({"share_weight": 0}, {"max_queued_jobs": -1}, {"name": ""}):
        assert client.patch("/api/v1/sites/east", wrong).status_code == 400
    assert client.patch("/api/v1/sites/north", {"is_active": False}).status_code == 409
    entry: Any = AuditEntry.objects.order_by("id").last()
    assert entry.detail["after"] == {"share_weight": 3, "max_queued_jobs": 50}


def test_the_audit_is_filtered_and_keeps_to_its_site(root: User, reader: User, other_site: Site, client_of: Client) -> None:
    client = client_of(root)
    client.patch(f"/api/v1/users/{reader.pk}", {"role": "submitter"})
    client.patch("/api/v1/sites/south", {"name": "Renamed"})
    assert [row["action"] for row in client.get("/api/v1/audit").json()["results"]] == ["site.change", "user.change"]
    assert len(client.get("/api/v1/audit?action=user.change").json()["results"]) == 1
    assert client.get("/api/v1/audit?actor=nobody").json()["results"] == []
    assert client.get("/api/v1/audit?since=2999-01-01T00:00:00Z").json()["results"] == []
    assert client.get("/api/v1/audit?since=yesterday").status_code == 400
    root.is_superuser = False
    root.save()
    assert [row["action"] for row in client.get("/api/v1/audit").json()["results"]] == ["user.change"]
