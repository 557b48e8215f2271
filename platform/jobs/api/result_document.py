"""The result of a job as the JSON document of API v1: what the worker found, what the package says of itself, and the words.

It computes no score and draws nothing.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.conf import settings

from jobs.api.documents import job_url, original_url
from jobs.models import Job, Result
from jobs.outbox import artifact_prefix
from jobs.wording import caution_message, measuring_text, scaling_text, segmentation_text

_MAPPINGS = ("probabilities", "calibrated_probabilities")


def result_document(*, job: Job, result: Result, image_positions: dict[str, int]) -> dict[str, Any]:
    """Needs `study` and the whole `package` fetched. `image_positions`: image id → place in the study."""
    payload, manifest = result.payload, job.package.manifest
    prefix = artifact_prefix(job=job, attempt=result.attempt) + "/"
    classes = payload["classes"]

    def url(key: str | None) -> str | None:
        return None if key is None else f"{job_url(job.pk)}/artifacts/{quote(key.removeprefix(prefix))}"

    return {
        "job": str(job.pk),
        "task": payload.get("task", "classification"),  # results from before masks do not say
        "study": {
            "id": str(job.study_id),
            "external_id": job.study.external_id,
            "is_sample": job.study.is_sample,
            **_scores(payload["study"], classes),
        },
        "breasts": [
            {"image_laterality": breast["image_laterality"], **_scores(breast, classes)} for breast in payload["breasts"]
        ],
        "images": [
            {
                "id": image["image_id"],
                "position": image_positions.get(image["image_id"]),
                "image_laterality": image["image_laterality"],
                "view_position": image["view_position"],
                "logits": _by_class(image["logits"], classes),
                **_scores(image, classes),
                "cautions": [{"code": code, "message": caution_message(code)} for code in image["cautions"]],
                "preview": {
                    "url": url(image["preview_key"]),
                    "rows": image["preview_rows"],
                    "columns": image["preview_columns"],
                },
                "heatmaps": [_heatmap(heatmap, url) for heatmap in image["heatmaps"]],
                "raw_maps_url": url(image["raw_maps_key"]),
                "maps_from_source": image.get("maps_from_source") or None,
                "pixels": _pixels(image.get("pixels"), url),
                "pixel_spacing_mm": image.get("pixel_spacing_mm") or None,
                "spacing_plane": image.get("spacing_plane"),
                "measuring_text": measuring_text(image.get("spacing_plane")),
                "patient_orientation": image.get("patient_orientation") or None,
                "original_url": original_url(job.study_id, image["image_id"]),
                "segmentations": [_segmentation(found) for found in image.get("segmentations", ())],
            }
            for image in payload["images"]
        ],
        "classes": classes,
        "targets": payload["targets"],
        "suspicion": {name: manifest["suspicion"].get(name) for name in ("threshold", "operating_point", "target", "classes")},
        "intended_use": {
            name: manifest["intended_use"].get(name) for name in ("statement", "views", "acquisitions", "not_validated")
        },
        "package": {
            "name": payload["package_name"],
            "version": payload["package_version"],
            "title": manifest["title"],
            "digest": payload["package_digest"],
            "preprocessing_digest": payload["preprocessing_digest"],
            "explanation_method": payload["explanation_method"],
        },
        "provider": payload["provider"],
        "elapsed_seconds": payload["elapsed_seconds"],
        "disclaimer": settings.DISCLAIMER,
    }


def _scores(scored: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    return {
        "assessment": scored["assessment"],
        "label": scored["label"],
        **{name: _by_class(scored[name], classes) for name in _MAPPINGS},
        "suspicion": scored["suspicion"],
    }


def _by_class(mapping: dict[str, float] | None, classes: list[str]) -> dict[str, float] | None:
    """In class order again: PostgreSQL keeps JSON objects in an order of its own."""
    return None if mapping is None else {label: mapping[label] for label in classes}


def _heatmap(heatmap: dict[str, Any], url: Any) -> dict[str, Any]:
    return {
        "target": heatmap["target"],
        "url": url(heatmap["heatmap_key"]),
        "overlay_url": url(heatmap["overlay_key"]),
        "outline_url": url(heatmap.get("outline_key")),
        "raw_maximum": heatmap["raw_maximum"],
        "scale_maximum": heatmap["scale_maximum"],
        "scaling": heatmap["scaling"],
        "scaling_text": scaling_text(
            scaling=heatmap["scaling"], raw_maximum=heatmap["raw_maximum"], scale_maximum=heatmap["scale_maximum"]
        ),
    }


def _pixels(pixels: dict[str, Any] | None, url: Any) -> dict[str, Any] | None:
    if pixels is None:
        return None
    return {"url": url(pixels["key"]), "voi_table": None, **{name: pixels[name] for name in pixels if name != "key"}}


def _segmentation(found: dict[str, Any]) -> dict[str, Any]:
    names = ("target", "threshold", "maximum_probability", "regions", "area_pixels", "area_mm2", "spacing_plane")
    return {
        **{name: found[name] for name in names},
        "text": segmentation_text(
            regions=found["regions"],
            maximum_probability=found["maximum_probability"],
            threshold=found["threshold"],
            spacing_plane=found["spacing_plane"],
        ),
    }
