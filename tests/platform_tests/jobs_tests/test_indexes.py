"""Questions that pages and the taking in of batches ask are looked up, not searched for, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Role, Site, User
from batches.expansion import earlier_jobs
from jobs.models import Job
from studies.models import Study
from tests.platform_tests.jobs_tests.query_plans import plan_of


@pytest.fixture
def platform(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    """Of a platform administrator."""
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    return client_of(administrator)


def test_priors_are_found_by_the_patient(api: APIClient, make_job: Callable[..., Job]) -> None:
    studies = [make_job().study for _ in range(2)]
    Study.objects.update(patient_pseudonym="p1")
    with CaptureQueriesContext(connection) as queries:
        found = api.get(f"/api/v1/studies/{studies[1].pk}/priors").json()["results"]
    assert [row["id"] for row in found] == [str(studies[0].pk)]
    asked = next(query["sql"] for query in queries if "patient_pseudonym\" = 'p1'" in query["sql"])
    assert "study_of_patient" in plan_of(asked)


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_every_sites_list_is_read_in_its_order(platform: APIClient, make_job: Callable[..., Job], sort: str) -> None:
    make_job()
    with CaptureQueriesContext(connection) as queries:
        assert len(platform.get("/api/v1/jobs", {"site": "*", "sort": sort}).json()["results"]) == 1
    plan = plan_of(next(query["sql"] for query in queries if "ORDER BY" in query["sql"] and "jobs_job" in query["sql"]))
    assert "job_newest" in plan, plan
    assert "TEMP B-TREE" not in plan, plan


def test_one_sites_list_is_not_looked_for_among_everybodys(api: APIClient, make_job: Callable[..., Job]) -> None:
    make_job()
    with CaptureQueriesContext(connection) as queries:
        api.get("/api/v1/jobs", {"status": "FAILED"})
    plan = plan_of(next(query["sql"] for query in queries if "ORDER BY" in query["sql"] and "jobs_job" in query["sql"]))
    assert "job_of_site_newest" in plan, plan
    assert "TEMP B-TREE" not in plan, plan


def test_the_same_files_are_found_by_their_digest(site: Site) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert not earlier_jobs(content_sha256="a" * 64, site_id=site.pk).order_by("-created_at").values_list("pk")[:20]
    plan = plan_of(queries[0]["sql"])
    assert "study_content" in plan, plan


def test_who_sees_every_site_no_longer_is_refused_at_once(
    platform: APIClient, administrator: User, make_job: Callable[..., Job], other_site: Site
) -> None:
    make_job(site=other_site)
    assert len(platform.get("/api/v1/jobs?site=*").json()["results"]) == 1
    User.objects.filter(pk=administrator.pk).update(is_superuser=False)
    assert platform.get("/api/v1/jobs?site=*").status_code == 403
    User.objects.filter(pk=administrator.pk).update(is_superuser=True, role=Role.READER)
    assert platform.get("/api/v1/jobs?site=*").status_code == 403
