"""What an image file says about itself, read without decoding it: size, and for DICOM whose and which view it is."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pydicom
from PIL import Image, UnidentifiedImageError
from pydicom.errors import BytesLengthException, InvalidDicomError

from model_registry.datasets.tree import media_type_of

_FORMATS = ("PNG", "JPEG", "PPM")
_DICOM_TAGS = ["Rows", "Columns", "PatientID", "ImageLaterality", "Laterality", "ViewPosition", "SeriesDescription"]
# what Pillow and pydicom raise on broken files
_UNREADABLE = (
    OSError,
    EOFError,
    struct.error,
    zlib.error,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    AttributeError,
    NotImplementedError,
    InvalidDicomError,
    BytesLengthException,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """`image_hw` is (rows, columns). `patient_key` stands for the Patient ID of the header without repeating it."""

    image_hw: tuple[int, int]
    patient_key: str | None = None
    image_laterality: str | None = None
    view_position: str | None = None


def header_read(path: Path) -> ImageHeader | None:
    """Read the header, or None where the file is not a readable image of the kind its name says."""
    try:
        if media_type_of(path.name) != "application/dicom":
            with Image.open(path, formats=_FORMATS) as picture:
                return ImageHeader(image_hw=(picture.height, picture.width))
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_DICOM_TAGS))
        patient = str(dataset.get("PatientID") or "").strip()
        side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()
        return ImageHeader(
            image_hw=(int(dataset.Rows), int(dataset.Columns)),
            patient_key=hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else None,
            image_laterality=side if side in ("L", "R") else None,
            view_position=str(dataset.get("ViewPosition") or "").strip().upper() or None,
        )
    except _UNREADABLE:
        return None
