"""Results and artifacts over HTTP: complete, in class order, site-scoped, and no way to look around in the object store."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from common.object_store import ObjectStore
from jobs.api import serializers
from jobs.ledger import events_apply
from jobs.models import Job, Result
from jobs.outbox import artifact_prefix
from tests.platform_tests.jobs_tests.factories import CLASSES, event, shape_of, succeed


def test_there_is_no_result_before_success(api: APIClient, job: Job) -> None:
    answer = api.get(f"/api/v1/jobs/{job.pk}/result")
    assert (answer.status_code, answer.json()["code"]) == (404, "job:no_result")


def test_a_result_speaks_for_itself(api: APIClient, job: Job, settings: Any) -> None:
    succeed(job)
    answer = api.get(f"/api/v1/jobs/{job.pk}/result")
    document = answer.json()
    assert set(document) == shape_of(serializers.ResultSerializer())
    assert set(document["study"]) == shape_of(serializers.ResultStudySerializer())
    assert set(document["breasts"][0]) == shape_of(serializers.ResultBreastSerializer())
    image = document["images"][1]
    assert set(image) == shape_of(serializers.ResultImageSerializer())
    assert list(image["probabilities"]) == list(CLASSES) == document["classes"]
    assert image["probabilities"] == {"normal": 0.2, "benign": 0.05, "malignant": 0.75}
    assert (image["position"], image["image_laterality"], image["view_position"]) == (1, "R", "MLO")
    assert image["preview"] == {
        "url": f"/api/v1/jobs/{job.pk}/artifacts/image-1/preview.png",
        "rows": 100,
        "columns": 80,
    }
    assert image["raw_maps_url"] == f"/api/v1/jobs/{job.pk}/artifacts/image-1/maps.npy"
    heatmap = image["heatmaps"][0]
    assert set(heatmap) == shape_of(serializers.HeatmapSerializer())
    assert (heatmap["raw_maximum"], heatmap["scale_maximum"]) == (0.5, 2.0)
    assert "25%" in heatmap["scaling_text"]
    assert image["cautions"][0]["code"] == "window_assumed"
    assert image["cautions"][0]["message"].endswith(".")
    assert document["suspicion"] == {
        "threshold": 0.5,
        "operating_point": "chosen",
        "target": "suspicion",
        "classes": ["malignant"],
    }
    assert document["intended_use"]["views"] == ["CC", "MLO"]
    assert document["package"]["title"] == "Known answer"
    assert document["disclaimer"] == settings.DISCLAIMER
    assert api.get(f"/api/v1/jobs/{job.pk}/result", headers={"If-None-Match": answer["ETag"]}).status_code == 304


@pytest.fixture
def written(job: Job, store: ObjectStore) -> Job:
    """A succeeded job whose files are there, and one file beside them that the result does not name."""
    succeed(job)
    prefix = artifact_prefix(job=job, attempt=1)
    store.put_bytes(f"{prefix}/image-0/preview.png", b"\x89PNG preview")
    store.put_bytes(f"{prefix}/image-0/maps.npy", b"\x93NUMPY")
    store.put_bytes(f"{prefix}/secret.png", b"not named by the result")
    return job


def test_an_artifact_is_streamed_and_kept_for_good_by_the_caller_alone(api: APIClient, written: Job) -> None:
    address = f"/api/v1/jobs/{written.pk}/artifacts/image-0/preview.png"
    answer = api.get(address, headers={"Accept": "image/png"})
    assert answer.getvalue() == b"\x89PNG preview"
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Length"] == "12"
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert api.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    raw = api.get(f"/api/v1/jobs/{written.pk}/artifacts/image-0/maps.npy")
    assert raw["Content-Type"] == "application/octet-stream"
    assert raw["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    [
        "secret.png",
        "../1/secret.png",
        "image-0/../secret.png",
        "image-0",
        "%2e%2e/secret.png",
        "image-0%2Fpreview.png%00",
        "x.png",
    ],
)
def test_only_what_the_result_names_is_served(api: APIClient, written: Job, name: str) -> None:
    answer = api.get(f"/api/v1/jobs/{written.pk}/artifacts/{name}")
    assert answer.status_code == 404


def test_an_artifact_that_is_gone_is_an_operators_problem(api: APIClient, written: Job) -> None:
    answer = api.get(f"/api/v1/jobs/{written.pk}/artifacts/image-1/preview.png")
    assert (answer.status_code, answer.json()["code"]) == (500, "system:object_missing")


def test_the_first_results_artifacts_stay_after_attempts_that_failed(api: APIClient, job: Job, store: ObjectStore) -> None:
    events_apply([event("failed", job, failure_code="model:run_failed")])
    events_apply([event("succeeded", job, attempt=2)])
    store.put_bytes(f"{artifact_prefix(job=job, attempt=2)}/image-0/preview.png", b"second")
    store.put_bytes(f"{artifact_prefix(job=job, attempt=1)}/image-0/preview.png", b"first")
    answer = api.get(f"/api/v1/jobs/{job.pk}/artifacts/image-0/preview.png")
    assert answer.getvalue() == b"second"
    assert Result.objects.get().attempt == 2
