"""The sample study: one click, one study, marked everywhere, in no clinical figure, and gone when asked."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Site, User
from accounts.services import user_create
from catalog.models import Deployment
from common.object_store import ObjectStore
from jobs import samples
from jobs.api.serializers import StudySerializer
from jobs.ledger import events_apply
from jobs.models import Job, JobPurpose, JobStatus
from jobs.outbox import artifact_prefix
from jobs.services import job_cancel, job_queue
from model_registry.phantom import phantom_study
from monitoring.models import HourlyStatistics, RecentStatistics
from monitoring.rollups import finished_count
from studies.models import Image, Study
from studies.sample import EXTERNAL_ID, FOLDER, sample_files
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import event, shape_of, succeed

ADDRESS = "/api/v1/sample-study"


@pytest.fixture
def sample(api: APIClient, deployment: Deployment) -> Job:
    answer = api.post(ADDRESS)
    assert answer.status_code == 202
    return Job.objects.get(pk=answer.json()["job"]["id"])


def test_one_click_queues_four_marked_views(api: APIClient, deployment: Deployment, submitter: User) -> None:
    answer = api.post(ADDRESS, headers={"Idempotency-Key": "first-look"})
    assert answer.status_code == 202
    again = api.post(ADDRESS, headers={"Idempotency-Key": "first-look"})
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (202, answer.json(), "true")
    job = Job.objects.get()
    assert (job.status, job.submitted_by, answer.json()["job"]["id"]) == (JobStatus.QUEUED, submitter, str(job.pk))
    views = Image.objects.filter(study=job.study).values_list("image_laterality", "view_position")
    assert sorted(views) == [("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]
    shown = api.get(f"/api/v1/jobs/{job.pk}").json()["study"]
    assert shown == {"id": str(job.study_id), "external_id": EXTERNAL_ID, "is_sample": True}
    listed = api.get("/api/v1/studies").json()["results"]
    assert [row["is_sample"] for row in listed] == [True]
    assert set(listed[0]) == shape_of(StudySerializer())


def test_the_second_click_leads_to_the_first_ones_job(api: APIClient, sample: Job) -> None:
    answer = api.post(ADDRESS)
    assert (answer.status_code, answer.json()["job"]["id"]) == (200, str(sample.pk))
    assert Study.objects.count() == 1
    job_cancel(job_id=sample.pk, cancelled_by=None)
    assert api.post(ADDRESS).status_code == 202  # what brought nothing is no reason not to try
    assert Study.objects.count() == 2


def test_two_who_click_together_get_one(
    deployment: Deployment, submitter: User, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, is_new = samples.sample_submit(user=submitter, site=site)
    assert is_new
    monkeypatch.setattr(samples, "sample_job", lambda **_: None)  # as the second saw it before the first had committed
    assert samples.sample_submit(user=submitter, site=site) == (first, False)
    assert (Study.objects.count(), Job.objects.count()) == (1, 1)


def test_each_site_has_its_own(api: APIClient, other_api: APIClient, sample: Job) -> None:
    answer = other_api.post(ADDRESS)
    assert (answer.status_code, Study.objects.count()) == (202, 2)
    assert answer.json()["job"]["id"] != str(sample.pk)
    assert api.get(f"/api/v1/jobs/{answer.json()['job']['id']}").status_code == 404


def test_readers_may_not_and_without_a_model_the_reason_is_told(
    reader: User, client_of: Callable[[User], APIClient], api: APIClient, store: ObjectStore
) -> None:
    for method in ("post", "delete"):
        assert getattr(client_of(reader), method)(ADDRESS).status_code == 403
    answer = api.post(ADDRESS)
    assert (answer.status_code, answer.json()["code"]) == (503, "model:none_deployed")
    assert Study.objects.count() == 0


def test_it_is_in_no_clinical_figure(sample: Job, make_job: Callable[..., Job]) -> None:
    succeed(sample)
    assert finished_count() == 1
    assert (HourlyStatistics.objects.count(), RecentStatistics.objects.count()) == (0, 0)
    succeed(make_job())
    finished_count()
    assert (HourlyStatistics.objects.get().succeeded, RecentStatistics.objects.get().succeeded) == (1, 1)


def test_removing_leaves_nothing_but_the_audit(
    api: APIClient,
    sample: Job,
    store: ObjectStore,
    submitter: User,
    make_job: Callable[..., Job],
    django_capture_on_commit_callbacks: Any,
) -> None:
    kept = make_job()
    store.put_bytes(f"{artifact_prefix(job=sample, attempt=1)}/image-0/preview.png", b"picture")
    store.put_bytes(f"{artifact_prefix(job=kept, attempt=1)}/image-0/preview.png", b"picture")
    done = succeed(sample)
    repeat = job_queue(
        study=done.study,
        package=done.package,
        deployment_name="default",
        priority="routine",
        submitted_by=submitter,
        purpose=JobPurpose.RERUN,
        origin=done,
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(ADDRESS).status_code == 204
    assert list(Job.objects.values_list("pk", flat=True)) == [kept.pk]
    assert list(Study.objects.values_list("pk", flat=True)) == [kept.study_id]
    assert store.list_keys(f"sites/{sample.site_id}/jobs") == [f"{artifact_prefix(job=kept, attempt=1)}/image-0/preview.png"]
    entry = AuditEntry.objects.get(action="sample_study.delete")
    assert (entry.actor, entry.subject, entry.detail) == (submitter, str(sample.study_id), {"jobs": 2})
    assert api.get(f"/api/v1/jobs/{sample.pk}").status_code == 404
    events_apply([event("started", repeat)])  # what its worker says later is about nothing
    assert api.delete(ADDRESS).status_code == 404
    assert api.post(ADDRESS).status_code == 202


@pytest.mark.parametrize("end", ["succeeded", "failed", "abandoned"])
def test_what_a_worker_writes_after_the_removal_goes_with_its_last_report(
    api: APIClient,
    sample: Job,
    store: ObjectStore,
    make_job: Callable[..., Job],
    django_capture_on_commit_callbacks: Any,
    end: str,
) -> None:
    kept = succeed(make_job())
    events_apply([event("started", sample)])
    late = event(end, sample)
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(ADDRESS).status_code == 204
    folder, others = artifact_prefix(job=sample, attempt=1), artifact_prefix(job=kept, attempt=1)
    for name in ("image.pixels.bin", "image.heatmap.suspicion.png", "image.maps.npy"):
        store.put_bytes(f"{folder}/{name}", b"derived")
        store.put_bytes(f"{others}/{name}", b"derived")
    with django_capture_on_commit_callbacks(execute=True):
        assert events_apply([event("progress", sample, stage="STORING")]).counts == {"unknown_job": 1}
    assert len(store.list_keys(folder)) == 3  # it still writes
    with django_capture_on_commit_callbacks(execute=True):
        assert events_apply([late, event("succeeded", kept)]).counts["unknown_job"] == 1
    assert (store.list_keys(folder), len(store.list_keys(others))) == ([], 3)


def test_another_sites_sample_stays(sample: Job, other_site: Site, client_of: Callable[[User], APIClient]) -> None:
    stranger = user_create(site=other_site, username="stranger", password=PASSWORD, role="submitter")
    assert client_of(stranger).delete(ADDRESS).status_code == 404
    assert Job.objects.filter(pk=sample.pk).exists()


def test_the_files_are_the_phantoms(tmp_path: Any) -> None:
    drawn = {view.name: view for view in phantom_study(seed=2026, size_hw=(1024, 832), lesion="spiculated-mass")}
    assert {path.stem for path in FOLDER.glob("*")} == set(drawn)
    for file in sample_files():
        assert file.name is not None
        dataset = pydicom.dcmread(io.BytesIO(file.read()))
        view = drawn[file.name.removesuffix(".dcm")]
        assert np.array_equal(dataset.pixel_array, view.pixels)
        assert str(dataset.PatientName).startswith("PHANTOM")
