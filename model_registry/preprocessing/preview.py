"""A small 8-bit picture of the view for people: windowed, bright = dense, neither cropped nor flipped.

Not the model's input, and never used to make it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from model_registry.packaging.profile import Display
from model_registry.preprocessing import affine
from model_registry.preprocessing.display import display_table, table_take
from model_registry.preprocessing.image import DecodedImage
from model_registry.preprocessing.reduce import reduce_factor, stored_reduce


@dataclass(frozen=True, slots=True, eq=False)
class PreviewImage:
    """`pixels` uint8 (rows, columns); `preview_from_source` (2, 3) takes (column, row) pixel centres of the decoded image."""

    pixels: np.ndarray
    preview_from_source: np.ndarray


def image_preview(*, image: DecodedImage, longer_side: int) -> PreviewImage:
    """Show the view with its longer side at most `longer_side`; a smaller view keeps its size.

    Without a stated window, deep images are shown between their 0.5th and 99.9th percentile, because the full range of the stored
    bits would be nearly black for most of them.
    """
    factor = reduce_factor(hw=(image.rows, image.columns), longer_side=longer_side)
    stored, placed = stored_reduce(stored=image.stored, factor=factor, padding=image.padding)
    stated = bool(image.windows or image.voi_luts) or image.bits_stored <= 8
    step = Display(voi="header") if stated else Display(voi="percentile", percentiles=(0.5, 99.9))
    table = display_table(image=image, stored=stored, step=step)
    # 256 levels are all that is shown, so they are made in the table and not for every pixel
    levels = np.rint(table.shown * 255).astype(np.uint8)
    pixels = table_take(table=levels, stored=stored, first=table.first)
    hw = (pixels.shape[0], pixels.shape[1])
    if max(hw) > longer_side:
        ratio = longer_side / max(hw)
        target = (max(1, round(hw[0] * ratio)), max(1, round(hw[1] * ratio)))
        pixels = cv2.resize(pixels, target[::-1], interpolation=cv2.INTER_AREA)
        placed = affine.compose(after=affine.scale(from_hw=hw, to_hw=target), before=placed)
    return PreviewImage(pixels=np.asarray(pixels, np.uint8), preview_from_source=placed)
