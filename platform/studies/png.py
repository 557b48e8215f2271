"""PNG files: checked chunk by chunk and stripped of everything that does not change the pixels. Nothing is inflated here.

Source: PNG specification (third edition), 5 and 11. Text, times, EXIF and colour profiles (which have names) are dropped.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from inference_worker.contract.failures import CodedError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
#: Ancillary chunks of fixed small numbers that say how to read the samples.
_KEPT = frozenset({b"tRNS", b"sBIT", b"gAMA", b"cHRM", b"sRGB"})
_KEPT_MAX_BYTES = 256
_CHUNK = 1024 * 1024
_MAX_CHUNKS = 200_000

_CHANNELS_BY_COLOUR = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class RasterFacts:
    """What a PNG or JPEG header declares."""

    rows: int
    columns: int
    photometric_interpretation: str


def png_copy(source: IO[bytes], *, size: int, check: Callable[[int, int], None], write: Callable[[bytes], Any]) -> RasterFacts:
    """Copy the stripped PNG through `write`. `check(rows, columns)` may refuse before anything is copied.

    Raises CodedError input:file_truncated, input:header_corrupt, input:pixel_data_corrupt, input:unsupported_pixel_format,
    input:multi_frame.
    """
    source.seek(0, os.SEEK_SET)
    if source.read(8) != SIGNATURE:
        raise CodedError("input:not_an_image")
    facts: RasterFacts | None = None
    seen_data = False
    for _ in range(_MAX_CHUNKS):
        head = source.read(8)
        if len(head) < 8:
            raise CodedError("input:file_truncated", "no IEND chunk")
        length, kind = struct.unpack(">I4s", head)
        if source.tell() + length + 4 > size:
            raise CodedError("input:file_truncated", "a chunk runs past the end")
        if facts is None:
            facts = _header(source, length, kind)
            check(facts.rows, facts.columns)
            write(SIGNATURE)
            source.seek(16)
        if kind == b"acTL":
            raise CodedError("input:multi_frame", "animated PNG")
        if kind in _CRITICAL or (kind in _KEPT and length <= _KEPT_MAX_BYTES):
            _chunk_copy(source, head, length, write)
        elif kind[:1].isupper():
            raise CodedError("input:pixel_data_corrupt", "unknown critical chunk")
        else:
            source.seek(length + 4, os.SEEK_CUR)
        seen_data = seen_data or (kind == b"IDAT" and length > 0)
        if kind == b"IEND":
            if not seen_data:
                raise CodedError("input:no_pixel_data")
            return facts
    raise CodedError("input:pixel_data_corrupt", "more chunks than any picture has")


def _header(source: IO[bytes], length: int, kind: bytes) -> RasterFacts:
    if kind != b"IHDR" or length != 13:
        raise CodedError("input:header_corrupt", "no IHDR chunk")
    columns, rows, bits, colour = struct.unpack(">IIBB", source.read(10))
    if colour not in _CHANNELS_BY_COLOUR:
        raise CodedError("input:header_corrupt", "unknown colour type")
    if bits not in (8, 16) or (bits == 16 and colour != 0):
        raise CodedError("input:unsupported_pixel_format", f"{bits} bits in {_CHANNELS_BY_COLOUR[colour]} channels")
    return RasterFacts(rows, columns, "MONOCHROME2" if colour in (0, 4) else "RGB")


def _chunk_copy(source: IO[bytes], head: bytes, length: int, write: Callable[[bytes], Any]) -> None:
    """Copy one chunk; its checksum is verified on the way."""
    checksum = zlib.crc32(head[4:])
    write(head)
    left = length
    while left:
        data = source.read(min(_CHUNK, left))
        if not data:
            raise CodedError("input:file_truncated", "a chunk is cut")
        checksum = zlib.crc32(data, checksum)
        write(data)
        left -= len(data)
    stored = source.read(4)
    if stored != struct.pack(">I", checksum):
        raise CodedError("input:pixel_data_corrupt", "checksum of a chunk")
    write(stored)
