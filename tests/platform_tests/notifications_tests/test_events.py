"""What sites are told, and that it is true: rows of the same transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from accounts.models import Site
from catalog.deployments import deployment_activate
from catalog.models import Deployment
from jobs.ledger import events_apply
from jobs.models import Job, JobPurpose
from jobs.services import job_cancel
from monitoring.alerts import alert_raise, alert_resolve
from monitoring.models import Alert
from notifications.endpoints import endpoint_update
from notifications.events import event_publish
from notifications.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from tests.platform_tests.jobs_tests.factories import event, package_in, study_make, succeed

Make = Callable[..., tuple[WebhookEndpoint, str]]


def told() -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of every delivery, oldest first."""
    rows = WebhookDelivery.objects.select_related("event").order_by("event__created_at", "event__type")
    return [(row.event.type, json.loads(row.event.body)["data"]) for row in rows]


def test_the_end_of_a_job_is_told_with_ids_and_codes(make_endpoint: Make, job: Job):
    make_endpoint()
    succeed(job)
    row = WebhookEvent.objects.get()
    body = json.loads(row.body)
    job.refresh_from_db()
    assert (row.type, body["type"], row.site_id) == ("job.succeeded", "job.succeeded", job.site_id)
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "job_id": str(job.pk),
        "study_id": str(job.study_id),
        "status": "SUCCEEDED",
        "attempt": 1,
        "priority": "routine",
        "deployment": "default",
        "purpose": "clinical",
        "failure_code": None,
        "finished_at": job.finished_at.isoformat().replace("+00:00", "Z") if job.finished_at else "",
        "url": f"/api/v1/jobs/{job.pk}",
    }


def test_a_failure_and_a_cancel_are_told_each_with_its_code(make_endpoint: Make, make_job: Callable[..., Job]):
    make_endpoint()
    failing, cancelled = make_job(external_id="MRN-4711"), make_job()
    events_apply([event("started", failing), event("failed", failing, failure_code="input:pixel_data_corrupt")])
    job_cancel(job_id=cancelled.pk, cancelled_by=None)
    assert [(kind, data["job_id"], data["failure_code"]) for kind, data in told()] == [
        ("job.failed", str(failing.pk), "input:pixel_data_corrupt"),
        ("job.cancelled", str(cancelled.pk), "input:cancelled"),
    ]
    assert not any("MRN-4711" in body for body in WebhookEvent.objects.values_list("body", flat=True))


def test_progress_and_a_repeated_end_tell_nothing_new(make_endpoint: Make, job: Job):
    make_endpoint()
    events_apply([event("started", job), event("progress", job, stage="INFERRING")])
    assert told() == []
    done = event("succeeded", job)
    events_apply([done])
    events_apply([done])
    assert len(told()) == 1


def test_evidence_of_administrators_is_not_told(make_endpoint: Make, job: Job):
    make_endpoint()
    Job.objects.filter(pk=job.pk).update(purpose=JobPurpose.SHADOW)
    succeed(job)
    assert told() == []


def test_an_endpoint_hears_what_it_asked_for_of_its_own_site(make_endpoint: Make, other_site: Site, make_job: Callable[..., Job]):
    everything, _ = make_endpoint()
    failures, _ = make_endpoint(event_types=["job.failed"])
    make_endpoint(site=other_site)
    succeed(make_job())
    assert list(WebhookDelivery.objects.values_list("endpoint", flat=True)) == [everything.pk]
    assert failures.event_types == ["job.failed"]


def test_events_of_an_inactive_endpoint_are_kept_for_a_replay(make_endpoint: Make, job: Job):
    endpoint, _ = make_endpoint()
    endpoint_update(endpoint=endpoint, changes={"is_active": False}, changed_by=None)
    succeed(job)
    assert (WebhookEvent.objects.count(), WebhookDelivery.objects.count()) == (1, 0)


def test_a_site_without_endpoints_costs_one_query(job: Job, site: Site, django_assert_num_queries: Any):
    with django_assert_num_queries(1):
        event_publish(site=site, type="batch.completed", data={"batch_id": "b"})
    succeed(job)
    assert not WebhookEvent.objects.exists()


def test_what_is_rolled_back_is_not_told(make_endpoint: Make, site: Site):
    make_endpoint()
    with transaction.atomic():
        event_publish(site=site, type="batch.completed", data={"batch_id": "b"})
        transaction.set_rollback(True)
    assert not WebhookEvent.objects.exists()


