"""JPEG files: walked marker by marker and stripped of comments and application data. Nothing is decoded here.

APP0 (JFIF) and APP14 (Adobe) stay, because they say what the components mean. A picture that EXIF says must be turned is refused:
the turn would be lost with the EXIF data, and left would become right. Source: ITU-T T.81 Annex B.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
from collections.abc import Callable
from typing import IO, Any

from inference_worker.contract.failures import CodedError
from studies.png import RasterFacts

SIGNATURE = b"\xff\xd8\xff"
#: Huffman-coded baseline, extended and progressive; the decoders read no arithmetic, lossless or hierarchical JPEG.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_ALL_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_MAX_SEGMENTS = 20_000


def jpeg_copy(source: IO[bytes], *, check: Callable[[int, int], None], write: Callable[[bytes], Any]) -> RasterFacts:
    """Copy the stripped JPEG through `write`, up to its End Of Image. `check(rows, columns)` may refuse.

    Raises CodedError input:file_truncated, input:header_corrupt, input:unsupported_pixel_format,
    input:unsupported_photometric_interpretation.
    """
    try:
        descriptor = source.fileno()
    except io.UnsupportedOperation:  # a file held in memory already
        source.seek(0)
        return _copy(source.read(), check, write)
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        return _copy(data, check, write)


def _copy(data: mmap.mmap | bytes, check: Callable[[int, int], None], write: Callable[[bytes], Any]) -> RasterFacts:
    facts: RasterFacts | None = None
    scanned = False
    write(data[:2])
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, start = _marker(data, position)
        if marker == 0xD9:
            if facts is None or not scanned:
                raise CodedError("input:no_pixel_data")
            write(b"\xff\xd9")
            return facts
        if marker in _STANDALONE:
            position = start
            continue
        length = struct.unpack(">H", data[start : start + 2])[0] if start + 2 <= len(data) else 0
        end = start + length
        if length < 2 or end > len(data):
            raise CodedError("input:file_truncated", "a segment runs past the end")
        body = data[start + 2 : end]
        if marker in _ALL_FRAMES:
            facts = _frame(marker, body)
            check(facts.rows, facts.columns)
        if marker == 0xE1:
            _orientation_check(body)
        if marker == 0xDA:
            scanned = True
            found = _NEXT_MARKER.search(data, end)
            if found is None:
                raise CodedError("input:file_truncated", "no End Of Image")
            end = found.start()
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            write(_application_data(marker, body))
        else:
            write(b"\xff" + bytes([marker]))
            _stretch(data, start, end, write)
        position = end
    raise CodedError("input:header_corrupt", "more segments than any picture has")


def _marker(data: mmap.mmap | bytes, position: int) -> tuple[int, int]:
    """(marker, position after it); fill bytes are skipped."""
    if position >= len(data):
        raise CodedError("input:file_truncated", "no End Of Image")
    if data[position] != 0xFF:
        raise CodedError("input:header_corrupt", "a marker was expected")
    while position < len(data) and data[position] == 0xFF:
        position += 1
    if position >= len(data):
        raise CodedError("input:file_truncated", "no End Of Image")
    return data[position], position + 1


def _application_data(marker: int, body: bytes) -> bytes:
    """What stays of an APPn or COM segment: JFIF's fixed fields without its thumbnail, Adobe's fixed fields, nothing else."""
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return b"\xff\xe0\x00\x10" + body[:12] + b"\0\0"
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        return b"\xff\xee\x00\x0e" + body[:12]
    return b""


def _stretch(data: mmap.mmap | bytes, start: int, end: int, write: Callable[[bytes], Any]) -> None:
    for offset in range(start, end, 1024 * 1024):
        write(data[offset : min(end, offset + 1024 * 1024)])


def _frame(marker: int, body: bytes) -> RasterFacts:
    if len(body) < 6:
        raise CodedError("input:header_corrupt", "short frame header")
    precision, rows, columns, components = struct.unpack(">BHHB", body[:6])
    if marker not in _FRAMES or precision != 8:
        raise CodedError("input:unsupported_pixel_format", f"JPEG process {marker & 0x0F}, {precision} bits")
    if components not in (1, 3):
        raise CodedError("input:unsupported_photometric_interpretation", f"{components} components")
    return RasterFacts(rows, columns, "MONOCHROME2" if components == 1 else "YBR_FULL")


def _orientation_check(body: bytes) -> None:
    """Refuse EXIF Orientation (0112) other than 1, upright. Source: EXIF 3.0, 4.6.4; TIFF 6.0."""
    if not body.startswith(b"Exif\0\0"):
        return
    tiff = body[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return
    directory = struct.unpack(order + "I", tiff[4:8])[0]
    count = struct.unpack(order + "H", tiff[directory : directory + 2])[0] if directory + 2 <= len(tiff) else 0
    for index in range(count):
        entry = tiff[directory + 2 + 12 * index : directory + 14 + 12 * index]
        if len(entry) == 12 and struct.unpack(order + "H", entry[:2])[0] == 0x0112:
            if struct.unpack(order + "H", entry[8:10])[0] not in (0, 1):
                raise CodedError("input:unsupported_pixel_format", "EXIF says the picture must be turned; store it upright")
            return
