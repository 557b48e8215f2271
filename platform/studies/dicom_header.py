"""Reading a DICOM header within bounds, and finding where the pixels lie. No pixel is decoded; nothing is judged here.

Hostile headers are expected: what is read into memory, the number of elements and the depth are bounded, and whatever pydicom
raises on a broken file comes out as a coded error whose words hold nothing of the file.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from pydicom import config as pydicom_config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference_worker.contract.failures import CodedError

# Tolerant on reading: our own rules decide. Warnings would carry values of the file into the logs.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\..*")

UNDEFINED_LENGTH = 0xFFFFFFFF
#: Everything before the pixels of real mammograms, vendors' private data included, is a few hundred kilobytes.
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_MAX_ELEMENTS = 20_000
_MAX_FRAGMENTS = 50_000
#: Two or three for each element, nested ones included; real files have some hundred elements before the UID.
_MAX_READS_BEFORE_UID = 6_000
_CHUNK = 1024 * 1024

#: What pydicom raises on broken files. The first three have no better base class.
PYDICOM_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    AssertionError,
    MemoryError,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where Pixel Data (7FE0,0010) lies. `value_start` in bytes from the source's start; `declared_length` may be undefined."""

    vr: str
    value_start: int
    declared_length: int

    @property
    def is_encapsulated(self) -> bool:
        return self.declared_length == UNDEFINED_LENGTH


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """A header and how to reach its pixels: `source` is the file itself, or its inflated copy when the file is deflated."""

    dataset: Dataset
    file_meta: FileMetaDataset
    transfer_syntax_uid: str
    is_implicit_vr: bool
    is_little_endian: bool
    pixel: PixelElement | None
    source: IO[bytes]
    source_size: int


class _BoundedReader:
    """A file for pydicom that gives at most `_MAX_HEADER_BYTES`, in at most `reads` pieces, and has no name to reopen."""

    def __init__(self, file: IO[bytes], *, reads: int | None = None) -> None:
        self._file = file
        self._left = _MAX_HEADER_BYTES
        self._reads_left = reads

    def read(self, size: int = -1) -> bytes:
        if self._reads_left is not None:
            self._reads_left -= 1
            if self._reads_left < 0:
                raise CodedError("input:header_corrupt", "more elements than any mammogram has")
        if size < 0 or size > self._left:
            size = self._left + 1
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise CodedError("input:header_corrupt", "header longer than any mammogram's")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def dicom_header_read(file: IO[bytes]) -> DicomHeader:
    """Read up to the pixels. Raises CodedError input:header_corrupt or input:file_truncated.

    The caller keeps `file` open as long as the header's source is needed.
    """
    try:
        return _read(file)
    except CodedError:
        raise
    except PYDICOM_ERRORS as error:
        # Without the cause: pydicom's messages quote the file.
        raise CodedError("input:header_corrupt", type(error).__name__) from None
    except OSError as error:
        if error.errno is not None:
            raise  # our own disk's
        raise CodedError("input:file_truncated", "a sequence before the pixels runs past the end") from None


def dicom_study_uid_read(file: IO[bytes]) -> str:
    """Study Instance UID (0020,000D), to sort files by before they are received; empty where there is none or it cannot be read.

    `file` may be the first part of a longer one: nothing behind the UID is looked at.
    """
    try:
        deflated_meta, start = _deflated(file)
        if deflated_meta is not None:
            file.seek(start)
            file = io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(_CHUNK), _CHUNK))
        file.seek(0)
        reader: Any = _BoundedReader(file, reads=_MAX_READS_BEFORE_UID)
        dataset = read_partial(reader, stop_when=lambda tag, vr, length: tag > 0x0020000D, force=True)
        return str(dataset.get("StudyInstanceUID") or "").strip(" \0")
    except (CodedError, OSError, *PYDICOM_ERRORS):
        return ""  # intake will say what is wrong with it


