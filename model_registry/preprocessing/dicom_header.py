"""The attributes that say how to show a DICOM image, read tolerantly: what cannot be used counts as absent.

Not for deciding whether an object is accepted. Sources: DICOM PS3.3 C.11.1, C.11.2, C.7.5.1.1.2, C.8.11.7; view codes from
PS3.16 CID 4014.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.tag import Tag

from model_registry.preprocessing.image import Acquisition, DecodedImage, LookupTable, SpacingPlane, VoiFunction, Window

_UNUSABLE = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)

# SNOMED CT and the older SNOMED RT values of PS3.16 CID 4014 → View Position
_VIEW_CODES = {
    **dict.fromkeys(("399162004", "R-10242"), "CC"),
    **dict.fromkeys(("399368009", "R-10226"), "MLO"),
    **dict.fromkeys(("399260004", "R-10224"), "ML"),
    **dict.fromkeys(("399352003", "R-10228"), "LM"),
    **dict.fromkeys(("399099002", "R-10230"), "LMO"),
    **dict.fromkeys(("399196006", "R-10244"), "FB"),
    **dict.fromkeys(("399188001", "R-102D0"), "SIO"),
    **dict.fromkeys(("441555000", "R-40AAA"), "ISO"),
    **dict.fromkeys(("399192008", "R-1024A"), "XCCL"),
    **dict.fromkeys(("399101009", "R-1024B"), "XCCM"),
}
_VIEW_NAMES = frozenset(_VIEW_CODES.values()) | {"XCC", "AT", "CV"}
_FUJIFILM_VIEW = Tag(0x0018, 0x1400)


def display_attributes(dataset: Dataset, *, stored: np.ndarray, bits_stored: int) -> DecodedImage:
    """Put decoded values and the header's display attributes together."""
    signed = stored.dtype.kind == "i"
    stored_range = (-(2 ** (bits_stored - 1)), 2 ** (bits_stored - 1) - 1) if signed else (0, 2**bits_stored - 1)
    windows = _windows(dataset)
    function = str(_value(dataset, "VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    if function == "LINEAR":
        windows = tuple(window for window in windows if window.width >= 1.0)
    modality_luts = _tables(dataset, "ModalityLUTSequence", signed=signed)
    slope = _number(_value(dataset, "RescaleSlope"), 1.0)
    intercept = _number(_value(dataset, "RescaleIntercept"), 0.0)
    # a VOI table's input may be negative as soon as stored or rescaled values are
    voi_signed = signed or (not modality_luts and min(end * slope + intercept for end in stored_range) < 0)
    spacing = _pixel_spacing(dataset)
    return DecodedImage(
        stored=stored,
        bits_stored=bits_stored,
        stored_range=stored_range,
        photometric_interpretation=cast(Literal["MONOCHROME1", "MONOCHROME2"], str(_value(dataset, "PhotometricInterpretation"))),
        rescale_slope=slope if slope != 0 else 1.0,
        rescale_intercept=intercept,
        modality_lut=modality_luts[0] if modality_luts else None,
        windows=windows,
        voi_function=cast(VoiFunction, function),
        voi_luts=_tables(dataset, "VOILUTSequence", signed=voi_signed),
        padding=_padding(dataset, stored.dtype),
        pixel_spacing_mm=spacing,
        spacing_plane=None if spacing is None else _spacing_plane(dataset),
        image_laterality=_laterality(dataset),
        view_position=_view_position(dataset),
        modality=_text(dataset, "Modality"),
        acquisition=_acquisition(dataset),
        manufacturer=_manufacturer(dataset),
        patient_orientation=_patient_orientation(dataset),
    )


def _patient_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """Directions of rows and columns, or None unless both are plain ones. Source: PS3.3 C.7.6.1.1.1."""
    stated = [str(value).strip().upper() for value in _items(_value(dataset, "PatientOrientation"))]
    if len(stated) != 2 or not all(re.fullmatch("[APLRHF]{1,3}", value) for value in stated):
        return None
    return stated[0], stated[1]


def _manufacturer(dataset: Dataset) -> str | None:
    """The maker in capitals and plain characters: a name to count by, which no file can make long or strange."""
    return re.sub(r"[^A-Z0-9 .&-]", "", (_text(dataset, "Manufacturer") or "").upper()).strip()[:32] or None


def _value(dataset: Dataset, keyword: str) -> Any:
    """The attribute's value, or None when absent or not convertible: pydicom converts, and raises, on access."""
    try:
        return dataset.get(keyword)
    except _UNUSABLE:
        return None


def _items(value: Any) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else (value,)


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = _value(dataset, keyword)
    return str(value).strip().upper()[:16] or None if isinstance(value, str) else None


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if math.isfinite(number) and abs(number) < 1e12 else default


def _windows(dataset: Dataset) -> tuple[Window, ...]:
    centres, widths = _items(_value(dataset, "WindowCenter")), _items(_value(dataset, "WindowWidth"))
    pairs = [(_number(centre, math.nan), _number(width, math.nan)) for centre, width in zip(centres, widths, strict=False)]
    return tuple(Window(centre, width) for centre, width in pairs if math.isfinite(centre) and width > 0)


def _tables(dataset: Dataset, keyword: str, *, signed: bool) -> tuple[LookupTable, ...]:
    little = bool(dataset.original_encoding[1] is not False)
    items = _items(_value(dataset, keyword))
    tables = (_table(item, signed=signed, little_endian=little) for item in items)
    return tuple(table for table in tables if table is not None)


def _table(item: Dataset, *, signed: bool, little_endian: bool) -> LookupTable | None:
    """One LUT, or None if it is incomplete or contradicts itself."""
    try:
        return _table_read(item, signed=signed, little_endian=little_endian)
    except _UNUSABLE:
        return None


def _table_read(item: Dataset, *, signed: bool, little_endian: bool) -> LookupTable | None:
    """Data comes as US values, as OW words or, from some writers, packed bytes."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = (count & 0xFFFF) or 65536
    first &= 0xFFFF
    if signed and first >= 0x8000:
        first -= 0x10000
    if not 1 <= bits <= 16:
        return None
    data = item.LUTData
    if isinstance(data, bytes):
        packed = bits <= 8 and len(data) < 2 * count
        values = np.frombuffer(data, np.uint8 if packed else ("<u2" if little_endian else ">u2"))
    else:
        values = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    if len(values) < count:
        return None
    return LookupTable(first=first, values=np.minimum(values[:count].astype(np.uint16), 2**bits - 1).astype(np.uint16), bits=bits)


def _padding(dataset: Dataset, dtype: np.dtype) -> tuple[int, int] | None:
    value, limit = _value(dataset, "PixelPaddingValue"), _value(dataset, "PixelPaddingRangeLimit")
    try:
        ends = [int(end) for end in (value, limit if limit not in (None, "") else value)]
    except (TypeError, ValueError):
        return None
    # the VR (US or SS) follows Pixel Representation, and writers get it wrong: read the 16 bits the way the pixels are
    offset = 0x8000 if dtype.kind == "i" else 0
    ends = [((end + offset) & 0xFFFF) - offset for end in ends]
    return min(ends), max(ends)


def _pixel_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Spacing at the patient if calibrated, else at the detector. Source: PS3.3 10.7.1.3."""
    return _spacing(dataset, "PixelSpacing") or _spacing(dataset, "ImagerPixelSpacing")


def _spacing_plane(dataset: Dataset) -> SpacingPlane:
    """Where the spacing was measured. Pixel Spacing that only repeats Imager Pixel Spacing is not calibrated. PS3.3 10.7.1.3."""
    stated, imager = _spacing(dataset, "PixelSpacing"), _spacing(dataset, "ImagerPixelSpacing")
    if stated is None or stated == imager:
        return "detector"
    if imager is not None or _text(dataset, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL"):
        return "patient"
    return "unstated"


def _spacing(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    spacing = [_number(value, math.nan) for value in _items(_value(dataset, keyword))]
    return (spacing[0], spacing[1]) if len(spacing) == 2 and all(value > 0 for value in spacing) else None


def _laterality(dataset: Dataset) -> Literal["L", "R"] | None:
    for keyword in ("ImageLaterality", "Laterality"):
        text = _text(dataset, keyword)
        if text in ("L", "R"):
            return cast(Literal["L", "R"], text)
    return None


def _view_position(dataset: Dataset) -> str | None:
    """View Position, else the view code, else what Fujifilm writes elsewhere, else None: never guessed."""
    text = _text(dataset, "ViewPosition")
    if text in _VIEW_NAMES:
        return text
    for item in _items(_value(dataset, "ViewCodeSequence")):
        code = _text(item, "CodeValue") if isinstance(item, Dataset) else None
        if code in _VIEW_CODES:
            return _VIEW_CODES[code]
    if "FUJI" in str(_value(dataset, "Manufacturer") or "").upper():
        try:
            words = re.findall(r"[A-Z]+", str(dataset[_FUJIFILM_VIEW].value).upper())
        except _UNUSABLE:
            return None
        named = [word for word in words if word in _VIEW_NAMES]
        return named[0] if len(named) == 1 else None
    return None


def _acquisition(dataset: Dataset) -> Acquisition | None:
    """Film or digital, where the object says so: a scanned film is a detector of type FILM, a digitised film or modality RG."""
    if _text(dataset, "DetectorType") == "FILM" or _text(dataset, "ConversionType") == "DF" or _text(dataset, "Modality") == "RG":
        return "film"
    return "digital" if _text(dataset, "Modality") in ("MG", "CR", "DX") else None
