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

#: Where the window that a viewer begins with comes from, and what it is applied with: see PixelsResult.
WINDOW_SOURCES = ("file", "lookup_table", "percentile", "full_range")
VOI_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


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
class WindowResult:
    """Window centre and width in modality values, as in DICOM PS3.3 C.11.2.1.2."""

    centre: float
    width: float


@dataclass(frozen=True, slots=True)
class VoiTableResult:
    """The file's own display table (VOI LUT), at the end of the pixels' file: a zlib stream of `length` bytes with `entries`
    greys from 0 (black) to 255, the first for the modality value `first`. Values before and past the table take its ends."""

    first: int
    entries: int
    length: int


@dataclass(frozen=True, slots=True)
class PixelsResult:
    """The stored values of one view at full size, as a viewer reads them, and how they are meant to be shown.

    The file holds the high bytes of all values as a zlib stream of `high_length` bytes (0 where every value fits one byte), then
    their low bytes: a zlib stream where `low_deflated`, else as they are. Row by row, from the top left. A stored value is what
    the two bytes hold plus `value_offset`; its modality value is that times `slope` plus `intercept`. `windows` are in modality
    values and never empty; `window_source` says where they come from: "file", "lookup_table" (the file holds a table; the window
    covers the range in which it rises, and `voi_table` is the table itself, to be shown in the first window's place),
    "percentile" or "full_range" (the file states nothing). `inverted` images are dark where tissue is dense (MONOCHROME1) until
    shown inverted. `padding` is the inclusive range of stored values that are no image, empty without one.
    """

    key: str
    rows: int
    columns: int
    high_length: int
    low_deflated: bool
    value_offset: int
    bits_stored: int
    slope: float
    intercept: float
    inverted: bool
    windows: tuple[WindowResult, ...]
    window_source: str
    voi_function: str
    padding: tuple[int, ...] = ()
    voi_table: VoiTableResult | None = None


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One view. `assessment` NOT_ASSESSABLE leaves label, logits and probabilities empty.

    `maps_from_source` are the six numbers of the 2 x 3 matrix that takes the original's (column, row) pixel centres to those of
    the raw maps' grid. `pixel_spacing_mm` is (row, column) spacing and `spacing_plane` as in SegmentationResult.
    `patient_orientation` are the directions of the rows and of the columns as the header states them (A, P, L, R, H, F).
    """

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
    maps_from_source: tuple[float, ...] = ()
    pixels: PixelsResult | None = None  # None where none were kept
    pixel_spacing_mm: tuple[float, ...] = ()
    spacing_plane: str | None = None
    patient_orientation: tuple[str, ...] = ()
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
