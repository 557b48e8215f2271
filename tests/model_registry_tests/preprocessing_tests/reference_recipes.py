"""The reference systems' preprocessing written down a second time, with the libraries they used and none of the room's code.

DICOM objects with what real headers hold, the 8-bit picture each must be shown as (pydicom's own VOI functions), and for every
named profile the tensor that its system's library calls make of that picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from model_registry.phantom import phantom_study
from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes, lut


@dataclass(frozen=True)
class Variant:
    """A DICOM object: stored values and header."""

    pixels: np.ndarray
    header: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        bits = self.header.get("BitsStored", self.pixels.dtype.itemsize * 8)
        return dicom_bytes(self.pixels, HighBit=bits - 1, **self.header)


def _twelve_bits() -> np.ndarray:
    """Odd sides, 12 bits, values over most of the range."""
    pixels = phantom_study(seed=5, size_hw=(431, 357))[0].pixels.astype(np.float64)
    return np.rint((pixels - pixels.min()) / (pixels.max() - pixels.min()) * 4000 + 47).astype(np.uint16)


@cache
def variants() -> dict[str, Variant]:
    """Both polarities, 8 to 16 bits, signed, rescaled; windows of every kind, tables, padding."""
    twelve = _twelve_bits()
    window = {"BitsStored": 12, "WindowCenter": 1801, "WindowWidth": 2750}
    gamma = np.rint((np.arange(4096) / 4095) ** 0.6 * 65535).astype(int).tolist()
    padded = twelve.copy()
    padded[:, :40] = 4095  # beside the skin line, where detectors leave it
    dark = (4095 - twelve).astype(np.uint16)
    return {
        "mono2, 12 bits, one window": Variant(twelve, window),
        "mono1, 12 bits, one window": Variant(dark, window | {"WindowCenter": 2290, "PhotometricInterpretation": "MONOCHROME1"}),
        "14 bits, two windows": Variant(
            twelve * 4,
            {"BitsStored": 14, "WindowCenter": [7203, 2001], "WindowWidth": [11002, 500], "ImageLaterality": "R"},
        ),
        "16 bits, no window": Variant(twelve * 16, {"BitsStored": 16}),
        "exact window": Variant(twelve, window | {"VOILUTFunction": "LINEAR_EXACT"}),
        "sigmoid": Variant(twelve, window | {"VOILUTFunction": "SIGMOID", "ImageLaterality": "L"}),
        "mono1, sigmoid": Variant(
            dark, window | {"VOILUTFunction": "SIGMOID", "WindowCenter": 2290, "PhotometricInterpretation": "MONOCHROME1"}
        ),
        "signed, rescaled": Variant(
            (twelve.astype(np.int32) - 2048).astype(np.int16),
            {"BitsStored": 12, "RescaleSlope": 1.5, "RescaleIntercept": -100, "WindowCenter": -310, "WindowWidth": 4008},
        ),
        "VOI table of 16 bits": Variant(twelve, {"BitsStored": 12, "VOILUTSequence": [lut(0, gamma, 16)]}),
        "mono1, VOI table before window": Variant(
            dark, window | {"VOILUTSequence": [lut(0, gamma, 16)], "PhotometricInterpretation": "MONOCHROME1"}
        ),
        "padding of the highest value": Variant(padded, window | {"PixelPaddingValue": 4095}),
        "film of 8 bits": Variant((twelve // 16).astype(np.uint8), {"BitsStored": 8, "Modality": "RG"}),
    }


def dicom_levels(data: bytes) -> np.ndarray:
    """(rows, columns) uint8, bright = dense: modality and VOI by pydicom, then polarity, 256 levels, padding black."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    stored = dataset.pixel_array
    voi = apply_voi_lut(apply_modality_lut(stored, dataset), dataset, index=0).astype(np.float64)
    if "VOILUTSequence" in dataset:
        low, high = 0.0, 2.0 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        first = -(2 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation == 1 else 0
        ends = np.array([first, first + 2**dataset.BitsStored - 1])
        low, high = (ends * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))).tolist()
    shown = (voi - low) / (high - low)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    levels = np.rint(shown * 255).astype(np.uint8)
    if "PixelPaddingValue" in dataset:
        levels[stored == dataset.PixelPaddingValue] = 0
    return levels


def _tensorflow(levels: np.ndarray, size: int, *, antialias: bool) -> np.ndarray:
    import tensorflow as tf

    colour = np.repeat(levels[..., np.newaxis], 3, axis=-1).astype(np.float32)
    return np.asarray(tf.image.resize(colour, (size, size), antialias=antialias))


