"""The audit history over HTTP: whose entries, in which order, filtered, as a file, and to whom it is closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.audit import audit_record
from accounts.models import Role, Site, User
from accounts.services import user_create

pytestmark = pytest.mark.django_db
LIST = "/api/v1/audit"


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


def _subjects(api: APIClient, **filters: str) -> list[str]:
    answer = api.get(LIST, filters)
    assert answer.status_code == 200, answer.content
    return [entry["subject"] for entry in answer.json()["results"]]


def test_an_administrator_reads_the_own_site_and_the_platform_newest_first(
    admin_api: APIClient, administrator: User, other_submitter: User
) -> None:
    audit_record(actor=administrator, action="deployment.activate", subject="first", reason="because of tests")
    audit_record(actor=None, action="deployment.rollback", subject="second")
    audit_record(actor=other_submitter, action="package.archive", subject="of the other site")

    assert _subjects(admin_api) == ["second", "first"]
    entry = admin_api.get(LIST).json()["results"][1]
    assert entry == {
        "id": entry["id"],
        "at": entry["at"],
        "actor": "administrator",
        "site": "north",
        "action": "deployment.activate",
        "subject": "first",
        "subject_name": None,
        "detail": {"reason": "because of tests"},
        "detail_names": {},
    }


def test_a_platform_administrator_reads_every_site(
    administrator: User, other_submitter: User, client_of: Callable[[User], APIClient]
) -> None:
    administrator.is_superuser = True
    administrator.save()
    audit_record(actor=other_submitter, action="package.archive", subject="of the other site")
    assert _subjects(client_of(administrator)) == ["of the other site"]


def test_filters_narrow_and_a_since_that_is_no_moment_is_refused(admin_api: APIClient, administrator: User) -> None:
    audit_record(actor=administrator, action="deployment.activate", subject="first")
    later = audit_record(actor=None, action="deployment.rollback", subject="second")

    assert _subjects(admin_api, action="deployment.rollback") == ["second"]
    assert _subjects(admin_api, actor="administrator") == ["first"]
    assert _subjects(admin_api, since=later.at.isoformat()) == ["second"]
    for wrong in ("yesterday", "2026-03-01", "0001-01-01T00:00:00+14:00", "2026-99-01T00:00:00Z"):
        refused = admin_api.get(LIST, {"since": wrong})
        assert (refused.status_code, refused.json()["code"]) == (400, "input:invalid_field"), wrong


def test_pages_follow_one_another_without_a_gap(admin_api: APIClient, administrator: User) -> None:
    for number in range(5):
        audit_record(actor=administrator, action="package.archive", subject=str(number))
    seen, address = [], f"{LIST}?page_size=2"
    while address:
        page = admin_api.get(address).json()
        seen += [entry["subject"] for entry in page["results"]]
        address = page["next"]
    assert seen == ["4", "3", "2", "1", "0"]


def test_the_export_is_whole_filtered_and_runs_no_formula(admin_api: APIClient, administrator: User) -> None:
    audit_record(actor=administrator, action="package.archive", subject='=HYPERLINK("x")')
    audit_record(actor=administrator, action="package.upload", subject="plain", size=3)

    answer = admin_api.get(f"{LIST}/export")
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert rows[0] == ["id", "at", "actor", "site", "action", "subject", "detail", "subject_name"]
    assert [row[5] for row in rows[1:]] == ["plain", '\'=HYPERLINK("x")']
    assert rows[1][6] == '{"size": 3}'
    only = admin_api.get(f"{LIST}/export", {"action": "package.upload"})
    assert len(only.getvalue().splitlines()) == 2


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
def test_the_history_is_closed_to_everybody_else(role: Role, site: Site, client_of: Callable[[User], APIClient]) -> None:
    api = client_of(user_create(site=site, username="somebody", password="a long pass phrase for tests", role=role))
    for address in (LIST, f"{LIST}/export"):
        refused = api.get(address)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth:forbidden")
