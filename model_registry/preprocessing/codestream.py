"""What a compressed picture says about its own size, read before any decoder sees it.

A decoder allocates what the codestream declares, not what the DICOM header declares; comparing both is what stops a
decompression bomb. Reads PNG, JPEG (all processes), JPEG-LS and JPEG 2000 headers. Not a decoder and not a validator.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_STANDALONE = frozenset(range(0xD0, 0xD9)) | {0x01}


@dataclass(frozen=True, slots=True)
class CodestreamSize:
    """Declared size. `precision` is bits per sample; `complete` tells whether an end marker was found."""

    rows: int
    columns: int
    components: int
    precision: int
    complete: bool


def codestream_size(*, data: bytes) -> CodestreamSize | None:
    """Read the declared size, or None if the bytes are none of the known formats or end before declaring it."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _png_size(data)
        if data[:4] == b"\xff\x4f\xff\x51":
            return _j2k_size(data, 0)
        if data[4:8] == b"jP  ":
            start = data.find(b"\xff\x4f\xff\x51")
            return _j2k_size(data, start) if start >= 0 else None
        if data[:2] == b"\xff\xd8":
            return _jpeg_size(data)
    except (struct.error, IndexError):
        return None
    return None


def _png_size(data: bytes) -> CodestreamSize | None:
    if data[12:16] != b"IHDR":
        return None
    columns, rows, depth, colour = struct.unpack(">IIBB", data[16:26])
    components = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    return CodestreamSize(rows, columns, components, depth, b"IEND" in data[-64:])


def _j2k_size(data: bytes, start: int) -> CodestreamSize:
    x_size, y_size, x_offset, y_offset = struct.unpack(">IIII", data[start + 8 : start + 24])
    (components,) = struct.unpack(">H", data[start + 40 : start + 42])
    precision = (data[start + 42] & 0x7F) + 1
    return CodestreamSize(y_size - y_offset, x_size - x_offset, components, precision, _ends_with(data, b"\xff\xd9"))


def _jpeg_size(data: bytes) -> CodestreamSize | None:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _STANDALONE:
            position += 2
            continue
        if marker in (0xD9, 0xDA):
            return None
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        if length < 2:
            return None
        if marker in _START_OF_FRAME:
            precision, rows, columns, components = struct.unpack(">BHHB", data[position + 4 : position + 10])
            return CodestreamSize(rows, columns, components, precision, _ends_with(data, b"\xff\xd9"))
        position += 2 + length
    return None


def _ends_with(data: bytes, marker: bytes) -> bool:
    """Whether the end marker is there, allowing for trailing padding."""
    return marker in data[-64:] or data.rstrip(b"\x00").endswith(marker)