def _opencv(levels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return cv2.resize(levels, (columns, rows)).astype(np.float32) / 255


def s0_clahe(levels: np.ndarray) -> np.ndarray:
    equalised = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(cv2.resize(levels, (227, 227)))
    return equalised.astype(np.float32)[..., np.newaxis]


def s2_lanczos(levels: np.ndarray) -> np.ndarray:
    resized = Image.fromarray(levels).resize((244, 244), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(244, 244, 1).astype(np.float32) / 255


def s3_zero_mask(levels: np.ndarray) -> np.ndarray:
    grey = _opencv(levels, 224, 224)
    return np.stack([grey, grey, grey, np.zeros_like(grey)], axis=-1)


def s3_breast_mask(levels: np.ndarray) -> np.ndarray:
    """Everything but the breast black, and the breast itself as the fourth channel."""
    rows, columns = levels.shape
    ratio = 512 / max(rows, columns)
    working = (round(columns * ratio), round(rows * ratio))
    grey = cv2.resize(levels.astype(np.float32), working, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    breast = (cv2.resize(breast_mask(grey) * 255, (columns, rows)) > 127).astype(np.uint8)
    picture = _opencv(levels * breast, 224, 224)
    return np.stack([picture, picture, picture, cv2.resize(breast.astype(np.float32), (224, 224))], axis=-1)


def breast_mask(grey: np.ndarray) -> np.ndarray:
    """The breast in a picture of 0–255 whose longer side is 512, as uint8 0 or 1: the shipped model's recipe, written again."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 2)
    otsu, _ = cv2.threshold(np.rint(smooth).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    mask = (smooth > max(np.percentile(smooth, 5) + 8, min(0.35 * otsu, 40), 12)).astype(np.uint8)
    mask[:4], mask[-4:], mask[:, :4], mask[:, -4:] = 0, 0, 0, 0
    for diameter in (11, 25):
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)))
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask)
        mask = (labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(mask, contours, -1, 1, cv2.FILLED)
    return mask


def recipe_c(grey_levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shipped model's recipe, straight from its description: value and mask, for a picture whose longer side is 512."""
    mask = breast_mask(grey_levels)
    left, top, width, height = cv2.boundingRect(mask)
    mask, levels = mask[top : top + height, left : left + width], grey_levels[top : top + height, left : left + width]
    edge = round(0.12 * width)
    if mask[:, -edge:].sum() > mask[:, :edge].sum():
        mask, levels = mask[:, ::-1], levels[:, ::-1]
    low, high = np.percentile(levels[mask > 0].astype(np.float64), (1, 99.5))
    values = np.clip((levels - low) / (high - low), 0, 1.3) * mask
    scale = min(376 / height, 248 / width)
    size = (round(width * scale), round(height * scale))
    canvas = np.zeros((384, 256, 2), np.float32)
    start = (384 - size[1]) // 2
    for channel, plane in enumerate((values.astype(np.float32), mask.astype(np.float32))):
        resized = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
        canvas[start : start + size[1], 2 : 2 + size[0], channel] = resized
    return canvas[..., 0], canvas[..., 1]


def unet_fit(levels: np.ndarray) -> np.ndarray:
    rows, columns = levels.shape
    factor = 256 / max(rows, columns)
    size = (round(columns * factor), round(rows * factor))
    canvas = np.zeros((256, 256, 1), np.float32)
    top, left = (256 - size[1]) // 2, (256 - size[0]) // 2
    fitted = cv2.resize(levels, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    canvas[top : top + size[1], left : left + size[0], 0] = fitted
    return canvas


# profile → what its system does with an 8-bit grey picture
RECIPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clahe-227": s0_clahe,
    "rgb-224": lambda levels: _tensorflow(levels, 224, antialias=False) / 255,
    "rgb-227": lambda levels: _tensorflow(levels, 227, antialias=False) / 255,
    "grey-244": s2_lanczos,
    "grey-224": lambda levels: _opencv(levels, 224, 224)[..., np.newaxis],
    "grey-zero-mask-224": s3_zero_mask,
    "grey-mask-224": s3_breast_mask,
    "grey-2560x1440": lambda levels: _opencv(levels, 2560, 1440)[..., np.newaxis],
    "rgb255-224": lambda levels: _tensorflow(levels, 224, antialias=True),
    "rgb255-260": lambda levels: _tensorflow(levels, 260, antialias=True),
    "rgb255-300": lambda levels: _tensorflow(levels, 300, antialias=True),
    "grey-256": unet_fit,
}
