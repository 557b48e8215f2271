"""The stored values of a view at full size, packed for a browser to read without a decoder of its own, and how to show them.

Pure: a decoded image in, bytes and figures out. The preview is for a first look; a model's input is made elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt

from inference_worker.contract.results import PixelsResult, VoiTableResult, WindowResult
from model_registry.preprocessing import DecodedImage, LookupTable
from model_registry.preprocessing.display import modality_values, table_apply

_DEFLATE_LEVEL = 1

#: Where a VOI table counts as dark and as bright, as shares of its range, when a window has to stand for it.
_TABLE_ENDS = (0.02, 0.98)
#: As the preview is shown where the file states no window.
_PERCENTILES = (0.5, 99.9)
#: A window of fewer values than this would show nothing but steps.
_WIDTH_MINIMUM = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class PackedPixels:
    """The file's bytes and everything PixelsResult says but its key."""

    data: bytes
    rows: int
    columns: int
    high_length: int
    low_deflated: bool
    value_offset: int
    bits_stored: int
    slope: float
    intercept: float
    inverted: bool
    windows: tuple[WindowResult, ...]
    window_source: str
    voi_function: str
    padding: tuple[int, ...]
    voi_table: VoiTableResult | None

    def result(self, *, key: str) -> PixelsResult:
        return PixelsResult(
            key=key,
            rows=self.rows,
            columns=self.columns,
            high_length=self.high_length,
            low_deflated=self.low_deflated,
            value_offset=self.value_offset,
            bits_stored=self.bits_stored,
            slope=self.slope,
            intercept=self.intercept,
            inverted=self.inverted,
            windows=self.windows,
            window_source=self.window_source,
            voi_function=self.voi_function,
            padding=self.padding,
            voi_table=self.voi_table,
        )


def pixels_pack(*, image: DecodedImage, kept: str) -> PackedPixels | None:
    """Pack every value of `image`, losslessly. `kept` is "quick", "small" or "none"; None for "none". The low bytes are
    mostly noise: "quick" leaves them as they are, "small" deflates them.

    A modality table is applied here, because a viewer knows a slope and an intercept only: the packed values are then its output.
    """
    if kept == "none":
        return None
    values, padding = (image.stored, image.padding) if image.modality_lut is None else (_modality_stored(image), None)
    offset = 0
    if values.dtype == np.int16:
        offset = -0x8000
        values = (values.view(np.uint16) ^ np.uint16(0x8000)).astype(np.uint16)
    deflated = kept == "small"
    high, data = _planes_pack(np.ascontiguousarray(values), low_deflated=deflated)
    windows, source = windows_of(image)
    voi_table, table_data = _table_pack(image)
    plain = image.modality_lut is None
    return PackedPixels(
        data=data + table_data,
        rows=image.rows,
        columns=image.columns,
        high_length=high,
        low_deflated=deflated,
        value_offset=offset,
        bits_stored=image.bits_stored if image.modality_lut is None else image.modality_lut.bits,
        slope=image.rescale_slope if plain else 1.0,
        intercept=image.rescale_intercept if plain else 0.0,
        inverted=image.photometric_interpretation == "MONOCHROME1",
        windows=windows,
        window_source=source,
        voi_function=image.voi_function if source == "file" else "LINEAR",
        padding=padding or (),
        voi_table=voi_table,
    )


def windows_of(image: DecodedImage) -> tuple[tuple[WindowResult, ...], str]:
    """The windows to offer, the one to begin with first, and where that one comes from. In modality values."""
    stated = tuple(WindowResult(window.centre, window.width) for window in image.windows)
    if (risen := _table_risen(image)) is not None:
        return (risen[1], *stated), "lookup_table"
    if stated:
        return stated, "file"
    if image.bits_stored <= 8:
        ends = modality_values(image=image, stored=np.array(image.stored_range))
        return (_window(float(ends.min()), float(ends.max())),), "full_range"
    # a sixteenth of the rows and columns is a sample large enough for percentiles, and costs a millisecond
    sample = image.stored[::4, ::4]
    if image.padding is not None:
        sample = sample[(sample < image.padding[0]) | (sample > image.padding[1])]
    ends = modality_values(image=image, stored=np.array(image.stored_range))
    if sample.size:
        ends = np.percentile(modality_values(image=image, stored=sample), _PERCENTILES)
    return (_window(float(ends.min()), float(ends.max())),), "percentile"


def _planes_pack(values: npt.NDArray[np.unsignedinteger], *, low_deflated: bool) -> tuple[int, bytes]:
    """(length of the high stream, high and low bytes). High bytes change slowly and shrink to next to nothing."""
    if values.dtype == np.uint8:
        return 0, _deflate(values) if low_deflated else values.tobytes()
    low, high = cv2.split(values.astype("<u2", copy=False).view(np.uint8).reshape(*values.shape, 2))
    packed_high = _deflate(high)
    return len(packed_high), packed_high + (_deflate(low) if low_deflated else low.tobytes())


def _deflate(plane: Any) -> bytes:
    """A zlib stream of the plane's bytes; imagecodecs takes arrays, though it does not declare so."""
    return bytes(imagecodecs.zlibng_encode(plane, _DEFLATE_LEVEL))


def _modality_stored(image: DecodedImage) -> npt.NDArray[np.uint16]:
    """Modality values through the image's table; padding becomes whatever is shown black."""
    assert image.modality_lut is not None
    values = table_apply(table=image.modality_lut, values=image.stored).astype(np.uint16)
    if image.padding is not None:
        black = 2**image.modality_lut.bits - 1 if image.photometric_interpretation == "MONOCHROME1" else 0
        values[(image.stored >= image.padding[0]) & (image.stored <= image.padding[1])] = black
    return values


def _table_risen(image: DecodedImage) -> tuple[LookupTable, WindowResult] | None:
    """The file's first VOI table that rises, and the window over which it does."""
    for table in image.voi_luts:
        if (window := _table_window(table)) is not None:
            return table, window
    return None


def _table_pack(image: DecodedImage) -> tuple[VoiTableResult | None, bytes]:
    """The table that windows_of begins with, in the greys of a screen, and its bytes; (None, nothing) where the file has none."""
    risen = _table_risen(image)
    if risen is None:
        return None, b""
    table, _ = risen
    shown = np.clip(table.values.astype(np.float64) / (2**table.bits - 1), 0.0, 1.0)
    greys = np.rint(255.0 * shown).astype(np.uint8)
    data = _deflate(greys)
    return VoiTableResult(first=table.first, entries=len(greys), length=len(data)), data


def _table_window(table: LookupTable) -> WindowResult | None:
    """The window over which a rising VOI table rises; None for one that does not."""
    share = table.values.astype(np.float64) / (2**table.bits - 1)
    dark, bright = np.flatnonzero(share >= _TABLE_ENDS[0]), np.flatnonzero(share <= _TABLE_ENDS[1])
    if share[-1] <= share[0] or not dark.size or not bright.size or bright[-1] <= dark[0]:
        return None
    return _window(float(table.first + dark[0]), float(table.first + bright[-1]))


def _window(low: float, high: float) -> WindowResult:
    """Shown black at `low` and white at `high`."""
    return WindowResult(centre=(low + high) / 2 + 0.5, width=max(_WIDTH_MINIMUM, high - low + 1.0))
