"""The poll of the counts: nothing is counted while nothing can have changed, and no change is missed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Site, User
from jobs.ledger import events_apply
from jobs.models import Job
from jobs.services import job_cancel, job_retry
from tests.platform_tests.jobs_tests.factories import event, succeed
from tests.platform_tests.jobs_tests.query_plans import plan_of

COUNTS = "/api/v1/jobs/summary"


class Page:
    """An open worklist: it asks with the ETag it was given, and shows what came last."""

    def __init__(self, api: APIClient, address: str = COUNTS) -> None:
        self.api, self.address = api, address
        self.etag = ""
        self.shown: dict[str, int] = {}

    def poll(self) -> int:
        answer = self.api.get(self.address, headers={"If-None-Match": self.etag} if self.etag else {})
        if answer.status_code == 200:
            self.shown = {status: count for status, count in answer.json()["counts"].items() if count}
            self.etag = answer["ETag"]
        return answer.status_code


def jobs_counted(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if "COUNT" in query["sql"] and '"jobs_job"' in query["sql"]]


def test_an_unchanged_list_is_not_counted(api: APIClient, make_job: Callable[..., Job]) -> None:
    succeed(make_job())
    page = Page(api)
    assert (page.poll(), page.shown) == (200, {"SUCCEEDED": 1})
    with CaptureQueriesContext(connection) as queries:
        assert page.poll() == 304
    assert len(queries) == 3  # token, the latest change, the person's marks
    assert not jobs_counted(queries)


def test_the_latest_change_is_found_by_an_index(api: APIClient, make_job: Callable[..., Job]) -> None:
    succeed(make_job())
    with CaptureQueriesContext(connection) as queries:
        Page(api).poll()
    asked = next(query["sql"] for query in queries if "updated_at" in query["sql"] and "ORDER BY" in query["sql"])
    plan = plan_of(asked)
    assert "job_of_site_changed" in plan, plan
    assert "study_sample" in plan, plan


def test_every_step_of_a_job_is_seen(api: APIClient, make_job: Callable[..., Job]) -> None:
    page = Page(api)
    page.poll()
    job = make_job()
    assert (page.poll(), page.shown) == (200, {"QUEUED": 1})
    events_apply([event("started", job)])
    assert (page.poll(), page.shown) == (200, {"RUNNING": 1})
    assert page.poll() == 304
    events_apply([event("failed", job, failure_code="input:pixel_data_corrupt")])
    assert (page.poll(), page.shown) == (200, {"FAILED": 1})
    job_retry(job_id=job.pk, retried_by=None)
    assert (page.poll(), page.shown) == (200, {"QUEUED": 1})
    job_cancel(job_id=job.pk, cancelled_by=None)
    assert (page.poll(), page.shown) == (200, {"CANCELLED": 1})


def test_what_began_and_ended_between_two_polls_is_seen(api: APIClient, make_job: Callable[..., Job]) -> None:
    old = make_job()
    job_cancel(job_id=old.pk, cancelled_by=None)
    succeed(make_job())
    page = Page(api)
    page.poll()
    succeed(make_job())
    assert (page.poll(), page.shown) == (200, {"CANCELLED": 1, "SUCCEEDED": 2})
    job_retry(job_id=old.pk, retried_by=None)
    succeed(Job.objects.get(pk=old.pk))
    assert (page.poll(), page.shown) == (200, {"SUCCEEDED": 3})


def test_a_sample_that_is_removed_is_seen(api: APIClient, make_job: Callable[..., Job]) -> None:
    sample = Job.objects.get(pk=api.post("/api/v1/sample-study").json()["job"]["id"])
    succeed(sample)
    succeed(make_job())
    page = Page(api)
    page.poll()
    assert page.shown == {"SUCCEEDED": 2}
    assert api.delete("/api/v1/sample-study").status_code == 204
    assert (page.poll(), page.shown) == (200, {"SUCCEEDED": 1})


def test_another_sites_work_changes_only_what_shows_it(
    api: APIClient,
    administrator: User,
    client_of: Callable[[User], APIClient],
    other_site: Site,
    make_job: Callable[..., Job],
) -> None:
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    succeed(make_job())
    platform = client_of(administrator)
    own, theirs, every = Page(api), Page(platform, f"{COUNTS}?site=south"), Page(platform, f"{COUNTS}?site=*")
    for page in (own, theirs, every):
        page.poll()
    assert (own.shown, theirs.shown, every.shown) == ({"SUCCEEDED": 1}, {}, {"SUCCEEDED": 1})
    with CaptureQueriesContext(connection) as queries:
        assert [page.poll() for page in (theirs, every)] == [304, 304]
    assert not jobs_counted(queries)
    succeed(make_job(site=other_site))
    assert [page.poll() for page in (own, theirs, every)] == [304, 200, 200]
    assert (theirs.shown, every.shown) == ({"SUCCEEDED": 1}, {"SUCCEEDED": 2})


def test_a_site_that_is_not_ones_own_or_not_there_is_refused_as_ever(
    api: APIClient, administrator: User, client_of: Callable[[User], APIClient], other_site: Site
) -> None:
    assert [api.get(f"{COUNTS}?site={name}").status_code for name in ("south", "*", "north")] == [403, 403, 200]
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    assert client_of(administrator).get(f"{COUNTS}?site=nowhere").status_code == 400


def test_only_sample_studies_are_ever_removed() -> None:
    """The poll relies on it: whoever removes other jobs must tell the worklists that are open."""

    def removes(call: ast.AST) -> bool:
        return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "delete"

    platform = Path(__file__).resolve().parents[3] / "platform"
    found: list[Any] = []
    for path in platform.rglob("*.py"):
        for call in filter(removes, ast.walk(ast.parse(path.read_text()))):
            names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
            if names & {"Job", "Study", "study", "job"}:
                found.append(path.relative_to(platform).as_posix())
    assert sorted(set(found)) == ["jobs/samples.py"]
