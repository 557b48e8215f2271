"""The one guarded decode boundary: file bytes → DecodedImage, or a coded refusal. Nothing else ever comes out of it.

Not for judging whether the picture is a mammogram, nor for anything about patients.
"""

from __future__ import annotations

from model_registry.preprocessing.dicom import dicom_decode
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.image import DecodedImage
from model_registry.preprocessing.raster import raster_decode

# the largest detectors give 14 million pixels and large films scanned at 43 µm about 35 million
MAX_PIXELS = 8192 * 8192

_SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


def image_decode(*, data: bytes, media_type: str, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode one file. `media_type` is "application/dicom", "image/png" or "image/jpeg" and must be what the bytes are.

    The declared size is checked against `max_pixels`, and against the bytes that are there, before anything is decoded.
    Raises PreprocessingError with an input code on every input that is not one whole, grey, single-frame image.
    """
    if not data:
        raise PreprocessingError("input:empty_file")
    if media_type == "application/dicom":
        if any(data.startswith(signature) for signature in _SIGNATURES.values()):
            raise PreprocessingError("input:not_an_image", "the bytes are not DICOM")
        return dicom_decode(data=data, max_pixels=max_pixels)
    signature = _SIGNATURES.get(media_type)
    if signature is None or not data.startswith(signature):
        raise PreprocessingError("input:not_an_image", "the bytes are not what the media type says")
    return raster_decode(data=data, media_type=media_type, max_pixels=max_pixels)
