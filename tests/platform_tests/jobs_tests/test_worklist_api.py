"""The worklist: filters, order, many jobs at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from jobs.ledger import events_apply
from jobs.models import Job
from tests.platform_tests.jobs_tests.factories import event, result_payload, succeed


def found(api: APIClient, **query: Any) -> list[str]:
    answer = api.get("/api/v1/jobs", query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_filters_by_side_label_deployment_and_date(api: APIClient, make_job: Callable[..., Job]) -> None:
    above, below, waiting = make_job(), make_job(), make_job()
    succeed(above)
    events_apply([event("succeeded", below, result=result_payload(below, suspicion=0.2))])
    assert found(api, side="above") == [str(above.pk)]
    assert found(api, side="below") == [str(below.pk)]
    assert len(found(api, label="malignant")) == 2
    assert found(api, label="normal") == []
    assert len(found(api, deployment="default")) == 3
    assert found(api, deployment="other") == []
    assert found(api, created_after=waiting.created_at.isoformat()) == [str(waiting.pk)]
    assert len(found(api, created_before=waiting.created_at.isoformat())) == 2
    for wrong in ({"side": "left"}, {"created_after": "yesterday"}, {"sort": "random"}):
        assert api.get("/api/v1/jobs", wrong).status_code == 400


def test_oldest_first_and_through_the_pages(api: APIClient, make_job: Callable[..., Job]) -> None:
    jobs = [str(make_job().pk) for _ in range(5)]
    first = api.get("/api/v1/jobs?sort=oldest&page_size=3").json()
    second = api.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == jobs
    assert found(api) == jobs[::-1]


def test_an_unchanged_list_of_finished_jobs_costs_two_queries(api: APIClient, make_job: Callable[..., Job]) -> None:
    for _ in range(3):
        succeed(make_job())
    etag = api.get("/api/v1/jobs")["ETag"]
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/api/v1/jobs", headers={"If-None-Match": etag}).status_code == 304
    assert len(queries) == 2  # token, keys and revisions


def test_many_jobs_at_once_each_with_its_outcome(
    api: APIClient, other_api: APIClient, make_job: Callable[..., Job], other_site: Any
) -> None:
    waiting, finished, theirs, nobody = make_job(), succeed(make_job()), make_job(site=other_site), uuid.uuid4()
    wanted = [str(waiting.pk), str(finished.pk), str(theirs.pk), str(nobody)]
    answer = api.post("/api/v1/jobs/bulk", {"action": "cancel", "jobs": wanted})
    assert [(row["outcome"], row["status"]) for row in answer.json()["results"]] == [
        ("done", "CANCELLED"),
        ("refused", "SUCCEEDED"),
        ("not_found", None),
        ("not_found", None),
    ]
    theirs.refresh_from_db()
    assert theirs.status == "QUEUED"
    again = api.post("/api/v1/jobs/bulk", {"action": "retry", "jobs": wanted[:2]}).json()["results"]
    assert [(row["outcome"], row["status"]) for row in again] == [("done", "QUEUED"), ("refused", "SUCCEEDED")]
    assert api.post("/api/v1/jobs/bulk", {"action": "delete", "jobs": wanted}).status_code == 400
    assert api.post("/api/v1/jobs/bulk", {"action": "cancel", "jobs": wanted * 60}).status_code == 400


def test_a_reader_changes_nothing_in_bulk(reader: Any, client_of: Callable[..., APIClient], job: Job) -> None:
    answer = client_of(reader).post("/api/v1/jobs/bulk", {"action": "cancel", "jobs": [str(job.pk)]})
    assert answer.status_code == 403
