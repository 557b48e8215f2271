"""A segmentation over HTTP: task, masks with their outline, figures with what they rest on; and results from before masks."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from common.object_store import ObjectStore
from inference_worker.contract.wire import ContractViolation
from jobs.api import serializers
from jobs.ledger import events_apply
from jobs.models import Job, Result
from jobs.outbox import artifact_prefix
from jobs.results import result_columns
from tests.platform_tests.jobs_tests.factories import event, result_payload, shape_of, succeed

FOUND = {
    "target": "malignant", "threshold": 0.5, "maximum_probability": 0.93, "regions": 2,
    "area_pixels": 12340.5, "area_mm2": 60.47, "spacing_plane": "detector",
}  # fmt: skip


def segmented(job: Job, **figures: Any) -> dict[str, Any]:
    """The payload of a segmentation with one mask an image."""
    payload = result_payload(job) | {"task": "segmentation", "explanation_method": "mask", "targets": ["malignant"]}
    for image in payload["images"]:
        (drawn,) = image["heatmaps"]
        drawn |= {"target": "malignant", "raw_maximum": 0.93, "scale_maximum": 1.0, "scaling": "mask_probability"}
        drawn["outline_key"] = drawn["overlay_key"].replace("overlay", "outline")
        image["segmentations"] = [FOUND | figures]
    return payload


def test_a_mask_is_told_apart_from_a_heatmap_and_brings_its_figures(api: APIClient, job: Job) -> None:
    events_apply([event("started", job), event("succeeded", job, result=segmented(job))])
    document = api.get(f"/api/v1/jobs/{job.pk}/result").json()
    assert set(document) == shape_of(serializers.ResultSerializer())
    assert (document["task"], document["package"]["explanation_method"]) == ("segmentation", "mask")
    image = document["images"][0]
    assert set(image) == shape_of(serializers.ResultImageSerializer())
    (found,) = image["segmentations"]
    assert set(found) == shape_of(serializers.SegmentationSerializer())
    assert {name: found[name] for name in FOUND} == FOUND
    assert "magnification is not corrected" in found["text"]
    (drawn,) = image["heatmaps"]
    assert set(drawn) == shape_of(serializers.HeatmapSerializer())
    assert drawn["outline_url"] == f"/api/v1/jobs/{job.pk}/artifacts/image-0/outline-suspicion.png"
    assert "100% probability" in drawn["scaling_text"]


def test_an_outline_is_served(api: APIClient, job: Job, store: ObjectStore) -> None:
    events_apply([event("started", job), event("succeeded", job, result=segmented(job))])
    store.put_bytes(f"{artifact_prefix(job=job, attempt=1)}/image-0/outline-suspicion.png", b"\x89PNG line")
    assert api.get(f"/api/v1/jobs/{job.pk}/artifacts/image-0/outline-suspicion.png").getvalue() == b"\x89PNG line"


def test_a_result_from_before_masks_is_a_classification(api: APIClient, job: Job) -> None:
    succeed(job)
    result = Result.objects.get(job=job)
    del result.payload["task"]
    for image in result.payload["images"]:
        del image["segmentations"]
        for drawn in image["heatmaps"]:
            del drawn["outline_key"]
    result.save()
    document = api.get(f"/api/v1/jobs/{job.pk}/result").json()
    assert document["task"] == "classification"
    assert document["images"][0]["segmentations"] == []
    assert document["images"][0]["heatmaps"][0]["outline_url"] is None


@pytest.mark.parametrize(
    "figures",
    [
        {"target": "elsewhere"},
        {"regions": -1},
        {"area_pixels": "12"},
        {"area_mm2": -0.5},
        {"maximum_probability": True},
        {"threshold": None},
    ],
)
def test_figures_that_make_no_sense_are_a_contract_violation(job: Job, figures: dict[str, Any]) -> None:
    with pytest.raises(ContractViolation):
        result_columns(payload=segmented(job, **figures), job=job)


def test_a_task_the_platform_cannot_show_is_a_contract_violation(job: Job) -> None:
    with pytest.raises(ContractViolation, match="task"):
        result_columns(payload=result_payload(job) | {"task": "detection"}, job=job)


def test_an_outline_outside_the_attempts_folder_is_a_contract_violation(job: Job) -> None:
    payload = segmented(job)
    payload["images"][0]["heatmaps"][0]["outline_key"] = "sites/other/outline.png"
    with pytest.raises(ContractViolation, match="outside"):
        result_columns(payload=payload, job=job)
