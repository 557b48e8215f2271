"""What a worker sends as a result, checked before it becomes a row. Words and addresses for people are jobs.wording's and the
API's concern.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from inference_worker.contract.results import VOI_FUNCTIONS, WINDOW_SOURCES, AggregateResult, ImageResult, StudyResult
from inference_worker.contract.wire import ContractViolation
from jobs.models import Job
from jobs.outbox import artifact_prefix

#: Four views with every map and score are about 10 kB; thirty-two images stay far below this.
_PAYLOAD_BYTES_MAXIMUM = 1_000_000
#: A table of DICOM says its length in 16 bits, where 0 stands for this.
_TABLE_ENTRIES_MAXIMUM = 0x10000


def result_columns(*, payload: Mapping[str, Any] | None, job: Job) -> dict[str, Any]:
    """The columns of a Result row for the job's current attempt.

    Raises ContractViolation when the payload has not the promised shape, holds a number that is not finite, names another
    package than the job's, or a key outside the attempt's own folder: whoever can write events must not be able to make the
    platform serve another site's object.
    """
    if payload is None:
        raise ContractViolation("result is missing")
    result = StudyResult.from_wire(payload)
    wire = result.to_wire()
    try:
        text = json.dumps(wire, allow_nan=False)
    except (ValueError, TypeError):
        raise ContractViolation("result holds a value that JSON has no word for") from None
    if len(text) > _PAYLOAD_BYTES_MAXIMUM or "\\u0000" in text:
        raise ContractViolation("result is too large or holds NUL")
    if result.package_digest != job.package_id:
        raise ContractViolation("result.package_digest is not the job's package")
    if result.task not in ("classification", "segmentation"):
        raise ContractViolation("result.task is not one that the platform can show")
    folder = artifact_prefix(job=job, attempt=job.attempt) + "/"
    for key in _keys(result):
        if not key.startswith(folder) or ".." in key.split("/"):
            raise ContractViolation("result names an artifact outside its attempt's folder")
    scored: list[AggregateResult | ImageResult] = [result.study, *result.breasts, *result.images]
    for item in scored:
        _scores_check(item, classes=result.classes)
    for image in result.images:
        _segmentations_check(image, targets=result.targets)
        _viewing_check(image)
    return {
        "assessment": result.study.assessment.value,
        "label": result.study.label or "",
        "suspicion": result.study.suspicion,
        "package_digest": result.package_digest,
        "payload": wire,
    }


def artifact_names(*, payload: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """Names, relative to the attempt's folder, of every file the result speaks of."""
    return frozenset(key.removeprefix(f"{prefix}/") for key in _keys(StudyResult.from_wire(payload)))


def _keys(result: StudyResult) -> Iterator[str]:
    for image in result.images:
        yield image.preview_key
        if image.raw_maps_key:
            yield image.raw_maps_key
        if image.pixels:
            yield image.pixels.key
        for heatmap in image.heatmaps:
            yield heatmap.heatmap_key
            if heatmap.overlay_key:
                yield heatmap.overlay_key
            if heatmap.outline_key:
                yield heatmap.outline_key


def _scores_check(scored: AggregateResult | ImageResult, *, classes: tuple[str, ...]) -> None:
    mappings = [scored.probabilities, scored.calibrated_probabilities]
    if isinstance(scored, ImageResult):
        mappings.append(scored.logits)
    for mapping in mappings:
        if mapping is not None and (set(mapping) != set(classes) or not all(map(_is_number, mapping.values()))):
            raise ContractViolation("result: scores are not one finite number for each class")
    if scored.suspicion is not None and not _is_number(scored.suspicion):
        raise ContractViolation("result: suspicion is not a finite number")
    if scored.label is not None and scored.label not in classes:
        raise ContractViolation("result: label is not one of the classes")


def _segmentations_check(image: ImageResult, *, targets: tuple[str, ...]) -> None:
    for found in image.segmentations:
        figures = [found.threshold, found.maximum_probability, found.regions, found.area_pixels]
        if found.area_mm2 is not None:
            figures.append(found.area_mm2)
        if found.target not in targets or not all(_is_number(figure) and figure >= 0 for figure in figures):
            raise ContractViolation("result: a segmentation is not one of the targets with figures of 0 or more")


def _viewing_check(image: ImageResult) -> None:
    """What a viewer computes with: finite numbers of the promised count, words from the promised lists."""
    numbers: list[object] = [*image.maps_from_source, *image.pixel_spacing_mm]
    whole = len(image.maps_from_source) in (0, 6) and len(image.pixel_spacing_mm) in (0, 2)
    pixels = image.pixels
    if pixels is not None:
        numbers += [pixels.slope, pixels.intercept, *pixels.padding]
        numbers += [number for window in pixels.windows for number in (window.centre, window.width)]
        numbers += [pixels.rows, pixels.columns, pixels.high_length, pixels.value_offset, pixels.bits_stored]
        whole = whole and bool(pixels.windows) and len(pixels.padding) in (0, 2) and pixels.slope != 0
        whole = whole and pixels.rows > 0 and pixels.columns > 0 and pixels.high_length >= 0
        whole = whole and isinstance(pixels.low_deflated, bool)
        if (table := pixels.voi_table) is not None:
            numbers += [table.first, table.entries, table.length]
            whole = whole and 1 <= table.entries <= _TABLE_ENTRIES_MAXIMUM and table.length > 0
        whole = whole and pixels.window_source in WINDOW_SOURCES and pixels.voi_function in VOI_FUNCTIONS
    words = (*image.patient_orientation, image.spacing_plane or "")
    if not whole or not all(map(_is_number, numbers)) or not all(isinstance(word, str) and len(word) <= 16 for word in words):
        raise ContractViolation("result: what a viewer needs of an image is incomplete or not finite")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
