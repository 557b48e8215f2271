"""One compressed grey frame → stored values, by imagecodecs (libjpeg-turbo, CharLS, OpenJPEG).

Chosen over pydicom's plugins because these libraries report a broken stream instead of ending the process, as GDCM does, and
let go of the interpreter's lock while they decode, so that threads decode side by side. Sizes are checked by the caller
before a frame gets here. Not for colour and not for native pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

_FRAME_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), imagecodecs.jpeg8_decode),
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless), imagecodecs.jpegls_decode),
    **dict.fromkeys((JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K), imagecodecs.jpeg2k_decode),
}
COMPRESSED_SYNTAXES = frozenset(_FRAME_DECODERS) | {RLELossless}


def frame_decode(*, frame: bytes, transfer_syntax: str, hw: tuple[int, int], bits_allocated: int) -> np.ndarray:
    """Decode to whole numbers of up to 16 bits, (rows, columns). Raises ValueError or RuntimeError on a broken stream."""
    if transfer_syntax == RLELossless:
        return _rle_decode(frame, hw, bits_allocated)
    decoded = _FRAME_DECODERS[transfer_syntax](frame)
    if decoded.shape != hw:
        raise ValueError("decoded to another shape than declared")
    return decoded


def _rle_decode(frame: bytes, hw: tuple[int, int], bits_allocated: int) -> np.ndarray:
    """Segments are byte planes, the most significant first. Source: DICOM PS3.5 Annex G."""
    planes = bits_allocated // 8
    offsets = np.frombuffer(frame[:64], "<u4")
    if len(offsets) != 16 or int(offsets[0]) != planes:
        raise ValueError("the RLE header does not fit the pixel format")
    count = hw[0] * hw[1]
    values = np.empty((count, planes), np.uint8)
    ends = [*(int(offset) for offset in offsets[2 : planes + 1]), len(frame)]
    for plane, (start, end) in enumerate(zip((int(offset) for offset in offsets[1 : planes + 1]), ends, strict=True)):
        if not 64 <= start < end <= len(frame):
            raise ValueError("an RLE segment lies outside the frame")
        # bounded by its output: PackBits expands a byte pair to at most 128
        segment = imagecodecs.packbits_decode(frame[start:end])
        if len(segment) < count:
            raise ValueError("an RLE segment is too short")
        values[:, planes - 1 - plane] = np.frombuffer(segment, np.uint8, count)
    return values.view(f"<u{planes}").reshape(hw)


def sign_extend(*, values: np.ndarray, bits_stored: int) -> np.ndarray:
    """Read the low `bits_stored` bits as two's complement; int16."""
    unused = 16 - bits_stored
    return np.left_shift(values.astype(np.int16), unused) >> unused
