"""The worklist's orders: each through all its pages, forwards and back, nothing twice and nothing left out."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Site, User
from inference_worker.contract.queues import Priority
from jobs.ledger import events_apply
from jobs.listing import SORTS
from jobs.models import Job
from jobs.reading import results_read_until
from tests.platform_tests.jobs_tests.factories import event, result_payload, succeed
from tests.platform_tests.jobs_tests.query_plans import plan_of

SUSPICIONS = (0.2, None, 0.9, 0.2, None, 0.05, 0.9)
PRIORITIES = ("routine", "stat", "backfill", "routine", "stat", "routine", "backfill")


@pytest.fixture
def jobs(make_job: Callable[..., Job]) -> list[Job]:
    """Seven, oldest first; SUSPICIONS and PRIORITIES in that order, with ties, two of them waiting."""
    made = [make_job(priority=priority) for priority in PRIORITIES]
    for job, suspicion in zip(made, SUSPICIONS, strict=True):
        if suspicion is not None:
            events_apply([event("succeeded", job, result=result_payload(job, suspicion=suspicion))])
    return made


def expected(jobs: list[Job], sort: str) -> list[str]:
    facts = list(zip(jobs, SUSPICIONS, PRIORITIES, range(len(jobs)), strict=True))
    rank = {"stat": 0, "routine": 1, "backfill": 2}
    keys: dict[str, Callable[[Any], Any]] = {
        "newest": lambda fact: -fact[3],
        "oldest": lambda fact: fact[3],
        "most_suspicious": lambda fact: (fact[1] is None, -(fact[1] or 0), -fact[3]),
        "least_suspicious": lambda fact: (fact[1] is None, fact[1] or 0, fact[3]),
        "most_urgent": lambda fact: (rank[fact[2]], -fact[3]),
        "least_urgent": lambda fact: (-rank[fact[2]], fact[3]),
    }
    return [str(fact[0].pk) for fact in sorted(facts, key=keys[sort])]


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["results"]]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_order_through_its_pages_and_back(api: APIClient, jobs: list[Job], sort: str, size: int) -> None:
    page = api.get("/api/v1/jobs", {"sort": sort, "page_size": str(size)}).json()
    assert page["previous"] is None
    pages = [ids(page)]
    while page["next"]:
        page = api.get(page["next"]).json()
        pages.append(ids(page))
    assert [key for some in pages for key in some] == expected(jobs, sort)
    back = [ids(page)]
    while page["previous"]:
        page = api.get(page["previous"]).json()
        back.append(ids(page))
    assert back[::-1] == pages


def test_what_comes_meanwhile_moves_no_page(api: APIClient, jobs: list[Job], make_job: Callable[..., Job]) -> None:
    page = api.get("/api/v1/jobs", {"sort": "most_urgent", "page_size": "3"}).json()
    newer = make_job(priority="stat")
    second = api.get(page["next"]).json()
    assert ids(page) + ids(second) == expected(jobs, "most_urgent")[:6]
    first = api.get(second["previous"]).json()
    assert ids(first) == ids(page)
    beginning = api.get(first["previous"]).json()
    assert ids(beginning) == [str(newer.pk), *ids(page)[:2]]  # a whole page, as it is now
    assert beginning["previous"] is None


def test_priorities_fall_from_the_most_to_the_least_urgent_by_name() -> None:
    names = [item.value for item in (Priority.STAT, Priority.ROUTINE, Priority.BACKFILL)]
    assert names == sorted((item.value for item in Priority), reverse=True)


def test_a_cursor_of_another_order_or_none_at_all_is_not_found(api: APIClient, jobs: list[Job]) -> None:
    cursor = api.get("/api/v1/jobs", {"page_size": 2}).json()["next"].partition("cursor=")[2].partition("&")[0]
    assert api.get(f"/api/v1/jobs?cursor={cursor}").status_code == 200
    assert api.get(f"/api/v1/jobs?sort=most_urgent&cursor={cursor}").status_code == 404
    for text in ("[]", "[1e999,2,3]", '["x","y"]', '["2026-01-01T00:00:00Z","no key"]', "{", "[" * 5000):
        wrong = quote(b64encode(urlencode({"p": text}).encode()).decode())
        assert api.get(f"/api/v1/jobs?cursor={wrong}").status_code == 404, text


@pytest.mark.parametrize("sort", ["most_suspicious", "most_urgent", "newest"])
def test_an_order_is_read_from_an_index(api: APIClient, jobs: list[Job], sort: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/api/v1/jobs", {"sort": sort}).status_code == 200
    asked = next(query["sql"] for query in queries if "ORDER BY" in query["sql"] and "jobs_job" in query["sql"])
    plan = plan_of(asked)
    index = {"most_suspicious": "job_of_site_suspicion", "most_urgent": "job_of_site_priority", "newest": "job_of_site_newest"}
    assert index[sort] in plan, plan


def test_the_poll_sees_a_change_an_arrival_and_a_reading(
    api: APIClient, submitter: User, jobs: list[Job], make_job: Callable[..., Job]
) -> None:
    address = "/api/v1/jobs?sort=most_suspicious"

    def poll(etag: str) -> Any:
        return api.get(address, headers={"If-None-Match": etag})

    etag = api.get(address)["ETag"]
    assert poll(etag).status_code == 304
    make_job()
    changed = poll(etag)
    assert changed.status_code == 200
    api.put("/api/v1/jobs/reading", {"jobs": [str(jobs[0].pk)]})
    read = poll(changed["ETag"])
    assert read.status_code == 200
    results_read_until(user=submitter, until=Job.objects.get(pk=jobs[-1].pk).finished_at)  # type: ignore[arg-type]
    assert poll(read["ETag"]).status_code == 200


def test_polls_of_two_people_and_two_sites_are_not_mixed_up(
    api: APIClient, other_api: APIClient, other_site: Site, make_job: Callable[..., Job]
) -> None:
    mine, theirs = make_job(), make_job(site=other_site)
    for _ in range(2):
        assert ids(api.get("/api/v1/jobs").json()) == [str(mine.pk)]
        assert ids(other_api.get("/api/v1/jobs").json()) == [str(theirs.pk)]


def test_platform_administrators_see_the_sites_they_name_and_others_none_but_their_own(
    api: APIClient,
    administrator: User,
    client_of: Callable[..., APIClient],
    other_site: Site,
    make_job: Callable[..., Job],
) -> None:
    mine, theirs = make_job(), make_job(site=other_site)
    assert api.get("/api/v1/jobs?site=south").status_code == 403
    assert api.get("/api/v1/jobs?site=*").status_code == 403
    assert api.get("/api/v1/jobs/summary?site=south").status_code == 403
    assert ids(api.get("/api/v1/jobs?site=north").json()) == [str(mine.pk)]
    assert client_of(administrator).get("/api/v1/jobs?site=south").status_code == 403
    administrator.is_superuser = True
    administrator.save()
    client = client_of(administrator)
    assert ids(client.get("/api/v1/jobs").json()) == [str(mine.pk)]
    assert ids(client.get("/api/v1/jobs?site=south").json()) == [str(theirs.pk)]
    assert ids(client.get("/api/v1/jobs?site=*").json()) == [str(theirs.pk), str(mine.pk)]
    assert [row["site"] for row in client.get("/api/v1/jobs?site=*").json()["results"]] == ["south", "north"]
    assert client.get("/api/v1/jobs/summary?site=*").json()["counts"]["QUEUED"] == 2
    assert client.get("/api/v1/jobs?site=nowhere").status_code == 400
    assert client.get(f"/api/v1/jobs/{theirs.pk}").json()["site"] == "south"
    assert api.get(f"/api/v1/jobs/{theirs.pk}").status_code == 404
    assert client.get(f"/api/v1/jobs/{uuid.uuid4()}").status_code == 404

    succeed(theirs)
    answer = client.get(f"/api/v1/jobs/{theirs.pk}/result")
    assert client.get(f"/api/v1/jobs/{theirs.pk}/result", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    read = AuditEntry.objects.get(action="job.read_elsewhere")
    assert (read.site, read.subject, read.actor) == (other_site, str(theirs.pk), administrator)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({"status": ["SUCCEEDED", "FAILED"]}, {0, 2, 3, 5, 6}),
        ({"status": "QUEUED"}, {1, 4}),
        ({"side": "above"}, {2, 6}),
        ({"side": "below"}, {0, 3, 5}),
        ({"label": "malignant", "priority": "backfill"}, {2, 6}),
        ({"reading": "unread"}, {0, 2, 3, 5, 6}),
        ({"reading": "read"}, set()),
        ({"search": "nothing has it"}, set()),
        ({"deployment": "default"}, set(range(7))),
    ],
)
def test_every_filter_in_every_order(api: APIClient, jobs: list[Job], sort: str, query: dict[str, Any], places: set[int]) -> None:
    wanted = [key for key in expected(jobs, sort) if key in {str(jobs[place].pk) for place in places}]
    for _ in range(2):  # as it is asked first, and again
        answer = api.get("/api/v1/jobs", {**query, "sort": sort})
        assert answer.status_code == 200
        assert ids(answer.json()) == wanted
