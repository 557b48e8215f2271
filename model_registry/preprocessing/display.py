"""Stored values → display values in [0, 1], bright = dense: modality LUT, VOI, polarity, padding.

The whole chain depends on one stored value at a time, so it is computed once per possible value and looked up, exactly,
whatever the chain holds. Not for choosing a good window: it applies the one the object or the profile states.
Source: DICOM PS3.3 C.11.1 (modality), C.11.2 (VOI), C.7.6.3.1.2 (photometric interpretation), C.7.5.1.1.2 (padding).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from model_registry.packaging.profile import Display
from model_registry.preprocessing.image import DecodedImage, LookupTable, VoiFunction, Window


@dataclass(frozen=True, slots=True, eq=False)
class DisplayResult:
    """`values` float32 in [0, 1], same shape as what was given. `window_assumed`: the object states no usable window."""

    values: np.ndarray
    window_assumed: bool


@dataclass(frozen=True, slots=True, eq=False)
class DisplayTable:
    """What every stored value is shown as: `shown` float32 in [0, 1], its first entry for the stored value `first`."""

    shown: np.ndarray
    first: int
    window_assumed: bool


def display_values(*, image: DecodedImage, stored: np.ndarray, step: Display) -> DisplayResult:
    """Bring stored values of `image` (all of them, or an area average in the same dtype) to display values.

    Takes (rows, columns) integers. Padding becomes 0. Never raises on what a header may hold: an unusable window or table
    counts as absent.
    """
    table = display_table(image=image, stored=stored, step=step)
    return DisplayResult(
        values=table_take(table=table.shown, stored=stored, first=table.first), window_assumed=table.window_assumed
    )


def table_take(*, table: np.ndarray, stored: np.ndarray, first: int) -> np.ndarray:
    """Look every stored value up. `table[0]` is for the stored value `first`; returns the table's dtype, stored's shape."""
    if stored.dtype in (np.uint8, np.uint16):
        # OpenCV wants a table of every value of the type, and is then four times as quick as indexing
        whole = np.zeros(np.iinfo(stored.dtype).max + 1, table.dtype)
        whole[first : first + len(table)] = table
        return np.asarray(cv2.LUT(stored, whole))
    return np.asarray(table.take(stored.astype(np.int32) - first))


def display_table(*, image: DecodedImage, stored: np.ndarray, step: Display) -> DisplayTable:
    """The table behind `display_values`, over the range of values that occur in `stored`."""
    low, high = int(stored.min()), int(stored.max())
    domain = np.arange(low, high + 1)
    modality = modality_values(image=image, stored=domain)
    window_assumed = False
    if step.voi == "percentile":
        shown = _percentile_window(image, stored, modality, low, step.percentiles)
    elif step.voi == "header" and (image.voi_luts or image.windows):
        chosen: LookupTable | Window
        alternatives: tuple[LookupTable | Window, ...] = image.voi_luts or image.windows
        window_assumed = step.voi_index >= len(alternatives)
        chosen = alternatives[0 if window_assumed else step.voi_index]
        if isinstance(chosen, LookupTable):
            shown = table_apply(table=chosen, values=modality) / (2**chosen.bits - 1)
        else:
            shown = window_apply(values=modality, window=chosen, function=image.voi_function)
    else:
        shown = _full_range(image, modality)
        window_assumed = step.voi == "header" and (image.media_type == "application/dicom" or image.ambiguous_depth)
    if image.photometric_interpretation == "MONOCHROME1":
        # inverted after windowing, because the window is defined on values before inversion
        shown = 1.0 - shown
    if step.bits is not None:
        levels = 2**step.bits - 1
        shown = np.rint(shown * levels) / levels
    if image.padding is not None:
        shown[(domain >= image.padding[0]) & (domain <= image.padding[1])] = 0.0
    return DisplayTable(shown=shown.astype(np.float32), first=low, window_assumed=window_assumed)


def modality_values(*, image: DecodedImage, stored: np.ndarray) -> np.ndarray:
    """Rescale slope and intercept, or the modality LUT. Returns float64."""
    if image.modality_lut is not None:
        return table_apply(table=image.modality_lut, values=stored)
    return stored.astype(np.float64) * image.rescale_slope + image.rescale_intercept


def window_apply(*, values: np.ndarray, window: Window, function: VoiFunction) -> np.ndarray:
    """Map modality values to [0, 1], float64. Source: DICOM PS3.3 C.11.2.1.2.1 to C.11.2.1.3.2."""
    if function == "SIGMOID":
        exponent = np.clip(-4.0 * (values - window.centre) / window.width, -700.0, 700.0)
        return 1.0 / (1.0 + np.exp(exponent))
    if function == "LINEAR_EXACT":
        return np.clip((values - window.centre) / window.width + 0.5, 0.0, 1.0)
    if window.width == 1.0:  # LINEAR with a width of 1 is a step: the ramp's divisor is width − 1
        return (values > window.centre - 0.5).astype(np.float64)
    return np.clip((values - (window.centre - 0.5)) / (window.width - 1.0) + 0.5, 0.0, 1.0)


def table_apply(*, table: LookupTable, values: np.ndarray) -> np.ndarray:
    """Look values up; a fractional input (after a fractional rescale) takes the nearest entry. Returns float64."""
    index = np.clip(np.rint(values) - table.first, 0, len(table.values) - 1).astype(np.int64)
    return table.values[index].astype(np.float64)


def _full_range(image: DecodedImage, modality: np.ndarray) -> np.ndarray:
    if image.modality_lut is not None:
        return np.clip(modality / (2**image.modality_lut.bits - 1), 0.0, 1.0)
    ends = modality_values(image=image, stored=np.array(image.stored_range))
    low, high = float(ends.min()), float(ends.max())
    return np.clip((modality - low) / (high - low), 0.0, 1.0)


def _percentile_window(
    image: DecodedImage, stored: np.ndarray, modality: np.ndarray, offset: int, percentiles: tuple[float, float]
) -> np.ndarray:
    # the modality value is taken per pixel, because a descending table would swap the percentiles of stored values
    kept = stored if image.padding is None else stored[(stored < image.padding[0]) | (stored > image.padding[1])]
    if kept.size == 0:
        return np.zeros_like(modality)
    low, high = np.percentile(modality[kept.astype(np.int64) - offset], percentiles)
    if high <= low:
        return np.zeros_like(modality)
    return np.clip((modality - low) / (high - low), 0.0, 1.0)
