"""Resize with a named kernel of a named library, and say exactly where every pixel went.

The same word means different pixels in different libraries, so a profile names both. Where the picture still holds whole
8-bit levels, OpenCV and Pillow work on those (their fixed-point arithmetic rounds to levels), as the systems whose recipes
are reproduced did; otherwise on float32. "tf.bilinear" is TensorFlow's `image.resize(..., "bilinear")` without antialiasing:
half-pixel centres, two taps a side, float32 — the same arithmetic as OpenCV's linear kernel on float32. With antialias=True
it is "tf.bilinear_antialias": a triangle as wide as the reduction, which is Pillow's bilinear kernel on float32.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from model_registry.packaging.profile import Resize
from model_registry.preprocessing import affine

_CV2_KERNELS = {
    "cv2.area": cv2.INTER_AREA,
    "cv2.linear": cv2.INTER_LINEAR,
    "cv2.cubic": cv2.INTER_CUBIC,
    "tf.bilinear": cv2.INTER_LINEAR,
}
_PIL_KERNELS = {
    "pil.bilinear": Image.Resampling.BILINEAR,
    "pil.bicubic": Image.Resampling.BICUBIC,
    "pil.lanczos": Image.Resampling.LANCZOS,
    "pil.nearest": Image.Resampling.NEAREST,
    "tf.bilinear_antialias": Image.Resampling.BILINEAR,
}


def kernel_apply(*, values: np.ndarray, hw: tuple[int, int], kernel: str) -> np.ndarray:
    """Resample (rows, columns) uint8 or float32 to `hw`, same dtype."""
    if kernel in _CV2_KERNELS:
        return cv2.resize(values, hw[::-1], interpolation=_CV2_KERNELS[kernel])
    picture = Image.fromarray(np.ascontiguousarray(values))  # "L" for uint8, "F" for float32
    return np.asarray(picture.resize(hw[::-1], _PIL_KERNELS[kernel])).copy()


def placement(*, hw: tuple[int, int], step: Resize) -> tuple[tuple[int, int], tuple[int, int]]:
    """Content size and its top left corner on the canvas, both (rows, columns), for a picture of size `hw`."""
    rows, columns = step.size_hw
    if step.mode == "stretch":
        return (rows, columns), (0, 0)
    factor = min((rows - 2 * step.margin_rows) / hw[0], (columns - 2 * step.margin_columns) / hw[1])
    content = (max(1, min(rows, round(hw[0] * factor))), max(1, min(columns, round(hw[1] * factor))))
    left = step.margin_left if step.align == "left" else (columns - content[1]) // 2
    return content, ((rows - content[0]) // 2, min(left, columns - content[1]))


def picture_resize(*, values: np.ndarray, step: Resize) -> tuple[np.ndarray, np.ndarray]:
    """Resize float32 or uint8 (rows, columns) as the step says. Returns the canvas and the (2, 3) affine into it."""
    hw = (values.shape[0], values.shape[1])
    content_hw, (top, left) = placement(hw=hw, step=step)
    content = kernel_apply(values=values, hw=content_hw, kernel=step.kernel)
    placed = affine.compose(after=affine.shift(columns=left, rows=top), before=affine.scale(from_hw=hw, to_hw=content_hw))
    if content_hw == tuple(step.size_hw):
        return content, placed
    canvas = np.zeros(step.size_hw, dtype=values.dtype)
    canvas[top : top + content_hw[0], left : left + content_hw[1]] = content
    return canvas, placed
