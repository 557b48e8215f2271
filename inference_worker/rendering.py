"""Everything drawn for one view: a transparent layer for every target, one overlay for what a reader looks at first, and
outlines where the maps are masks.

Turns numbers into encoded files in memory; writes none. How values become colours is decided in heatmaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference_worker.artifacts import layer_encode, outline_encode, picture_encode
from inference_worker.batching import ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.contract.results import SegmentationResult
from inference_worker.heatmaps import MapScale, layer_hw, map_levels, map_scales, maps_place, mask_scales, overlay_burn
from inference_worker.scoring import ImageScores, image_scores
from inference_worker.segmentation import (
    MASK_THRESHOLD,
    mask_measure,
    outline_burn,
    outline_levels,
)
from inference_worker.views import PreparedView
from model_registry.packaging import Manifest
from model_registry.preprocessing import affine
from model_registry.preprocessing.golden import mask_holds_probabilities


@dataclass(frozen=True, slots=True)
class PictureSizes:
    """Longer sides in pixels."""

    preview: int = 1024
    heatmap: int = 256  # a map has some 50 cells a side: more pixels would hold nothing more, and a browser smooths
    overlay: int = 512
    mask: int = 1024  # as fine as the preview, so that the outline stays a line


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """One target's map: its raw maximum, the scale it is drawn on, and its encoded pictures. Only masks have an outline."""

    target: str
    raw_maximum: float
    scale: MapScale
    heatmap_png: bytes
    overlay_png: bytes | None
    outline_png: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RenderedView:
    """A view with its scores and pictures; `output` and `scores` are None, and `maps` empty, when it is not assessable."""

    view: PreparedView
    output: ModelOutput | None
    scores: ImageScores | None
    maps: tuple[RenderedMap, ...]
    segmentations: tuple[SegmentationResult, ...] = ()
    maps_from_source: tuple[float, ...] = ()


def view_render(*, view: PreparedView, output: ModelOutput | None, manifest: Manifest, sizes: PictureSizes) -> RenderedView:
    """Score and draw one view. Raises CodedError model:mask_out_of_range."""
    if output is None:
        return RenderedView(view, None, None, ())
    scores = image_scores(output=output, manifest=manifest)
    if manifest.task == "segmentation":
        return _masks_render(view, output, scores, manifest, sizes)
    targets = manifest.explanation.targets
    maxima = {target: max(0.0, float(raw_map.max(initial=0.0))) for target, raw_map in zip(targets, output.heatmaps, strict=True)}
    scales = map_scales(raw_maxima=maxima, reference_maximum=manifest.explanation.reference_maximum)
    layers = _placed(view, output, manifest, targets, sizes.heatmap)
    # The suspicion's map is what a report shows; the page draws every target from its layer.
    overlays = _placed(view, output, manifest, (manifest.suspicion.target,), sizes.overlay)
    return RenderedView(
        view,
        output,
        scores,
        tuple(
            RenderedMap(
                target=target,
                raw_maximum=maxima[target],
                scale=scales[target],
                heatmap_png=layer_encode(map_levels(placed=layers[target], scale_maximum=scales[target].maximum)),
                overlay_png=picture_encode(_overlay(view, overlays[target], scales[target])) if target in overlays else None,
            )
            for target in targets
        ),
        maps_from_source=_maps_from_source(view, output, manifest),
    )


def _masks_render(
    view: PreparedView, output: ModelOutput, scores: ImageScores, manifest: Manifest, sizes: PictureSizes
) -> RenderedView:
    """Masks on their fixed scale, each with its figures, an overlay and, where something is segmented, its outline."""
    if not mask_holds_probabilities(output.heatmaps):
        raise CodedError("model:mask_out_of_range", f"image {view.image_id}")
    targets = manifest.explanation.targets
    scales = mask_scales(targets)
    layers = _placed(view, output, manifest, targets, sizes.mask)
    overlays = _placed(view, output, manifest, targets, sizes.overlay)
    maps: list[RenderedMap] = []
    figures: list[SegmentationResult] = []
    for target, mask in zip(targets, output.heatmaps, strict=True):
        found = mask_measure(
            mask=mask,
            model_hw=model_hw(manifest),
            model_from_source=view.model_from_source,
            source_hw=view.source_hw,
            pixel_spacing_mm=view.pixel_spacing_mm,
        )
        overlay = _overlay(view, overlays[target], scales[target])
        if found.regions:
            overlay = outline_burn(picture=overlay, outline=outline_levels(overlays[target]))
        maps.append(
            RenderedMap(
                target=target,
                raw_maximum=found.maximum_probability,
                scale=scales[target],
                heatmap_png=layer_encode(map_levels(placed=layers[target], scale_maximum=scales[target].maximum)),
                overlay_png=picture_encode(overlay),
                outline_png=outline_encode(outline_levels(layers[target])) if found.regions else None,
            )
        )
        figures.append(
            SegmentationResult(
                target=target,
                threshold=MASK_THRESHOLD,
                maximum_probability=found.maximum_probability,
                regions=found.regions,
                area_pixels=found.area_pixels,
                area_mm2=found.area_mm2,
                spacing_plane=view.spacing_plane,
            )
        )
    return RenderedView(view, output, scores, tuple(maps), tuple(figures), _maps_from_source(view, output, manifest))


def model_hw(manifest: Manifest) -> tuple[int, int]:
    """(rows, columns) of the model's input."""
    shape = manifest.input_shape
    return (shape[0], shape[1]) if manifest.preprocessing.tensor_layout == "nhwc" else (shape[1], shape[2])


def _maps_from_source(view: PreparedView, output: ModelOutput, manifest: Manifest) -> tuple[float, ...]:
    """Where on the raw maps' grid a pixel of the original lies: the 2 x 3 matrix, row by row."""
    grid_hw = (output.heatmaps.shape[1], output.heatmaps.shape[2])
    grid_from_model = affine.scale(from_hw=model_hw(manifest), to_hw=grid_hw)
    return tuple(float(value) for value in affine.compose(after=grid_from_model, before=view.model_from_source).ravel())


def _placed(
    view: PreparedView, output: ModelOutput, manifest: Manifest, targets: tuple[str, ...], longer_side: int
) -> dict[str, npt.NDArray[np.float32]]:
    """The targets' raw maps on a layer of the preview's aspect ratio."""
    channel = {target: index for index, target in enumerate(manifest.explanation.targets)}
    preview_hw = (view.preview.shape[0], view.preview.shape[1])
    placed = maps_place(
        raw_maps=output.heatmaps[[channel[target] for target in targets]],
        model_hw=model_hw(manifest),
        model_from_source=view.model_from_source,
        preview_from_source=view.preview_from_source,
        preview_hw=preview_hw,
        target_hw=layer_hw(preview_hw=preview_hw, longer_side=longer_side),
    )
    return dict(zip(targets, placed, strict=True))


def _overlay(view: PreparedView, placed: npt.NDArray[np.float32], scale: MapScale) -> npt.NDArray[np.uint8]:
    """(rows, columns, 3) BGR: the preview with the placed map's colours burned in."""
    preview = view.preview
    if preview.shape != placed.shape:
        preview = np.asarray(cv2.resize(preview, placed.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return overlay_burn(preview=preview, levels=map_levels(placed=placed, scale_maximum=scale.maximum))