def test_an_unknown_type_is_a_bug_of_the_publisher(make_endpoint: Make, site: Site):
    with pytest.raises(ValueError, match=r"batch\.exploded"):
        event_publish(site=site, type="batch.exploded", data={})


def test_a_job_ends_although_the_news_of_it_cannot_be_written(make_endpoint: Make, job: Job, monkeypatch: pytest.MonkeyPatch):
    make_endpoint()

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError

    monkeypatch.setattr("notifications.events.event_body", broken)
    assert succeed(job).status == "SUCCEEDED"
    assert not WebhookEvent.objects.exists()


def test_a_database_that_is_away_takes_the_whole_message_back(make_endpoint: Make, job: Job, monkeypatch: pytest.MonkeyPatch):
    make_endpoint()
    create = QuerySet.bulk_create

    def away(self: Any, rows: Any, **given: Any) -> Any:
        if self.model is WebhookEvent:
            raise OperationalError
        return create(self, rows, **given)

    monkeypatch.setattr(QuerySet, "bulk_create", away)
    with pytest.raises(OperationalError), transaction.atomic():
        succeed(job)
    job.refresh_from_db()
    assert job.status == "QUEUED"


@pytest.mark.django_db(transaction=True)
def test_a_change_of_a_deployment_is_told_to_whom_it_concerns(
    make_endpoint: Make, deployment: Deployment, site: Site, other_site: Site, tmp_path: Path
):
    make_endpoint()
    make_endpoint(site=other_site)
    package = package_in(tmp_path, version="2.0.0")
    deployment_activate(name="default", site=None, package=package, changed_by=None, reason="tests")
    deployment_activate(name="own", site=site, package=package, changed_by=None, reason="tests")
    assert [(kind, data["deployment"], data["scope"], data["package_version"]) for kind, data in told()] == [
        ("deployment.changed", "default", "all", "2.0.0"),
        ("deployment.changed", "default", "all", "2.0.0"),
        ("deployment.changed", "own", "site", "2.0.0"),
    ]


def test_the_ledger_pays_a_fixed_price_for_any_number_of_ends(
    make_endpoint: Make, deployment: Deployment, site: Site, make_job: Callable[..., Job], django_assert_max_num_queries: Any
):
    make_endpoint()
    jobs = [make_job() for _ in range(12)]
    study_make(site)
    message = [part for job in jobs for part in (event("started", job), event("succeeded", job))]
    with django_assert_max_num_queries(45):
        events_apply(message)
    assert len(told()) == 12


def test_an_alert_of_a_site_is_told_to_it_alone_and_ends_once(
    make_endpoint: Make, deployment: Deployment, site: Site, other_site: Site
):
    make_endpoint(), make_endpoint(site=other_site)
    own = deployment_activate(name="own", package=deployment.package, site=site, changed_by=None, reason="")
    WebhookEvent.objects.all().delete()
    assert alert_raise(key="k", metric="failure_share", message="30% failed", value=0.3, threshold=0.2, deployment=own)
    assert alert_raise(key="k", metric="failure_share", message="31% failed") is None  # it stands already
    assert (alert_resolve(key="k"), alert_resolve(key="k")) == (True, False)
    alert = Alert.objects.get()
    assert alert.resolved_at is not None
    raised = {
        "alert_id": alert.pk,
        "metric": "failure_share",
        "message": "30% failed",
        "deployment": "own",
        "scope": "site",
        "package": deployment.package_id,
        "value": 0.3,
        "threshold": 0.2,
        "raised_at": alert.raised_at.isoformat().replace("+00:00", "Z"),
        "resolved_at": None,
        "url": "/api/v1/monitoring/alerts",
    }
    ended = alert.resolved_at.isoformat().replace("+00:00", "Z")
    assert told() == [("alert.raised", raised), ("alert.resolved", {**raised, "resolved_at": ended})]
    assert set(WebhookEvent.objects.values_list("site", flat=True)) == {site.pk}


def test_an_alert_about_the_queue_is_told_everywhere_and_one_undone_nowhere(make_endpoint: Make, site: Site, other_site: Site):
    make_endpoint(), make_endpoint(site=other_site)
    with transaction.atomic():
        alert_raise(key="queue_wait", metric="queue_wait", message="waits")
        transaction.set_rollback(True)
    assert (Alert.objects.count(), told()) == (0, [])
    alert_raise(key="queue_wait", metric="queue_wait", message="waits", value=700.0, threshold=600.0)
    assert [(kind, data["scope"], data["deployment"]) for kind, data in told()] == [("alert.raised", "all", None)] * 2
