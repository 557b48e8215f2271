"""Rows and messages for the tests of jobs: a real package on disk, stored studies, and what a worker would report."""

from __future__ import annotations

import datetime
import itertools
import uuid
from pathlib import Path
from typing import Any

from accounts.models import Site, User
from catalog.deployments import deployment_activate
from catalog.models import CheckState, Deployment, ModelPackage
from catalog.packages import package_install
from inference_worker.contract.events import AttemptReference, EventKind, WorkerHeartbeat
from inference_worker.contract.events import JobEvent as ReportedEvent
from inference_worker.contract.results import AggregateResult, Assessment, HeatmapResult, ImageResult, StudyResult
from jobs.ledger import events_apply
from jobs.models import Job
from jobs.outbox import artifact_prefix
from jobs.services import job_submit
from model_registry.packaging import package_write
from studies.models import Image, StoredObject, Study

CLASSES = ("normal", "benign", "malignant")
_numbers = itertools.count(1)


def package_folder(parent: Path, *, version: str = "1.0.0", name: str = "known-answer") -> Path:
    """A tiny package that verifies. Its model is no ONNX: the platform never loads one."""
    folder = parent / f"{name}-{version}"
    package_write(
        folder=folder,
        manifest={
            "name": name,
            "version": version,
            "title": "Known answer",
            "classes": CLASSES,
            "input_shape": (8, 8, 1),
            "preprocessing": {"name": "plain", "steps": [{"step": "display"}, {"step": "resize", "size_hw": (8, 8)}]},
            "explanation": {"targets": ("suspicion",), "cam_layer": "features", "grid_hw": (8, 8)},
            "suspicion": {
                "classes": ("malignant",),
                "target": "suspicion",
                "threshold": 0.5,
                "operating_point": "chosen",
            },
            "intended_use": {"statement": "Tests only.", "views": ("CC", "MLO")},
            "provenance": {
                "architecture": "none",
                "training_data": "none",
                "training_command": "none",
                "licence": "none",
                "parameters": 0,
                "created": "2025-01-01T00:00:00Z",
            },
            "golden": ({"image": "golden/view.png", "expected": "golden/view.npz"},),
        },
        contents={
            "model.onnx": b"model " + version.encode(),
            "MODEL_CARD.md": b"# card\n",
            "golden/view.png": b"\x89PNG",
            "golden/view.npz": b"PK\x03\x04",
        },
    )
    return folder


def package_in(parent: Path, *, version: str = "1.0.0", name: str = "known-answer") -> ModelPackage:
    """An installed package that passed its validation, as a worker's report would leave it."""
    package = package_install(folder=package_folder(parent, version=version, name=name))
    return package_mark(package, CheckState.PASSED)


def package_mark(package: ModelPackage, state: CheckState) -> ModelPackage:
    """The package as its latest validation left it."""
    ModelPackage.objects.filter(pk=package.pk).update(validation_state=state)
    package.refresh_from_db()
    return package


def deployment_make(parent: Path, *, site: Site | None = None, name: str = "default", version: str = "1.0.0") -> Deployment:
    package = package_in(parent, version=version)
    return deployment_activate(name=name, site=site, package=package, changed_by=None, reason="tests")


def study_make(site: Site, *, views: tuple[str, ...] = ("L CC", "R MLO"), external_id: str = "") -> Study:
    study = Study.objects.create(site=site, external_id=external_id)
    for position, view in enumerate(views):
        sha256 = f"{next(_numbers):064x}"
        stored = StoredObject.objects.create(
            site=site,
            sha256=sha256,
            object_key=f"sites/{site.pk}/images/{sha256[:2]}/{sha256}",
            size_bytes=9,
            media_type="image/png",
        )
        laterality, _, view_position = view.partition(" ")
        Image.objects.create(
            study=study,
            stored_object=stored,
            position=position,
            image_laterality=laterality,
            view_position=view_position,
            rows=100,
            columns=80,
        )
    return study


def job_make(
    deployment: Deployment, site: Site, *, priority: str = "routine", user: User | None = None, external_id: str = ""
) -> Job:
    return job_submit(
        study=study_make(site, external_id=external_id), deployment=deployment, priority=priority, submitted_by=user
    )


