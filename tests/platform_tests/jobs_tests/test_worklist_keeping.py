"""What a person keeps of the worklist: reading marks and saved views; and what they take with them: exports."""

from __future__ import annotations

import csv
import datetime
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Site, User
from common import clock
from jobs.api import export, export_views
from jobs.models import Job, JobReading
from jobs.saved_views import VIEWS_MAXIMUM
from studies.identity import OriginalIdentifiers, identity_keep
from tests.platform_tests.jobs_tests.factories import succeed

READING, VIEWS, EXPORT = "/api/v1/jobs/reading", "/api/v1/jobs/views", "/api/v1/jobs/export"


def unread(api: APIClient) -> set[str]:
    marked = {row["id"] for row in api.get("/api/v1/jobs").json()["results"] if row["unread"]}
    assert {row["id"] for row in api.get("/api/v1/jobs?reading=unread").json()["results"]} == marked
    assert api.get("/api/v1/jobs/summary").json()["unread"] == len(marked)
    return marked


def test_a_result_is_unread_until_its_reader_has_opened_it_each_for_oneself(
    api: APIClient, reader: User, client_of: Callable[..., APIClient], make_job: Callable[..., Job]
) -> None:
    colleague = client_of(reader)
    done, other, waiting = succeed(make_job()), succeed(make_job()), make_job()
    both = {str(done.pk), str(other.pk)}
    assert unread(api) == unread(colleague) == both
    assert api.get(f"/api/v1/jobs/{done.pk}/result").status_code == 200
    assert unread(api) == both  # by PUT alone
    for _ in range(2):
        answer = api.put(READING, {"jobs": [str(done.pk), str(waiting.pk), str(uuid.uuid4())]})
        assert answer.json()["marked"] == [str(done.pk)]
    assert unread(api) == {str(other.pk)}
    assert api.get(f"/api/v1/jobs/{done.pk}").json()["unread"] is False
    assert unread(colleague) == both
    assert [row["id"] for row in api.get("/api/v1/jobs?reading=read").json()["results"]] == [str(done.pk)]
    api.put(READING, {"jobs": [str(done.pk)], "read": False})
    assert unread(api) == both