def _read(file: IO[bytes]) -> DicomHeader:
    size = file.seek(0, os.SEEK_END)
    deflated_meta, start = _deflated(file)
    if deflated_meta is not None:
        file, size = _inflate(file, start)
    file.seek(0)
    reader = _BoundedReader(file)
    elements = 0

    def stop(tag: Any, vr: str | None, length: int) -> bool:
        nonlocal elements
        elements += 1
        if elements > _MAX_ELEMENTS:
            raise CodedError("input:header_corrupt", "more elements than any mammogram has")
        if tag in (0x7FE00008, 0x7FE00009, 0x7FE00010):
            return True
        if length != UNDEFINED_LENGTH and length > size - file.tell():
            raise CodedError("input:file_truncated", "an element before the pixels runs past the end")
        return False

    dataset = read_partial(reader, stop_when=stop, force=True)  # type: ignore[arg-type]
    implicit, little = dataset.original_encoding
    if implicit is None or little is None or not len(dataset):
        raise CodedError("input:header_corrupt", "no data set")
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "").strip(" \0")
    if deflated_meta is not None:
        syntax = str(ExplicitVRLittleEndian)
    if not syntax:
        syntax = str(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian)
    return DicomHeader(
        dataset=dataset,
        file_meta=deflated_meta or dataset.file_meta,
        transfer_syntax_uid=syntax,
        is_implicit_vr=bool(implicit),
        is_little_endian=bool(little),
        pixel=_pixel_element(file, bool(implicit), bool(little)),
        source=file,
        source_size=size,
    )


def _pixel_element(file: IO[bytes], implicit: bool, little: bool) -> PixelElement | None:
    """The element at the file's position, if it is Pixel Data."""
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8:
        return None
    group, element = struct.unpack(order + "HH", head[:4])
    if (group, element) != (0x7FE0, 0x0010):
        return None
    if implicit:
        return PixelElement(vr="OW", value_start=file.tell(), declared_length=struct.unpack(order + "I", head[4:])[0])
    vr = head[4:6].decode("ascii", "replace")
    if vr not in ("OB", "OW", "UN"):
        raise CodedError("input:header_corrupt", "value representation of the pixel data")
    length = file.read(4)
    if len(length) < 4:
        raise CodedError("input:pixel_data_truncated", "no pixel data length")
    return PixelElement(vr=vr, value_start=file.tell(), declared_length=struct.unpack(order + "I", length)[0])


def _deflated(file: IO[bytes]) -> tuple[FileMetaDataset | None, int]:
    """(file meta, start of the deflated data set) when the file meta names the deflated transfer syntax, else (None, 0)."""
    file.seek(0)
    file.seek(132 if file.read(132)[128:] == b"DICM" else 0)
    reader: Any = _BoundedReader(file)
    meta = FileMetaDataset(read_dataset(reader, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2))
    if str(meta.get("TransferSyntaxUID") or "").strip(" \0") != str(DeflatedExplicitVRLittleEndian):
        return None, 0
    return meta, file.tell()


def _inflate(file: IO[bytes], start: int) -> tuple[IO[bytes], int]:
    """An inflated copy in a temporary file: file meta as it was, data set inflated, never above the size cap."""
    target = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 closed with the header's source
    try:
        # Without the file meta pydicom reads the data set for what it is then: explicit VR little endian.
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        file.seek(start)
        total = 0
        pending = b""
        while not inflater.eof:
            pending = inflater.unconsumed_tail or file.read(_CHUNK)
            if not pending:
                raise CodedError("input:file_truncated", "the deflated data set ends early")
            data = inflater.decompress(pending, _CHUNK)
            total += len(data)
            if total > settings.INTAKE_MAX_FILE_BYTES:
                raise CodedError("input:too_large", "the inflated file passes the size limit")
            target.write(data)
    except BaseException:
        target.close()
        raise
    return target, total


def fragments_end(header: DicomHeader, pixel: PixelElement) -> int:
    """End of the last whole item of encapsulated pixel data, in bytes from the source's start.

    Raises CodedError input:pixel_data_truncated or input:pixel_data_corrupt. A missing sequence delimiter is forgiven: the
    last item is whole without it. Source: DICOM PS3.5 A.4.
    """
    order = "<" if header.is_little_endian else ">"
    source = header.source
    position = pixel.value_start
    found_data = False
    for index in range(_MAX_FRAGMENTS):
        source.seek(position)
        head = source.read(8)
        if len(head) < 8:
            if head or not found_data:
                raise CodedError("input:pixel_data_truncated", "no whole fragment" if not found_data else "cut between fragments")
            return position
        group, element, length = struct.unpack(order + "HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            if not found_data:
                raise CodedError("input:pixel_data_corrupt", "no fragment")
            return position
        if (group, element) != (0xFFFE, 0xE000) or length == UNDEFINED_LENGTH:
            raise CodedError("input:pixel_data_corrupt", "an item was expected")
        if position + 8 + length > header.source_size:
            raise CodedError("input:pixel_data_truncated", "the last fragment is cut")
        found_data = found_data or (index > 0 and length > 0)
        position += 8 + length
    raise CodedError("input:pixel_data_corrupt", "more fragments than any mammogram has")
