"""DICOM bytes → stored values and how to show them, behind one guard.

Every declared size is checked before anything is inflated or decoded, and whatever pydicom or a decoder raises on a broken
file becomes a coded PreprocessingError. Not for
de-identification, SOP class policy or anything about the patient: intake does that, and none of it is read here.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import Any

import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import get_decoder
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from model_registry.preprocessing.codestream import codestream_size
from model_registry.preprocessing.dicom_header import display_attributes
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.frames import COMPRESSED_SYNTAXES, frame_decode, sign_extend
from model_registry.preprocessing.image import DecodedImage

# values are checked where they are used; pydicom's own validation would only warn, quoting them, into the log
config.settings.reading_validation_mode = config.IGNORE

_NATIVE_SYNTAXES = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
)

# the chain of causes is cut ("from None") wherever these are turned into codes: pydicom quotes element values in its messages,
# and a traceback with a patient's name would end up in a log
# what pydicom and the decoders raise on broken files; RecursionError and imagecodecs' own errors are RuntimeErrors
_READ_ERRORS = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# native pixels stay a view of the file's bytes: pydicom would copy them, and warn, to clear unused bits that hardly ever hold
# anything; _unused_bits_clear looks first. pydicom mistypes these options.
_VIEW: dict[str, Any] = {"view_only": True, "correct_unused_bits": False}
_PIXEL_DATA = Tag(0x7FE0, 0x0010)
_OTHER_PIXELS = (Tag(0x7FE0, 0x0008), Tag(0x7FE0, 0x0009))
_ENCAPSULATED_PIXELS = re.compile(rb"\xe0\x7f\x10\x00O[BW]\x00\x00\xff\xff\xff\xff")
_HEADER_ALLOWANCE = 64 * 1024 * 1024  # of a deflated object, besides its pixels


def dicom_decode(*, data: bytes, max_pixels: int) -> DecodedImage:
    """Decode one DICOM object of one grey frame. Raises PreprocessingError with an input code; nothing else."""
    dataset = _dataset_read(data, max_pixels)
    syntax = _transfer_syntax(dataset)
    rows, columns = _declared_hw(dataset, max_pixels)
    bits_allocated, bits_stored = _pixel_format(dataset)
    pixel_data = _pixel_data(dataset)
    if syntax in _NATIVE_SYNTAXES:
        # PixelData is padded to an even length, so an odd image may also be exact
        if len(pixel_data) < rows * columns * (bits_allocated // 8):
            raise PreprocessingError("input:pixel_data_truncated", "fewer bytes than the header declares")
        stored = _native_decode(dataset, syntax)
    else:
        frame = _frame(pixel_data, syntax=syntax, hw=(rows, columns))
        stored = _compressed_decode(dataset, frame, syntax=syntax, hw=(rows, columns))
    if stored.shape != (rows, columns):
        raise PreprocessingError("input:pixel_data_corrupt", "decoded to another shape than declared")
    try:
        return display_attributes(dataset, stored=stored, bits_stored=bits_stored)
    except _READ_ERRORS as error:
        raise PreprocessingError("input:header_corrupt", type(error).__name__) from None


def _dataset_read(data: bytes, max_pixels: int) -> Dataset:
    """Parse the object. One without preamble or file meta is read if it turns out to describe an image."""
    has_preamble = data[128:132] == b"DICM"
    try:
        stream = io.BytesIO(data)
        if has_preamble:
            pydicom.filereader.read_preamble(stream, False)
            meta = pydicom.filereader._read_file_meta_info(stream)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                dataset = _deflated_read(data[stream.tell() :], max_pixels)
                dataset.file_meta = meta
                return dataset
            stream.seek(0)
        dataset = pydicom.dcmread(stream, force=not has_preamble)
        last = _last_element(dataset)
    except _READ_ERRORS as error:
        code = "input:header_corrupt" if has_preamble else "input:not_an_image"
        raise PreprocessingError(code, type(error).__name__) from None
    if not has_preamble and "Rows" not in dataset:
        raise PreprocessingError("input:not_an_image", "no DICOM preamble and no image attributes")
    if last is not None and last.tag != _PIXEL_DATA and len(last.value or b"") < last.length < 0xFFFFFFFF:
        raise PreprocessingError("input:file_truncated", "the last element is incomplete")
    if _PIXEL_DATA not in dataset and _ENCAPSULATED_PIXELS.search(data):
        # pydicom drops an encapsulated element whose end it does not find
        raise PreprocessingError("input:pixel_data_truncated", "the encapsulated pixels do not end")
    return dataset


def _last_element(dataset: Dataset) -> pydicom.dataelem.RawDataElement | None:
    """The element that stands last in the file, unconverted, if it is one that carries its own length."""
    elements = list(dataset._dict.values())
    element = elements[-1] if elements else None
    return element if isinstance(element, pydicom.dataelem.RawDataElement) and isinstance(element.value, bytes) else None


def _deflated_read(deflated: bytes, max_pixels: int) -> Dataset:
    """Inflate up to what the largest allowed image can need and parse that; pydicom itself would inflate without bound."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(deflated, 2 * max_pixels + _HEADER_ALLOWANCE)
    if inflater.unconsumed_tail:
        raise PreprocessingError("input:dimensions_too_large", "the deflated object is larger than the largest allowed image")
    if not inflater.eof:
        raise PreprocessingError("input:file_truncated", "the deflated stream does not end")
    return pydicom.filereader.read_dataset(io.BytesIO(inflated), is_implicit_VR=False, is_little_endian=True)


