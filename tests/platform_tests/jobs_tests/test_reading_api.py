"""What a reader asks for beside a result: priors, the de-identified file, the model card, and what a viewer needs of an image."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Site
from common.object_store import ObjectStore
from inference_worker.contract.wire import ContractViolation
from jobs.api import serializers
from jobs.ledger import events_apply
from jobs.models import Job
from jobs.outbox import artifact_prefix
from jobs.results import result_columns
from studies.models import Study
from tests.platform_tests.jobs_tests.factories import event, result_payload, shape_of, study_make, succeed


def pseudonym_set(job: Job, pseudonym: str = "P-1") -> Study:
    Study.objects.filter(pk=job.study_id).update(patient_pseudonym=pseudonym)
    return job.study


@pytest.fixture
def same_patient(make_job: Callable[..., Job]) -> list[Job]:
    """Three studies of one woman, oldest first; the first has a result."""
    jobs = [make_job(external_id=f"visit-{number}") for number in range(3)]
    succeed(jobs[0])
    for job in jobs:
        pseudonym_set(job)
    return jobs


def test_priors_are_the_other_studies_of_the_same_pseudonym_newest_first(api: APIClient, same_patient: list[Job]) -> None:
    first, middle, last = same_patient
    answer = api.get(f"/api/v1/studies/{middle.study_id}/priors")
    found = answer.json()["results"]
    assert [study["external_id"] for study in found] == ["visit-2", "visit-0"]
    assert set(found[1]) == shape_of(serializers.StudySerializer())
    assert (found[1]["latest_job"]["id"], found[1]["latest_job"]["status"]) == (str(first.pk), "SUCCEEDED")
    assert found[1]["latest_job"]["outcome"]["suspicion"] == pytest.approx(0.75)
    assert found[0]["latest_job"]["id"] == str(last.pk)
    again = api.get(f"/api/v1/studies/{middle.study_id}/priors", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_studies_without_a_pseudonym_are_nobodys_priors(api: APIClient, make_job: Callable[..., Job]) -> None:
    one, _ = make_job(), make_job()
    assert api.get(f"/api/v1/studies/{one.study_id}/priors").json() == {"results": []}


def test_another_sites_studies_are_no_priors_and_have_none(
    api: APIClient, same_patient: list[Job], make_job: Callable[..., Job], other_site: Site
) -> None:
    foreign = make_job(site=other_site)
    pseudonym_set(foreign)
    found = api.get(f"/api/v1/studies/{same_patient[0].study_id}/priors").json()["results"]
    assert str(foreign.study_id) not in {study["id"] for study in found}
    assert api.get(f"/api/v1/studies/{foreign.study_id}/priors").status_code == 404
    assert api.get(f"/api/v1/studies/{uuid.uuid4()}/priors").status_code == 404


def test_the_file_of_an_image_is_a_download_that_nothing_runs_in(api: APIClient, job: Job, store: ObjectStore) -> None:
    image = job.study.images.select_related("stored_object").get(position=0)
    store.put_bytes(image.stored_object.object_key, b"the bytes")
    address = f"/api/v1/studies/{job.study_id}/images/{image.pk}/original"
    answer = api.get(address)
    assert answer.getvalue() == b"the bytes"
    assert (answer["Content-Type"], answer["Content-Length"]) == ("image/png", "9")
    assert answer["Content-Disposition"] == 'attachment; filename="L-CC.png"'
    assert (answer["X-Content-Type-Options"], answer["Content-Security-Policy"]) == ("nosniff", "default-src 'none'; sandbox")
    assert api.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_the_file_of_another_site_or_study_does_not_exist(api: APIClient, job: Job, other_site: Site, site: Site) -> None:
    foreign = study_make(other_site)
    mine = job.study.images.get(position=0)
    theirs = foreign.images.get(position=0)
    assert api.get(f"/api/v1/studies/{foreign.pk}/images/{theirs.pk}/original").status_code == 404
    assert api.get(f"/api/v1/studies/{job.study_id}/images/{theirs.pk}/original").status_code == 404
    assert api.get(f"/api/v1/studies/{study_make(site).pk}/images/{mine.pk}/original").status_code == 404


def test_readers_see_the_card_of_the_package_behind_a_job(api: APIClient, job: Job) -> None:
    document = api.get(f"/api/v1/jobs/{job.pk}/card").json()
    assert set(document) == shape_of(serializers.CardSerializer())
    assert (document["title"], document["card"], document["digest"]) == ("Known answer", "# card\n", job.package_id)
    assert document["intended_use"]["statement"] == "Tests only."
    assert api.get(f"/api/v1/jobs/{uuid.uuid4()}/card").status_code == 404


PIXELS: dict[str, Any] = {
    "rows": 100, "columns": 80, "high_length": 12, "low_deflated": False, "value_offset": 0, "bits_stored": 12,
    "slope": 1.0, "intercept": 0.0, "inverted": False, "windows": [{"centre": 2048.0, "width": 4096.0}],
    "window_source": "file", "voi_function": "LINEAR", "padding": [], "voi_table": None,
}  # fmt: skip


def viewed(job: Job, **pixels: Any) -> dict[str, Any]:
    """The payload of a result whose images bring their full pixels."""
    payload = result_payload(job)
    for number, image in enumerate(payload["images"]):
        key = f"{artifact_prefix(job=job, attempt=job.attempt)}/image-{number}/pixels.bin"
        image["pixels"] = {"key": key, **PIXELS, **pixels}
        image["maps_from_source"] = [0.1, 0, -0.45, 0, 0.1, -0.45]
        image["pixel_spacing_mm"], image["spacing_plane"] = [0.07, 0.07], "detector"
        image["patient_orientation"] = ["P", "L"]
    return payload


def test_a_viewer_finds_pixels_spacing_and_the_place_of_the_maps(api: APIClient, job: Job, store: ObjectStore) -> None:
    events_apply([event("started", job), event("succeeded", job, result=viewed(job))])
    image = api.get(f"/api/v1/jobs/{job.pk}/result").json()["images"][0]
    assert set(image) == shape_of(serializers.ResultImageSerializer())
    assert image["pixels"] == {"url": f"/api/v1/jobs/{job.pk}/artifacts/image-0/pixels.bin", **PIXELS}
    assert set(image["pixels"]) == shape_of(serializers.PixelsSerializer())
    assert (image["pixel_spacing_mm"], image["patient_orientation"]) == ([0.07, 0.07], ["P", "L"])
    assert "magnification is not corrected" in image["measuring_text"]
    assert image["original_url"] == f"/api/v1/studies/{job.study_id}/images/{image['id']}/original"
    store.put_bytes(f"{artifact_prefix(job=job, attempt=1)}/image-0/pixels.bin", b"packed")
    assert api.get(image["pixels"]["url"]).getvalue() == b"packed"


def test_a_viewer_is_told_of_the_files_own_display_table_and_older_results_have_none(api: APIClient, job: Job) -> None:
    payload = viewed(job, window_source="lookup_table", voi_table={"first": -200, "entries": 3000, "length": 2100})
    del payload["images"][1]["pixels"]["voi_table"]
    events_apply([event("started", job), event("succeeded", job, result=payload)])
    first, second, *_ = api.get(f"/api/v1/jobs/{job.pk}/result").json()["images"]
    assert first["pixels"]["voi_table"] == {"first": -200, "entries": 3000, "length": 2100}
    assert second["pixels"]["voi_table"] is None


def test_a_result_from_before_the_viewer_has_none_of_it(api: APIClient, job: Job) -> None:
    payload = result_payload(job)
    for image in payload["images"]:
        for name in ("pixels", "maps_from_source", "pixel_spacing_mm", "spacing_plane", "patient_orientation"):
            del image[name]
    events_apply([event("started", job), event("succeeded", job, result=payload)])
    image = api.get(f"/api/v1/jobs/{job.pk}/result").json()["images"][0]
    absent = ("pixels", "maps_from_source", "pixel_spacing_mm", "patient_orientation")
    assert [image[name] for name in absent] == [None] * 4
    assert "in pixels" in image["measuring_text"]


@pytest.mark.parametrize(
    "pixels",
    [
        {"windows": []},
        {"windows": [{"centre": "2048", "width": 1.0}]},
        {"slope": 0},
        {"rows": 0},
        {"window_source": "guessed"},
        {"voi_function": "CUBIC"},
        {"padding": [1]},
        {"voi_table": {"first": 0, "entries": 0, "length": 12}},
        {"voi_table": {"first": 0, "entries": 65537, "length": 12}},
        {"voi_table": {"first": "0", "entries": 10, "length": 12}},
        {"voi_table": {"first": 0, "entries": 10, "length": 0}},
        {"key": "artifacts/another/1/pixels.bin"},
    ],
)
def test_pixels_that_a_viewer_could_not_show_are_refused(job: Job, pixels: dict[str, Any]) -> None:
    with pytest.raises(ContractViolation):
        result_columns(payload=viewed(job, **pixels), job=job)


@pytest.mark.parametrize(
    ("name", "value"),
    [("maps_from_source", [1.0] * 5), ("pixel_spacing_mm", [0.07]), ("patient_orientation", ["P" * 17, "L"])],
)
def test_a_viewers_numbers_are_complete(job: Job, name: str, value: Any) -> None:
    payload = viewed(job)
    payload["images"][0][name] = value
    with pytest.raises(ContractViolation):
        result_columns(payload=payload, job=job)
