"""A site's quotas: jobs that wait, studies in a day, bytes; exact when two ask at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from rest_framework.test import APIClient

from accounts.models import Site
from catalog.models import Deployment
from jobs.ledger import events_apply
from jobs.models import Job
from jobs.quotas import QuotaExceeded, quota_check, quota_take
from jobs.services import job_submit
from studies.models import StoredObject
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, study_make
from tests.platform_tests.jobs_tests.test_api import png


def limit(site: Site, **quotas: int) -> Site:
    Site.objects.filter(pk=site.pk).update(**quotas)
    site.refresh_from_db()
    return site


def test_no_more_jobs_wait_than_the_quota_allows(api: APIClient, make_job: Callable[..., Job], site: Site) -> None:
    limit(site, max_queued_jobs=2)
    jobs = [make_job(), make_job()]
    answer = api.post("/api/v1/studies", {"files": [png()]}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (429, "input:quota_queued_jobs")
    assert int(answer["Retry-After"]) > 0
    assert "2" in answer.json()["errors"][0]["message"]
    events_apply([event("started", jobs[0])])
    assert api.post("/api/v1/studies", {"files": [png()]}, format="multipart").status_code == 202


def test_a_day_has_its_quota_and_says_when_it_ends(
    make_job: Callable[..., Job], site: Site, other_site: Site, moving_clock: Clock
) -> None:
    limit(site, max_studies_per_day=3)
    make_job(), make_job(), make_job(site=other_site)
    quota_check(site=site)
    make_job()
    with pytest.raises(QuotaExceeded) as caught:
        quota_check(site=site)
    assert caught.value.code == "input:quota_studies_per_day"
    wait = int(caught.value.headers["Retry-After"])
    assert 0 < wait <= 86_400
    quota_check(site=other_site)
    moving_clock.advance(wait + 1)
    quota_check(site=site)


def test_storage_is_measured_and_added_to_in_between(make_job: Callable[..., Job], site: Site, moving_clock: Clock) -> None:
    make_job()  # two images of nine bytes
    limit(site, max_storage_bytes=30)
    with transaction.atomic():
        quota_take(site=site, stored_bytes=10)
    with pytest.raises(QuotaExceeded) as caught, transaction.atomic():
        quota_take(site=site, stored_bytes=3)
    assert caught.value.code == "input:quota_storage"
    moving_clock.advance(61)  # measured again: the ten bytes were never stored
    with transaction.atomic():
        quota_take(site=site, stored_bytes=12)
    assert StoredObject.objects.count() == 2


def test_the_platforms_default_holds_unless_a_site_has_its_own(site: Site, other_site: Site, settings: Any) -> None:
    settings.QUOTA_STUDIES_PER_DAY = 1
    study_make(site), study_make(other_site)
    limit(other_site, max_studies_per_day=0)
    with pytest.raises(QuotaExceeded):
        quota_check(site=site)
    quota_check(site=other_site)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_both_be_the_last(deployment: Deployment, site: Site) -> None:
    limit(site, max_queued_jobs=5)

    def submit(_: int) -> bool:
        try:
            with transaction.atomic():
                quota_take(site=site)
                job_submit(study=study_make(site), deployment=deployment, priority="routine", submitted_by=None)
        except QuotaExceeded:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(submit, range(12))) == 5
    assert Job.objects.count() == 5
