"""The story of one order: fetch → decode → preprocess → infer → explain → aggregate → write.

Runs one order. It knows no users, job rows, retries, queues or events; `checkpoint` is told each stage and may stop it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from inference_worker.aggregation import breasts_aggregate, study_aggregate
from inference_worker.artifacts import ArtifactWriter
from inference_worker.batching import ModelOutput
from inference_worker.contract.events import JobStage
from inference_worker.contract.failures import CodedError
from inference_worker.contract.orders import ImageReference, InferenceOrder
from inference_worker.contract.results import Assessment, HeatmapResult, ImageResult, StudyResult
from inference_worker.engine import Engine, LoadedModel
from inference_worker.object_store import ObjectStore
from inference_worker.rendering import PictureSizes, RenderedView, view_render
from inference_worker.views import PreparedView, view_prepare

#: One run of the model takes seconds at the worst; a batcher that does not answer in this time never will.
_INFERENCE_TIMEOUT_SECONDS = 300.0

Checkpoint = Callable[[JobStage], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What an order needs. `executor` works on the views of one study side by side; it must not be the caller's own pool.

    `viewer_pixels` says how the full pixels are kept for the viewer: as viewer_pixels.pixels_pack has it.
    """

    store: ObjectStore
    engine: Engine
    executor: Executor
    sizes: PictureSizes
    viewer_pixels: str = "quick"

    def run(self, *, order: InferenceOrder, checkpoint: Checkpoint) -> StudyResult:
        """Carry out the order. Raises CodedError with the code to report, or whatever `checkpoint` raises to stop it.

        One view that cannot be read fails the whole order, naming the image: a study with a view missing reads as complete.
        """
        if not order.images:
            raise CodedError("system:contract_violation", "the order names no image")
        clock = _Clock()
        checkpoint(JobStage.FETCHING)
        with self.engine.lease(package_digest=order.package_digest, package_key=order.package_key) as model:
            clock.lap("model")
            files = self._together([partial(self._fetch, reference) for reference in order.images])
            clock.lap("fetch")
            checkpoint(JobStage.PREPROCESSING)
            views = self._together([partial(self._prepare, *pair, model) for pair in zip(order.images, files, strict=True)])
            clock.lap("preprocess")
            checkpoint(JobStage.INFERRING)
            outputs = _infer(views, model)
            clock.lap("infer")
        checkpoint(JobStage.EXPLAINING)
        rendered = self._together([partial(self._render, *pair, model) for pair in zip(views, outputs, strict=True)])
        clock.lap("explain")
        checkpoint(JobStage.STORING)
        writer = ArtifactWriter(store=self.store, prefix=order.artifact_prefix)
        images = self._together([partial(_write, writer, view) for view in rendered])
        clock.lap("store")
        return _study_result(order=order, model=model, images=images, elapsed_seconds=clock.laps_and_total())

    def _fetch(self, reference: ImageReference) -> bytes:
        data = self.store.read(key=reference.object_key)
        if hashlib.sha256(data).hexdigest() != reference.sha256.removeprefix("sha256:"):
            raise CodedError("system:object_corrupt", f"image {reference.image_id}")
        return data

    def _prepare(self, reference: ImageReference, data: bytes, model: LoadedModel) -> PreparedView:
        return view_prepare(
            reference=reference,
            data=data,
            manifest=model.package.manifest,
            preview_longer_side=self.sizes.preview,
            viewer_pixels=self.viewer_pixels,
        )

    def _render(self, view: PreparedView, output: ModelOutput | None, model: LoadedModel) -> RenderedView:
        return view_render(view=view, output=output, manifest=model.package.manifest, sizes=self.sizes)

    def _together(self, calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """Call all, side by side when there are several; the answers in order. Raises the first call's error."""
        if len(calls) == 1:
            return [calls[0]()]
        futures: list[Future[Answer]] = [self.executor.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _infer(views: Sequence[PreparedView], model: LoadedModel) -> list[ModelOutput | None]:
    """All assessable views in one go through the batcher; None for the others."""
    futures = [model.submit(tensor=view.tensor) if view.assessable else None for view in views]
    outputs: list[ModelOutput | None] = []
    for view, future in zip(views, futures, strict=True):
        try:
            outputs.append(future.result(_INFERENCE_TIMEOUT_SECONDS) if future is not None else None)
        except TimeoutError as error:
            raise CodedError("system:timeout", f"image {view.image_id}: the model did not answer") from error
        except CodedError as error:
            raise CodedError(error.code, f"image {view.image_id}: {error.detail}") from error
    return outputs


def _write(writer: ArtifactWriter, rendered: RenderedView) -> ImageResult:
    view, scores, image_id = rendered.view, rendered.scores, rendered.view.image_id
    heatmaps = tuple(
        HeatmapResult(
            target=drawn.target,
            raw_maximum=drawn.raw_maximum,
            scale_maximum=drawn.scale.maximum,
            scaling=drawn.scale.scaling,
            heatmap_key=writer.heatmap_write(image_id=image_id, target=drawn.target, png=drawn.heatmap_png),
            overlay_key=writer.overlay_write(image_id=image_id, target=drawn.target, png=drawn.overlay_png)
            if drawn.overlay_png is not None
            else None,
            outline_key=writer.outline_write(image_id=image_id, target=drawn.target, png=drawn.outline_png)
            if drawn.outline_png is not None
            else None,
        )
        for drawn in rendered.maps
    )
    return ImageResult(
        image_id=image_id,
        assessment=Assessment.ASSESSED if scores is not None else Assessment.NOT_ASSESSABLE,
        cautions=view.cautions,
        preview_key=writer.preview_write(image_id=image_id, png=view.preview_png),
        preview_rows=view.preview.shape[0],
        preview_columns=view.preview.shape[1],
        image_laterality=view.image_laterality,
        view_position=view.view_position,
        label=scores.label if scores else None,
        logits=scores.logits if scores else None,
        probabilities=scores.probabilities if scores else None,
        calibrated_probabilities=scores.calibrated_probabilities if scores else None,
        suspicion=scores.suspicion if scores else None,
        heatmaps=heatmaps,
        raw_maps_key=writer.raw_maps_write(image_id=image_id, raw_maps=rendered.output.heatmaps) if rendered.output else None,
        segmentations=rendered.segmentations,
        maps_from_source=rendered.maps_from_source,
        pixels=view.pixels.result(key=writer.pixels_write(image_id=image_id, data=view.pixels.data)) if view.pixels else None,
        pixel_spacing_mm=view.pixel_spacing_mm or (),
        spacing_plane=view.spacing_plane,
        patient_orientation=view.patient_orientation or (),
        input_statistics=view.input_statistics,
    )


def _study_result(
    *, order: InferenceOrder, model: LoadedModel, images: list[ImageResult], elapsed_seconds: dict[str, float]
) -> StudyResult:
    manifest = model.package.manifest
    breasts = breasts_aggregate(images=images, manifest=manifest)
    return StudyResult(
        study=study_aggregate(breasts=breasts, manifest=manifest),
        breasts=breasts,
        images=tuple(images),
        classes=manifest.classes,
        targets=manifest.explanation.targets,
        package_name=manifest.name,
        package_version=manifest.version,
        package_digest=order.package_digest,
        preprocessing_digest=manifest.preprocessing.digest,
        explanation_method=manifest.explanation.method,
        provider=model.choice.name,
        elapsed_seconds=elapsed_seconds,
        task=manifest.task,
    )


@dataclass(slots=True)
class _Clock:
    """Wall seconds of each part of the order."""

    started: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)
    laps: dict[str, float] = field(default_factory=dict)

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.laps[part] = round(now - self.last, 4)
        self.last = now

    def laps_and_total(self) -> dict[str, float]:
        return {**self.laps, "total": round(time.perf_counter() - self.started, 4)}
