"""Is this DICOM object a mammogram that an installed model could read? Rules on header values alone.

Decisions, after real files: Digital Mammography For Presentation passes with modality MG. Film and CR come as RG, CR, DX or OT,
or as Secondary Capture; those and objects without SOP class or modality pass only where the header itself says breast (body part,
anatomic region, a mammographic view). Everything else is refused with its own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from pydicom.dataset import Dataset

from inference_worker.contract.failures import CodedError
from studies.dicom_header import PYDICOM_ERRORS, DicomHeader, fragments_end
from studies.naming import says_breast

MG_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MG_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_TOMOSYNTHESIS = frozenset(f"1.2.840.10008.5.1.4.1.1.13.1.{last}" for last in (3, 4, 5))
#: Projection radiographs and pictures of film: DX, CR and Secondary Capture.
_FILM_LIKE = frozenset(
    {
        "",
        "1.2.840.10008.5.1.4.1.1.1",
        "1.2.840.10008.5.1.4.1.1.1.1",
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.7.2",
        "1.2.840.10008.5.1.4.1.1.7.3",
    }
)
_FILM_MODALITIES = frozenset({"", "RG", "CR", "DX", "OT"})

NATIVE_SYNTAXES = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
ENCAPSULATED_SYNTAXES = frozenset(
    {f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)} | {"1.2.840.10008.1.2.5"}
)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """`value_bytes` from the pixel element's start are the pixels; for encapsulated data without the closing delimiter."""

    rows: int
    columns: int
    photometric_interpretation: str
    is_encapsulated: bool
    value_bytes: int


def text_value(dataset: Dataset, keyword: str) -> str:
    """A header value as stripped text; empty where missing. Raises CodedError input:header_corrupt."""
    value = _value(dataset, keyword)
    return "" if value is None else str(value).strip(" \0")


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except PYDICOM_ERRORS as error:
        raise CodedError("input:header_corrupt", f"{keyword}: {type(error).__name__}") from None


def _whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """A whole number, from US and IS values alike."""
    value = _value(dataset, keyword)
    if value is None or value == "":
        if default is None:
            raise CodedError("input:header_corrupt", f"{keyword} is missing")
        return default
    try:
        return int(value)
    except PYDICOM_ERRORS:
        raise CodedError("input:header_corrupt", f"{keyword} is no number") from None


def sop_class_uid(header: DicomHeader) -> str:
    """SOP Class UID, else the file meta's Media Storage SOP Class UID, else empty."""
    return text_value(header.dataset, "SOPClassUID") or text_value(header.file_meta, "MediaStorageSOPClassUID")


def mammography_check(header: DicomHeader) -> None:
    """Raise the CodedError that fits unless the object is a 2D mammogram for presentation."""
    dataset = header.dataset
    sop_class = sop_class_uid(header)
    modality = text_value(dataset, "Modality").upper()
    if sop_class in _TOMOSYNTHESIS:
        raise CodedError("input:tomosynthesis")
    is_mammography_class = sop_class in (MG_FOR_PRESENTATION, MG_FOR_PROCESSING)
    if not (modality == "MG" or (modality in _FILM_MODALITIES and (is_mammography_class or says_breast(dataset)))):
        raise CodedError("input:not_mammography", "modality and body part name no mammogram")
    if sop_class == MG_FOR_PROCESSING or text_value(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        raise CodedError("input:for_processing")
    if sop_class != MG_FOR_PRESENTATION and sop_class not in _FILM_LIKE:
        raise CodedError("input:unsupported_sop_class")
    if text_value(dataset, "BurnedInAnnotation").upper() == "YES":
        raise CodedError("input:burned_in_annotation")


def transfer_syntax_check(header: DicomHeader) -> None:
    """Raise CodedError input:unsupported_transfer_syntax for what the worker cannot decode."""
    if header.transfer_syntax_uid not in NATIVE_SYNTAXES | ENCAPSULATED_SYNTAXES:
        raise CodedError("input:unsupported_transfer_syntax", "transfer syntax not in the accepted list")


def dimensions_check(rows: int, columns: int) -> None:
    """Raise CodedError for an image without pixels, beyond INTAKE_MAX_PIXELS, or below INTAKE_MIN_SIDE."""
    if rows < 1 or columns < 1:
        raise CodedError("input:header_corrupt", "the image declares no pixels")
    if rows * columns > settings.INTAKE_MAX_PIXELS:
        raise CodedError("input:dimensions_too_large", f"{rows} x {columns} pixels declared")
    if min(rows, columns) < settings.INTAKE_MIN_SIDE:
        raise CodedError("input:dimensions_too_small", f"{rows} x {columns} pixels declared")


def pixel_layout(header: DicomHeader) -> PixelLayout:
    """Check that the declared grey image is there in full. Raises CodedError; reads fragment heads, never pixels."""
    pixel = header.pixel
    if pixel is None or pixel.declared_length == 0:
        raise CodedError("input:no_pixel_data")
    dataset = header.dataset
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    dimensions_check(rows, columns)
    if _whole(dataset, "NumberOfFrames", 1) > 1:
        raise CodedError("input:multi_frame")
    photometric = text_value(dataset, "PhotometricInterpretation").upper()
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or _whole(dataset, "SamplesPerPixel", 1) != 1:
        raise CodedError("input:unsupported_photometric_interpretation", "not one grey sample a pixel")
    allocated = _whole(dataset, "BitsAllocated")
    stored = _whole(dataset, "BitsStored", allocated)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise CodedError("input:unsupported_pixel_format", f"{stored} bits in {allocated}")
    is_encapsulated = header.transfer_syntax_uid in ENCAPSULATED_SYNTAXES
    if is_encapsulated != pixel.is_encapsulated:
        raise CodedError("input:pixel_data_corrupt", "pixel data and transfer syntax differ about encapsulation")
    if is_encapsulated:
        size = fragments_end(header, pixel) - pixel.value_start
    else:
        size = rows * columns * (allocated // 8)
        if min(pixel.declared_length, header.source_size - pixel.value_start) < size:
            raise CodedError("input:pixel_data_truncated", f"{size} bytes needed")
    return PixelLayout(
        rows=rows, columns=columns, photometric_interpretation=photometric, is_encapsulated=is_encapsulated, value_bytes=size
    )