def test_the_number_of_unread_results_is_counted_once_a_change_and_no_further_than_a_badge_shows(
    api: APIClient, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.unread.UNREAD_COUNTED", 2)
    done = [succeed(make_job()) for _ in range(3)]
    first = api.get("/api/v1/jobs/summary")
    assert first.json()["unread"] == 2
    with CaptureQueriesContext(connection) as again:
        assert api.get("/api/v1/jobs/summary", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert not [query for query in again if "EXISTS" in query["sql"] and "jobs_jobreading" in query["sql"]]
    api.put(READING, {"jobs": [str(job.pk) for job in done[:2]]})
    assert api.get("/api/v1/jobs/summary", headers={"If-None-Match": first["ETag"]}).json()["unread"] == 1
    api.put(READING, {"jobs": [str(done[0].pk)], "read": False})  # as many marks as before
    assert api.get("/api/v1/jobs/summary").json()["unread"] == 2


def test_a_new_person_begins_with_what_comes(
    site: Site, make_job: Callable[..., Job], client_of: Callable[..., APIClient], request: Any
) -> None:
    succeed(make_job())
    newcomer = client_of(request.getfixturevalue("reader"))  # only now
    assert unread(newcomer) == set()
    fresh = succeed(make_job())
    assert unread(newcomer) == {str(fresh.pk)}


def test_everything_up_to_now_is_read_and_what_was_said_of_it_goes(
    api: APIClient, submitter: User, make_job: Callable[..., Job]
) -> None:
    first, second = succeed(make_job()), succeed(make_job())
    api.put(READING, {"jobs": [str(first.pk)]})
    api.put(READING, {"jobs": [str(first.pk)], "read": False})
    answer = api.put(READING, {"until": "9999-01-01T00:00:00Z"})
    until = datetime.datetime.fromisoformat(answer.json()["read_until"])
    assert second.created_at < until <= clock.now()
    assert unread(api) == set()
    assert not JobReading.objects.exists()
    api.put(READING, {"until": "2020-01-01T00:00:00Z"})
    assert unread(api) == set()  # it never moves back
    api.put(READING, {"jobs": [str(second.pk)], "read": False})
    assert unread(api) == {str(second.pk)}


def test_marks_of_another_sites_results_are_not_taken(api: APIClient, other_site: Site, make_job: Callable[..., Job]) -> None:
    theirs = succeed(make_job(site=other_site))
    assert api.put(READING, {"jobs": [str(theirs.pk)]}).json()["marked"] == []
    assert not JobReading.objects.exists()
    wrongs: list[Any] = [{}, {"jobs": []}, {"jobs": [str(theirs.pk)], "until": "2026-01-01T00:00:00Z"}, {"until": "soon"}]
    for wrong in wrongs:
        assert api.put(READING, wrong).status_code == 400, wrong


def test_views_are_kept_renamed_made_the_start_and_deleted(
    api: APIClient, reader: User, client_of: Callable[..., APIClient]
) -> None:
    query = {"status": "FAILED", "sort": "most_urgent", "from": "2026-03-01"}
    made = api.post(VIEWS, {"name": "Morning", "query": query, "is_default": True}, format="json")
    assert made.status_code == 201
    assert made.json()["query"] == query
    second = api.post(VIEWS, {"name": "Evening", "query": {"period": "today"}, "is_default": True}, format="json").json()
    listed = api.get(VIEWS).json()["results"]
    assert [(view["name"], view["is_default"]) for view in listed] == [("Morning", False), ("Evening", True)]

    taken = api.patch(f"{VIEWS}/{second['id']}", {"name": "MORNING"}, format="json")
    assert (taken.status_code, taken.json()["code"]) == (409, "input:view_name_taken")
    renamed = api.patch(f"{VIEWS}/{second['id']}", {"name": "Night", "is_default": False}, format="json").json()
    assert (renamed["name"], renamed["query"], renamed["is_default"]) == ("Night", {"period": "today"}, False)

    colleague = client_of(reader)
    assert colleague.get(VIEWS).json()["results"] == []
    assert colleague.post(VIEWS, {"name": "Morning", "query": {}}, format="json").status_code == 201
    for method in (colleague.patch, colleague.delete):
        assert method(f"{VIEWS}/{second['id']}", {"name": "Mine"}, format="json").status_code == 404
    assert api.delete(f"{VIEWS}/{second['id']}").status_code == 204
    assert api.delete(f"{VIEWS}/{second['id']}").status_code == 404
    assert [view["name"] for view in api.get(VIEWS).json()["results"]] == ["Morning"]


def test_views_hold_filters_alone_and_no_more_than_a_person_may_have(api: APIClient) -> None:
    senseless: list[Any] = [
        {"cursor": "x"},
        {"status": "DONE"},
        {"sort": "random"},
        {"from": "soon"},
        {"search": "x" * 200},
        [],
        "x",
    ]
    for query in senseless:
        answer = api.post(VIEWS, {"name": "Wrong", "query": query}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field"), query
    for number in range(VIEWS_MAXIMUM):
        assert api.post(VIEWS, {"name": f"View {number}", "query": {}}, format="json").status_code == 201
    answer = api.post(VIEWS, {"name": "One more", "query": {}}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "input:too_many_views")


def rows(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.getvalue()
    assert "no-store" in answer["Cache-Control"]
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def test_an_export_holds_what_the_filters_leave_in_the_lists_order(api: APIClient, make_job: Callable[..., Job]) -> None:
    first, second = succeed(make_job(external_id="a")), succeed(make_job(external_id="b"))
    make_job(external_id="waiting")
    exported = rows(api.get(EXPORT, {"status": "SUCCEEDED", "sort": "oldest"}))
    assert [row["job"] for row in exported] == [str(first.pk), str(second.pk)]
    assert exported[0]["external_id"] == "a"
    assert exported[0]["suspicion"] == "0.75"
    assert exported[0]["above_threshold"] == "true"
    assert exported[0]["patient_id"] == ""
    assert api.get(f"{EXPORT}/count", {"status": "SUCCEEDED"}).json() == {"count": 2, "maximum": export.EXPORT_MAXIMUM}
    lines = api.get(EXPORT, {"format": "jsonl"}).getvalue().decode().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["QUEUED", "SUCCEEDED", "SUCCEEDED"]
    assert api.get(EXPORT, {"format": "xlsx"}).status_code == 400
    assert api.get(EXPORT, {"status": "DONE"}).status_code == 400


def test_a_line_of_an_export_is_as_the_document_says(api: APIClient, make_job: Callable[..., Job]) -> None:
    succeed(make_job())
    line = json.loads(api.get(EXPORT, {"format": "jsonl"}).getvalue())
    assert list(line) == list(export.COLUMNS) == list(export_views.ExportLineSerializer().fields)


def test_an_export_of_chosen_jobs_reads_json_and_says_so(api: APIClient) -> None:
    """Whatever is accepted as an answer, a body is read by its type."""
    assert api.post(EXPORT, "x", content_type="multipart/form-data").status_code == 415
    assert api.post(EXPORT, {"jobs": [str(uuid.uuid4())], "identifiers": "yes"}).status_code == 400
    assert api.options(EXPORT).status_code == 200


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_of_an_export_is_a_formula(api: APIClient, make_job: Callable[..., Job], name: str) -> None:
    make_job(external_id=name)
    assert rows(api.get(EXPORT))[0]["external_id"] == f"'{name}"


def test_an_export_in_several_pieces_misses_nothing(
    api: APIClient, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_CHUNK", 2)
    made = [str(make_job().pk) for _ in range(5)]
    assert [row["job"] for row in rows(api.get(EXPORT, {"sort": "least_urgent"}))] == made


def test_the_sites_own_identifiers_are_given_to_that_site_alone_and_audited(
    api: APIClient,
    administrator: User,
    client_of: Callable[..., APIClient],
    other_site: Site,
    make_job: Callable[..., Job],
) -> None:
    mine, theirs = make_job(), make_job(site=other_site)
    for job, patient in ((mine, "P-NORTH"), (theirs, "P-SOUTH")):
        identity_keep(study=job.study, identifiers=OriginalIdentifiers(patient_id=patient, accession_number="A1"))
    assert "P-NORTH" not in api.get(EXPORT).getvalue().decode()
    assert not AuditEntry.objects.filter(action="job.export").exists()
    assert rows(api.get(EXPORT, {"identifiers": "true"}))[0]["patient_id"] == "P-NORTH"
    assert AuditEntry.objects.filter(action="job.export").count() == 1

    administrator.is_superuser = True
    administrator.save()
    every = rows(client_of(administrator).get(EXPORT, {"identifiers": "true", "site": "*"}))
    assert {row["site"]: row["patient_id"] for row in every} == {"north": "P-NORTH", "south": ""}


def test_chosen_jobs_are_exported_and_another_sites_left_out(
    api: APIClient, reader: User, client_of: Callable[..., APIClient], other_site: Site, make_job: Callable[..., Job]
) -> None:
    first, second, theirs = make_job(), make_job(), make_job(site=other_site)
    make_job()
    wanted = [str(job.pk) for job in (first, second, theirs)]
    answer = client_of(reader).post(EXPORT, {"jobs": wanted, "format": "csv", "sort": "oldest"}, format="json")
    assert [row["job"] for row in rows(answer)] == wanted[:2]
    assert api.post(EXPORT, {"jobs": []}, format="json").status_code == 400


def test_more_than_one_file_holds_is_refused_with_a_code(
    api: APIClient, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_views, "EXPORT_MAXIMUM", 2)
    for _ in range(3):
        make_job()
    answer = api.get(EXPORT)
    assert (answer.status_code, answer.json()["code"]) == (413, "input:export_too_large")
    assert api.get(f"{EXPORT}/count").json()["count"] == 3
