"""What the audit history calls the objects of its entries: names, found when it is read, for the cost of a query a kind."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.administration import token_add, user_add, user_change
from accounts.audit import audit_record
from accounts.models import ApiToken, AuditEntry, Site, User
from batches.models import Batch, BatchItem
from catalog.models import ModelPackage, PackageUpload
from common import clock
from common.object_store import ObjectStore
from jobs.models import Job
from notifications.models import WebhookEndpoint
from tests.platform_tests.jobs_tests.factories import deployment_make, job_make

pytestmark = pytest.mark.django_db
LIST = "/api/v1/audit"


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


@pytest.fixture
def job(store: ObjectStore, tmp_path: Path, site: Site) -> Job:
    return job_make(deployment_make(tmp_path), site, external_id="ACC-77")


def _entry(api: APIClient, action: str) -> dict[str, Any]:
    [found] = api.get(LIST, {"action": action}).json()["results"]
    return found


def test_people_are_named_and_their_numbers_kept(admin_api: APIClient, administrator: User, site: Site) -> None:
    person, _ = user_add(site=site, username="dr.ruiz", role="reader", by=administrator)
    user_change(user=person, by=administrator, role="submitter")
    token, _ = token_add(user=person, name="PACS gateway", by=administrator)
    for action in ("user.create", "user.change"):
        entry = _entry(admin_api, action)
        assert (entry["subject"], entry["subject_name"], entry["actor"]) == (str(person.pk), "dr.ruiz", "administrator")
    entry = _entry(admin_api, "token.create")
    assert (entry["subject"], entry["subject_name"]) == (token.prefix, "PACS gateway")
    assert (entry["detail"]["user"], entry["detail_names"]) == (person.pk, {"user": "dr.ruiz"})
    User.objects.filter(pk=person.pk).update(username="dr.ruiz.lopez")
    assert _entry(admin_api, "user.create")["subject_name"] == "dr.ruiz.lopez"  # as the person is called now


def test_things_have_the_names_that_people_know_them_by(admin_api: APIClient, administrator: User, site: Site, job: Job) -> None:
    batch = Batch.objects.create(site=site, name="week 12", expires_after_seconds=60, expires_at=clock.now())
    item = BatchItem.objects.create(batch=batch, position=0, custom_id="case-1", urgency=1, not_before=clock.now())
    webhook = WebhookEndpoint.objects.create(site=site, url="https://key:secret@pacs.example.org/in?token=hidden", secret="x")
    upload = PackageUpload.objects.create(
        kind="onnx", uploaded_by=administrator, object_key="k", sha256="s", size_bytes=1, form={"name": "dense-net"}
    )
    package = ModelPackage.objects.get(pk=job.package_id)
    told = {
        "package.archive": (package.pk, "known-answer 1.0.0"),
        "package.refused": (str(upload.pk), "dense-net"),
        "job.read_elsewhere": (str(job.pk), "ACC-77"),
        "job.rerun": (package.pk, "known-answer 1.0.0"),
        "job.export": (str(site.pk), "north"),
        "batch.results": (str(batch.pk), "week 12"),
        "quarantine.release": (str(item.pk), "case-1"),
        "webhook.test": (str(webhook.pk), "pacs.example.org"),
        "alert.acknowledge": ("queue_wait", None),
    }
    for action, (subject, _) in told.items():
        audit_record(actor=administrator, action=action, subject=subject)
    assert {action: (one["subject"], one["subject_name"]) for action in told for one in [_entry(admin_api, action)]} == told
    detail: dict[str, Any] = {"from": package.pk, "to": package.pk}
    audit_record(actor=administrator, action="deployment.rollback", subject="default", **detail)
    moved = _entry(admin_api, "deployment.rollback")
    assert moved["detail_names"] == {"from": "known-answer 1.0.0", "to": "known-answer 1.0.0"}
    assert moved["detail"]["from"] == package.pk


def test_what_is_gone_or_was_never_a_key_stays_as_it_was_written(admin_api: APIClient, administrator: User) -> None:
    for action, subject in (
        ("user.change", "9" * 30),
        ("user.change", "not a number"),
        ("job.replay", str(uuid.uuid4())),
        ("webhook.delete", "no uuid"),
        ("package.archive", "sha256:gone"),
    ):
        audit_record(actor=administrator, action=action, subject=subject, user=["list"], to={"a": 1}, batch=True)
    rows = admin_api.get(LIST).json()["results"]
    assert [(row["subject_name"], row["detail_names"]) for row in rows] == [(None, {})] * 5


def test_a_page_costs_a_query_for_each_kind_and_not_for_each_entry(
    admin_api: APIClient, administrator: User, site: Site, job: Job
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin_api.get(LIST, {"page_size": 200}).status_code == 200
        return len(queries)

    def write(number: int) -> None:
        person, _ = user_add(site=site, username=f"person-{number}", role="reader", by=administrator)
        token_add(user=person, name="x", by=administrator)
        audit_record(actor=administrator, action="job.replay", subject=str(job.pk))
        audit_record(actor=administrator, action="package.archive", subject=job.package_id)

    write(0)
    cost()  # notes the token's use
    few = cost()
    for number in range(1, 12):
        write(number)
    assert cost() == few <= 6  # token, entries, people, tokens, jobs, packages
    assert ApiToken.objects.filter(name="x").count() == 12


def test_the_file_has_the_names_too(admin_api: APIClient, administrator: User, site: Site) -> None:
    person, _ = user_add(site=site, username="dr.ruiz", role="reader", by=administrator)
    rows = list(csv.DictReader(io.StringIO(admin_api.get(f"{LIST}/export").getvalue().decode())))
    assert [(row["subject"], row["subject_name"]) for row in rows] == [(str(person.pk), "dr.ruiz")]
    assert AuditEntry.objects.get().subject == str(person.pk)
