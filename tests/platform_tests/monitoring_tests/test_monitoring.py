"""Watching: jobs counted once, drift by known figures, alerts that stand and end, metrics, and who may see them."""

from __future__ import annotations

import datetime
import io
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Role, Site, User
from accounts.services import user_create
from catalog.models import Deployment
from common import clock
from common.object_store import ObjectStore
from jobs.ledger import events_apply
from jobs.models import Job
from monitoring.alerts import alerts_judge
from monitoring.histograms import SECONDS, population_stability_index, psi_band, seconds_bin, seconds_percentile
from monitoring.management.commands.monitoring import STANDS
from monitoring.models import Alert, HourlyStatistics
from monitoring.rollups import finished_count, statistics_drop
from monitoring.watch import deployment_series
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import deployment_make, event, job_make, result_payload

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(store: ObjectStore, tmp_path: Path) -> Deployment:
    return deployment_make(tmp_path)


@pytest.fixture
def finish(deployment: Deployment, site: Site) -> Callable[..., Job]:
    """A clinical job that ended: with this suspicion, or failed with this code."""

    def make(*, suspicion: float = 0.75, code: str = "") -> Job:
        job = job_make(deployment, site)
        end = (
            event("failed", job, failure_code=code, failure_detail="")
            if code
            else event("succeeded", job, result=result_payload(job, suspicion=suspicion))
        )
        events_apply([event("started", job), end])
        return Job.objects.get(pk=job.pk)

    return make


def hours(deployment: Deployment, site: Site, *, hour: datetime.datetime, **fields: Any) -> HourlyStatistics:
    return HourlyStatistics.objects.create(
        hour=hour.replace(minute=0, second=0, microsecond=0),
        deployment_name=deployment.name,
        package=deployment.package,
        site=site,
        **fields,
    )


def test_a_finished_job_is_counted_once(finish: Callable[..., Job], deployment: Deployment) -> None:
    finish(suspicion=0.9)
    finish(suspicion=0.1)
    finish(code="input:not_mammography")
    assert finished_count() == 3
    assert finished_count() == 0
    row = HourlyStatistics.objects.get()
    assert (row.succeeded, row.failed, row.failures) == (2, 1, {"input:not_mammography": 1})
    assert (sum(row.suspicion), row.suspicion[18], row.suspicion[2]) == (2, 1, 1)
    assert row.labels == {"malignant": 2}
    totals = deployment_series(deployment=deployment, window="24h")["totals"]
    assert (totals["jobs"], totals["failure_share"]) == (3, pytest.approx(1 / 3))


def test_old_hours_are_forgotten(deployment: Deployment, site: Site, settings: Any) -> None:
    settings.STATISTICS_KEPT_DAYS = 10
    for days in (1, 9, 11, 30):
        hours(deployment, site, hour=clock.now() - datetime.timedelta(days=days), succeeded=1)
    assert statistics_drop() == 2


def test_the_stability_index_by_hand() -> None:
    assert population_stability_index([50, 50], [50, 50]) == 0
    by_hand = (0.8 - 0.5) * math.log(0.8 / 0.5) + (0.2 - 0.5) * math.log(0.2 / 0.5)
    assert population_stability_index([50, 50], [80, 20]) == pytest.approx(by_hand)
    assert psi_band(by_hand) == "shifted"
    assert population_stability_index([25, 24], [80, 20]) is None
    assert psi_band(None) == "too_few_cases"
    assert psi_band(0.05) == "stable"


def test_percentiles_are_read_off_the_bins() -> None:
    counts = [0] * (len(SECONDS) + 1)
    for seconds in (0.05, 4.0, 4.5, 4000.0):
        counts[seconds_bin(seconds)] += 1
    assert seconds_percentile(counts, 50) == pytest.approx(4.0)
    assert seconds_percentile(counts, 99) == SECONDS[-1]
    assert seconds_percentile([], 50) is None


def drifting(deployment: Deployment, site: Site) -> None:
    """First two hundred results below 0.5, and today's above it."""
    low, high = [0] * 20, [0] * 20
    low[2], high[15] = 200, 100
    hours(deployment, site, hour=clock.now() - datetime.timedelta(days=3), succeeded=200, suspicion=low)
    hours(deployment, site, hour=clock.now(), succeeded=100, suspicion=high)


def test_a_shift_is_seen_and_alerted_once_until_it_is_over(deployment: Deployment, site: Site) -> None:
    drifting(deployment, site)
    drift = deployment_series(deployment=deployment, window="24h")["drift"]["suspicion"]
    assert (drift["band"], drift["cases"]) == ("shifted", 100)
    assert alerts_judge() == 1
    assert alerts_judge() == 0
    alert = Alert.objects.get()
    assert (alert.metric, alert.package, alert.resolved_at) == ("drift_suspicion", deployment.package, None)
    HourlyStatistics.objects.filter(succeeded=100).delete()
    alerts_judge()
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_a_share_alerts_only_with_enough_jobs_and_ends_well_below(deployment: Deployment, site: Site) -> None:
    row = hours(deployment, site, hour=clock.now(), succeeded=10, failed=9)
    assert alerts_judge() == 0
    for succeeded, failed, standing in ((18, 2, 1), (91, 9, 1), (93, 7, 0)):  # raised at 10 %, stands at 9 %, ends at 7 %
        HourlyStatistics.objects.filter(pk=row.pk).update(succeeded=succeeded, failed=failed)
        alerts_judge()
        assert Alert.objects.filter(metric="failure_share", resolved_at=None).count() == standing