def _transfer_syntax(dataset: Dataset) -> pydicom.uid.UID:
    meta = getattr(dataset, "file_meta", None)
    try:
        syntax = None if meta is None else meta.get("TransferSyntaxUID")
    except _READ_ERRORS:
        raise PreprocessingError("input:header_corrupt", "the transfer syntax cannot be read") from None
    if not syntax:
        # objects written without file meta are by definition native; pydicom found out which when it parsed them
        implicit, little = dataset.original_encoding
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
    if not isinstance(syntax, str) or syntax not in _NATIVE_SYNTAXES | COMPRESSED_SYNTAXES:
        raise PreprocessingError("input:unsupported_transfer_syntax", "not one of the transfer syntaxes read here")
    return pydicom.uid.UID(syntax)


def _declared_hw(dataset: Dataset, max_pixels: int) -> tuple[int, int]:
    if _PIXEL_DATA not in dataset:
        if any(tag in dataset for tag in _OTHER_PIXELS):
            raise PreprocessingError("input:unsupported_pixel_format", "floating-point pixels")
        raise PreprocessingError("input:no_pixel_data")
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    frames = _whole(dataset, "NumberOfFrames", default=1)
    samples = _whole(dataset, "SamplesPerPixel", default=1)
    if rows < 1 or columns < 1:
        raise PreprocessingError("input:header_corrupt", "the header declares no pixels")
    if rows * columns > max_pixels:
        raise PreprocessingError("input:dimensions_too_large", f"{rows} x {columns} declared")
    if frames > 1:
        raise PreprocessingError("input:multi_frame", f"{frames} frames")
    try:
        interpretation = str(dataset.get("PhotometricInterpretation", ""))
    except _READ_ERRORS as error:
        raise PreprocessingError("input:header_corrupt", f"PhotometricInterpretation: {type(error).__name__}") from None
    if samples != 1 or interpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise PreprocessingError("input:unsupported_photometric_interpretation", f"{samples} samples a pixel")
    return rows, columns


def _pixel_format(dataset: Dataset) -> tuple[int, int]:
    allocated, stored = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    if allocated not in (8, 16):
        raise PreprocessingError("input:unsupported_pixel_format", f"{allocated} bits allocated")
    if not 1 <= stored <= allocated or _whole(dataset, "PixelRepresentation", default=0) not in (0, 1):
        raise PreprocessingError("input:header_corrupt", "the pixel format contradicts itself")
    return allocated, stored


def _whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        if value in (None, "") and default is not None:
            return default
        return int(value)
    except _READ_ERRORS:
        raise PreprocessingError("input:header_corrupt", f"{keyword} is not a whole number") from None


def _pixel_data(dataset: Dataset) -> bytes:
    try:
        value = dataset[_PIXEL_DATA].value
    except _READ_ERRORS as error:
        raise PreprocessingError("input:pixel_data_corrupt", type(error).__name__) from None
    if not isinstance(value, bytes) or not value:
        raise PreprocessingError("input:no_pixel_data")
    return value


def _frame(pixel_data: bytes, *, syntax: pydicom.uid.UID, hw: tuple[int, int]) -> bytes:
    """The one frame. Refused when it declares another size than the object: the decoder would allocate that."""
    try:
        frame = get_frame(pixel_data, 0, number_of_frames=1)
    except _READ_ERRORS as error:
        raise PreprocessingError("input:pixel_data_truncated", type(error).__name__) from None
    if syntax == RLELossless:  # has no size of its own: it is decoded into what the header declares
        return frame
    size = codestream_size(data=frame)
    if size is None:
        raise PreprocessingError("input:pixel_data_corrupt", "the frame does not declare its size")
    if (size.rows, size.columns) != hw or size.components != 1:
        raise PreprocessingError("input:pixel_data_corrupt", "the frame declares another size than the header")
    if size.precision > 16:
        raise PreprocessingError("input:unsupported_pixel_format", f"{size.precision} bits in the frame")
    if not size.complete:
        raise PreprocessingError("input:pixel_data_truncated", "the frame has no end marker")
    return frame


def _native_decode(dataset: Dataset, syntax: pydicom.uid.UID) -> np.ndarray:
    """Stored values in native byte order: a view of the file's bytes where those are in it already."""
    try:
        array, _ = get_decoder(syntax).as_array(dataset, index=0, raw=True, **_VIEW)
    except _READ_ERRORS as error:
        raise PreprocessingError("input:pixel_data_corrupt", type(error).__name__) from None
    if array.dtype == np.int8:
        array = array.astype(np.int16)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return _unused_bits_clear(array, _pixel_format(dataset)[1])


def _unused_bits_clear(array: np.ndarray, bits_stored: int) -> np.ndarray:
    """Drop what stands above the stored bits (old overlays); the array itself, if nothing does."""
    if array.dtype.kind == "i":
        bound = 2 ** (bits_stored - 1)
        return array if -bound <= array.min() and array.max() < bound else sign_extend(values=array, bits_stored=bits_stored)
    return array if array.max() < 2**bits_stored else array & array.dtype.type(2**bits_stored - 1)


def _compressed_decode(dataset: Dataset, frame: bytes, *, syntax: pydicom.uid.UID, hw: tuple[int, int]) -> np.ndarray:
    bits_allocated, bits_stored = _pixel_format(dataset)
    try:
        values = frame_decode(frame=frame, transfer_syntax=syntax, hw=hw, bits_allocated=bits_allocated)
    except _READ_ERRORS as error:
        raise PreprocessingError("input:pixel_data_corrupt", type(error).__name__) from None
    if values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        raise PreprocessingError("input:unsupported_pixel_format", f"decoded to {values.dtype}")
    # the header says how the bits are meant; a codestream often says nothing, or something else
    if _whole(dataset, "PixelRepresentation", default=0) == 1:
        return sign_extend(values=values, bits_stored=bits_stored)
    return values.view(f"u{values.dtype.itemsize}")