def event(kind: str, job: Job, *, attempt: int | None = None, **fields: Any) -> dict[str, Any]:
    """A job event as it comes over the wire."""
    values: dict[str, Any] = {
        "event_id": uuid.uuid4().hex,
        "kind": EventKind(kind),
        "job_id": str(job.pk),
        "attempt": job.attempt if attempt is None else attempt,
        "worker": "worker-1",
        "occurred_at": datetime.datetime.now(datetime.UTC).isoformat(),
    }
    if kind == "started":
        values["provider"] = "CPUExecutionProvider"
    if kind == "succeeded":
        values["result"] = result_payload(job, attempt=values["attempt"])
    return ReportedEvent(**{**values, **fields}).to_wire()


def heartbeat(*held: tuple[Job, int], worker: str = "worker-1", concurrency: int = 2) -> dict[str, Any]:
    return WorkerHeartbeat(
        event_id=uuid.uuid4().hex,
        worker=worker,
        occurred_at=datetime.datetime.now(datetime.UTC).isoformat(),
        active=tuple(AttemptReference(job_id=str(job.pk), attempt=attempt) for job, attempt in held),
        concurrency=concurrency,
        provider="CPUExecutionProvider",
    ).to_wire()


def result_payload(job: Job, *, attempt: int | None = None, suspicion: float = 0.75) -> dict[str, Any]:
    """A result of two labels' worth of sense: malignant with `suspicion`, in the attempt's own folder."""
    prefix = artifact_prefix(job=job, attempt=job.attempt if attempt is None else attempt)
    scores = {"normal": round(1 - suspicion - 0.05, 6), "benign": 0.05, "malignant": suspicion}
    logits = {"normal": 0.0, "benign": -1.5, "malignant": 1.0}
    images = tuple(
        ImageResult(
            image_id=str(image.pk),
            assessment=Assessment.ASSESSED,
            cautions=("window_assumed",),
            preview_key=f"{prefix}/image-{image.position}/preview.png",
            preview_rows=100,
            preview_columns=80,
            image_laterality=image.image_laterality or None,
            view_position=image.view_position or None,
            label="malignant",
            logits=logits,
            probabilities=scores,
            calibrated_probabilities=scores,
            suspicion=suspicion,
            heatmaps=(
                HeatmapResult(
                    target="suspicion",
                    raw_maximum=0.5,
                    scale_maximum=2.0,
                    scaling="package_reference",
                    heatmap_key=f"{prefix}/image-{image.position}/heatmap-suspicion.png",
                    overlay_key=f"{prefix}/image-{image.position}/overlay-suspicion.png",
                ),
            ),
            raw_maps_key=f"{prefix}/image-{image.position}/maps.npy",
        )
        for image in job.study.images.all()
    )
    aggregate = AggregateResult(
        assessment=Assessment.ASSESSED,
        label="malignant",
        probabilities=scores,
        calibrated_probabilities=scores,
        suspicion=suspicion,
    )
    return StudyResult(
        study=aggregate,
        breasts=(aggregate,),
        images=images,
        classes=CLASSES,
        targets=("suspicion",),
        package_name="known-answer",
        package_version="1.0.0",
        package_digest=job.package_id,
        preprocessing_digest="sha256:" + "0" * 64,
        explanation_method="grad-cam",
        provider="CPUExecutionProvider",
        elapsed_seconds={"decode": 0.1},
    ).to_wire()


def package_row(*, version: str = "9.9.9") -> ModelPackage:
    """A package row without bytes behind it."""
    digest = "sha256:" + f"{next(_numbers):064x}"
    return ModelPackage.objects.create(
        digest=digest, name="rowed", version=version, manifest={}, object_key=f"packages/{digest[7:]}", size_bytes=1
    )


def shape_of(serializer: Any) -> set[str]:
    """The fields that the OpenAPI document promises."""
    return set(serializer.get_fields())


def succeed(job: Job) -> Job:
    """The job after its worker reported success."""
    events_apply([event("started", job), event("succeeded", job)])
    return Job.objects.get(pk=job.pk)