def test_an_administrator_reads_and_acknowledges(
    deployment: Deployment, site: Site, administrator: User, client_of: Callable[[User], APIClient]
) -> None:
    drifting(deployment, site)
    alerts_judge()
    client = client_of(administrator)
    series = client.get("/api/v1/monitoring/deployments/default?window=7d").json()
    assert series["totals"]["succeeded"] == 300
    assert client.get("/api/v1/monitoring/deployments/default?window=9y").status_code == 400
    (alert,) = client.get("/api/v1/monitoring/alerts").json()["results"]
    said = client.post(f"/api/v1/monitoring/alerts/{alert['id']}/acknowledge").json()
    assert said["acknowledged_by"] == "administrator"
    assert AuditEntry.objects.filter(action="alert.acknowledge", actor=administrator).count() == 1


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
@pytest.mark.parametrize(
    ("method", "address"),
    [("get", "deployments/default"), ("get", "alerts"), ("post", "alerts/1/acknowledge")],
)
def test_nobody_else_does(site: Site, client_of: Callable[[User], APIClient], role: Role, method: str, address: str) -> None:
    user = user_create(site=site, username="someone", password=PASSWORD, role=role)
    assert getattr(client_of(user), method)(f"/api/v1/monitoring/{address}").status_code == 403


def test_metrics_name_deployments_and_nobody(
    finish: Callable[..., Job], client: Any, settings: Any, site: Site, deployment: Deployment
) -> None:
    finish()
    finish(code="input:not_mammography")
    finished_count()
    text = client.get("/metrics").content.decode()
    package = f"{deployment.package.name} {deployment.package.version}"
    assert f'mammoserve_finished_jobs_24h{{deployment="default",outcome="succeeded",package="{package}"}} 1.0' in text
    assert 'mammoserve_failures_24h{code="input:not_mammography"} 1.0' in text
    assert site.slug not in text
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
    settings.METRICS_TOKEN = "a token for the scraper"
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer a token for the scraper"}).status_code == 200


def said(command: str, *words: str) -> str:
    out = io.StringIO()
    call_command(command, *words, stdout=out)
    return out.getvalue()


def test_the_command_line_says_the_same(deployment: Deployment, site: Site) -> None:
    assert said("monitoring", "alerts") == ""
    drifting(deployment, site)
    alerts_judge()
    assert "drift of suspicion: PSI" in said("monitoring", "figures", "default", "--window", "7d")
    assert json.loads(said("monitoring", "figures", "default", "--json"))["totals"]["succeeded"] == 100
    with pytest.raises(CommandError) as error:
        said("monitoring", "alerts")
    assert error.value.returncode == STANDS
    with pytest.raises(CommandError):
        said("monitoring", "figures", "nowhere")


def test_jobs_are_repeated_from_the_command_line(finish: Callable[..., Job], deployment: Deployment, administrator: User) -> None:
    job = finish()
    who = ("--as", "administrator")
    answer = json.loads(
        said("jobs", "rerun", str(job.pk), "--package", deployment.package_id, "--reason", "look again", *who, "--json")
    )
    assert Job.objects.get(pk=answer["job"]).origin_id == job.pk
    replay = Job.objects.get(pk=json.loads(said("jobs", "replay", str(job.pk), *who, "--json"))["job"])
    assert (replay.purpose, replay.package_id) == ("replay", job.package_id)
    with pytest.raises(CommandError) as error:
        said("jobs", "replay", str(job.pk), *who, "--wait", "0")
    assert error.value.returncode == 4
    with pytest.raises(CommandError):
        said("jobs", "replay", str(uuid.uuid4()), *who)
    with pytest.raises(CommandError, match="no_candidate"):
        said("jobs", "agreement", "default")
    assert deployment.package.version in said("jobs", "readiness", deployment.package_id)


@pytest.mark.parametrize(("suspicion", "status"), [(0.75, 0), (0.35, 3)])
def test_a_replay_ends_as_the_answers_compare(
    finish: Callable[..., Job], administrator: User, monkeypatch: pytest.MonkeyPatch, suspicion: float, status: int
) -> None:
    job = finish()

    def a_worker_answers(seconds: float) -> None:
        replay = Job.objects.get(origin=job)
        events_apply([event("started", replay), event("succeeded", replay, result=result_payload(replay, suspicion=suspicion))])

    monkeypatch.setattr("jobs.management.commands.jobs.time.sleep", a_worker_answers)
    words = ("jobs", "replay", str(job.pk), "--as", "administrator", "--wait", "30", "--json")
    if status == 0:
        assert json.loads(said(*words))["verdict"] == "identical"
        return
    with pytest.raises(CommandError) as error:
        said(*words)
    assert error.value.returncode == status
