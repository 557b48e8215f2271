"""PNG and JPEG → stored grey values. Colour becomes luminance (ITU-R 601), which leaves equal channels exactly as they are.

Sizes are checked in the file's own header before Pillow sees it. Not for any other format.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, UnidentifiedImageError

from model_registry.preprocessing.codestream import codestream_size
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.image import DecodedImage

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
# what Pillow raises on broken files; SyntaxError is its word for a broken chunk
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, EOFError, MemoryError)
_COMMON_DEPTHS = (10, 12, 14, 16)


def raster_decode(*, data: bytes, media_type: str, max_pixels: int) -> DecodedImage:
    """Decode a PNG (8 or 16 bit) or JPEG (8 bit). Raises PreprocessingError with an input code; nothing else.

    A 16-bit PNG does not say how many of its bits are used. The smallest of 10, 12, 14 and 16 that holds its maximum is
    taken, and the image is marked `ambiguous_depth` unless that is 16.
    """
    size = codestream_size(data=data)
    if size is None:
        raise PreprocessingError("input:header_corrupt", f"{media_type}: no size in the header")
    if size.rows < 1 or size.columns < 1:
        raise PreprocessingError("input:header_corrupt", "the header declares no pixels")
    if size.rows * size.columns > max_pixels:
        raise PreprocessingError("input:dimensions_too_large", f"{size.rows} x {size.columns} declared")
    if size.precision not in ((8, 16) if media_type == "image/png" else (8,)) or (size.precision == 16 and size.components > 1):
        raise PreprocessingError("input:unsupported_pixel_format", f"{size.precision} bits x {size.components} components")
    try:
        stored = _grey(data, _FORMATS[media_type])
    except (UnidentifiedImageError, Image.DecompressionBombError, zlib.error) as error:
        raise PreprocessingError("input:pixel_data_corrupt", type(error).__name__) from None
    except _DECODER_ERRORS as error:
        code = "input:pixel_data_corrupt" if size.complete else "input:file_truncated"
        raise PreprocessingError(code, type(error).__name__) from None
    bits = 8
    if stored.dtype == np.uint16:
        highest = int(stored.max())
        bits = next(depth for depth in _COMMON_DEPTHS if highest < 2**depth)
    return DecodedImage(
        stored=stored,
        bits_stored=bits,
        stored_range=(0, 2**bits - 1),
        media_type=media_type,
        ambiguous_depth=stored.dtype == np.uint16 and bits < 16,
    )


def _grey(data: bytes, kind: str) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise PreprocessingError("input:multi_frame", f"{kind} with several frames")
        picture.load()
        if picture.mode.startswith("I;16") or picture.mode == "I":
            return np.asarray(picture).astype(np.uint16)
        if picture.mode in ("LA", "RGBA", "PA"):
            with picture.convert("RGBA") as layered:
                if np.asarray(layered.getchannel("A")).min() < 255:
                    raise PreprocessingError("input:unsupported_pixel_format", "partly transparent")
        if picture.mode in ("CMYK", "YCCK", "LAB", "HSV"):
            raise PreprocessingError("input:unsupported_photometric_interpretation", picture.mode)
        if picture.mode in ("RGBA", "P", "PA"):
            return np.asarray(picture.convert("RGB").convert("L"))
        return np.asarray(picture.convert("L"))
