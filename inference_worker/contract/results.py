"""The result of one attempt, as a SUCCEEDED event carries it and the platform stores it.

Three numbers are never mixed up: `logits` are before the softmax, `probabilities` are the model's own,
`calibrated_probabilities` are after the package's calibration. Every mapping is keyed by label, in the package's class order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inference_worker.contract import CONTRACT_VERSION
from inference_worker.contract.wire import from_wire, to_wire


class Assessment(StrEnum):
    """'Not assessable' is a result, not a failure."""

    ASSESSED = "assessed"
    NOT_ASSESSABLE = "not_assessable"


class Caution(StrEnum):
    """Why a reader should trust this result less. Words for people live in the platform's catalogue of strings."""

    NO_BREAST_FOUND = "no_breast_found"
    VIEW_UNKNOWN = "view_unknown"
    LATERALITY_UNKNOWN = "laterality_unknown"
    VIEW_OUTSIDE_INTENDED_USE = "view_outside_intended_use"
    MODALITY_OUTSIDE_INTENDED_USE = "modality_outside_intended_use"
    WINDOW_ASSUMED = "window_assumed"


@dataclass(frozen=True, slots=True)
class HeatmapResult:
    """One target's map of one image: Grad-CAM, or the mask of a segmentation model.

    `raw_maximum` is the map's maximum before any scaling; `scale_maximum` is the raw value drawn with the hottest colour and
    `scaling` says where it comes from ("package_reference", "image_maximum", or "mask_probability": 1, always). A map whose raw
    maximum is 0 stays blank. `heatmap_key` is a transparent colour layer with the preview's aspect ratio; `overlay_key` is it
    burned onto the preview. A mask that reaches its threshold has `outline_key`, a transparent line around the segmented
    regions, which the overlay shows too.
    """

    target: str
    raw_maximum: float
    scale_maximum: float
    scaling: str
    heatmap_key: str
    overlay_key: str | None = None
    outline_key: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentationResult:
    """What one target's mask covers in one image: everything where its probability is at least `threshold`.

    `area_pixels` is in pixels of the original image, counted on the model's own grid. `area_mm2` is None without a pixel spacing;
    `spacing_plane` says where that was measured: "patient" (calibrated), "detector" (magnification is not corrected, so that the
    area is too large), "unstated", or None without a spacing. `regions` are connected by edge or corner.
    """

    target: str
    threshold: float
    maximum_probability: float
    regions: int
    area_pixels: float
    area_mm2: float | None = None
    spacing_plane: str | None = None


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One view. `assessment` NOT_ASSESSABLE leaves label, logits and probabilities empty."""

    image_id: str
    assessment: Assessment
    cautions: tuple[str, ...]
    preview_key: str
    preview_rows: int
    preview_columns: int
    image_laterality: str | None = None
    view_position: str | None = None
    label: str | None = None
    logits: dict[str, float] | None = None
    probabilities: dict[str, float] | None = None
    calibrated_probabilities: dict[str, float] | None = None
    suspicion: float | None = None
    heatmaps: tuple[HeatmapResult, ...] = ()
    raw_maps_key: str | None = None  # float32 .npy, shape (targets, rows, columns) of the model's CAM grid or mask
    segmentations: tuple[SegmentationResult, ...] = ()
    input_statistics: dict[str, Any] | None = None  # rows, columns, manufacturer, brightness: what a drift of inputs shows in


@dataclass(frozen=True, slots=True)
class AggregateResult:
    """A breast (`image_laterality` L or R, or None when unknown) or the whole study (`image_laterality` None)."""

    assessment: Assessment
    image_laterality: str | None = None
    label: str | None = None
    probabilities: dict[str, float] | None = None
    calibrated_probabilities: dict[str, float] | None = None
    suspicion: float | None = None


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What one attempt found, and what produced it."""

    study: AggregateResult
    breasts: tuple[AggregateResult, ...]
    images: tuple[ImageResult, ...]
    classes: tuple[str, ...]
    targets: tuple[str, ...]
    package_name: str
    package_version: str
    package_digest: str
    preprocessing_digest: str
    explanation_method: str
    provider: str
    elapsed_seconds: dict[str, float]
    task: str = "classification"
    contract_version: int = CONTRACT_VERSION

    def to_wire(self) -> dict[str, Any]:
        return to_wire(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> StudyResult:
        return from_wire(cls, data)
