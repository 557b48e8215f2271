"""A record's bytes as the serving path's decoder takes them, and what that decoder makes of them.

Training and serving decode with one code path; the only thing done here is what that path does not know: a PGM becomes a PNG of
the same values.
"""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import ImageRecord
from model_registry.preprocessing import DecodedImage, PreprocessingError, image_decode
from model_registry.preprocessing.decode import MAX_PIXELS

MAX_IMAGE_BYTES = 512 * 2**20
PGM = "image/x-portable-graymap"


def record_data(record: ImageRecord) -> tuple[bytes, str]:
    """File bytes and media type, ready for `image_decode`. Raises DatasetError `dataset:image_unreadable`."""
    try:
        if record.path.stat().st_size > MAX_IMAGE_BYTES:
            raise DatasetError("dataset:image_unreadable", f"{record.path.name} is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
        data = record.path.read_bytes()
    except OSError as error:
        raise DatasetError("dataset:image_unreadable", f"{record.path.name}: {error.strerror}") from error
    return (_png_of(data, record.path.name), "image/png") if record.media_type == PGM else (data, record.media_type)


def record_image(record: ImageRecord) -> DecodedImage:
    """Decode with the serving path's own decoder. Raises DatasetError `dataset:image_unreadable` with that decoder's reason."""
    data, media_type = record_data(record)
    try:
        return image_decode(data=data, media_type=media_type)
    except PreprocessingError as error:
        raise DatasetError("dataset:image_unreadable", f"{record.path.name}: {error}") from error


def _png_of(data: bytes, name: str) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=("PPM",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DatasetError("dataset:image_unreadable", f"{name} declares {picture.width} x {picture.height} pixels")
            picture.load()
            grey = picture if picture.mode in ("L", "I;16", "I") else picture.convert("L")
            target = io.BytesIO()
            (grey.convert("I;16") if grey.mode == "I" else grey).save(target, "PNG", compress_level=1)
            return target.getvalue()
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        LookupError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
    ) as error:
        raise DatasetError("dataset:image_unreadable", f"{name}: {type(error).__name__}") from error
