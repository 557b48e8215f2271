"""Area averages by whole factors, on stored values.

Not for the final size of the model's input: resize.py does that on display values, with a declared kernel.
"""

from __future__ import annotations

import cv2
import numpy as np

from model_registry.preprocessing import affine


def reduce_factor(*, hw: tuple[int, int], longer_side: int) -> int:
    """The largest whole factor that keeps the longer side at or above `longer_side`; at least 1."""
    return max(1, max(hw) // longer_side)


def stored_reduce(*, stored: np.ndarray, factor: int, padding: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of factor x factor stored values, rounded to whole values of the same dtype.

    Padding pixels take no part; a block is padding where at least half of it is. An incomplete block at the right or lower
    edge is left out. Returns the averages, (rows // factor, columns // factor), and the (2, 3) affine source → reduced.
    """
    if factor == 1:
        return stored, affine.identity()
    rows, columns = max(1, stored.shape[0] // factor), max(1, stored.shape[1] // factor)
    covered = stored[: rows * factor, : columns * factor]
    reduced = cv2.resize(covered, (columns, rows), interpolation=cv2.INTER_AREA)
    if padding is not None:
        reduced = _without_padding(covered, reduced, padding, factor)
    placed = affine.scale(from_hw=(covered.shape[0], covered.shape[1]), to_hw=(rows, columns))
    return reduced, placed


def _without_padding(covered: np.ndarray, reduced: np.ndarray, padding: tuple[int, int], factor: int) -> np.ndarray:
    is_padding = cv2.inRange(covered, np.array([padding[0]], np.float64), np.array([padding[1]], np.float64))
    if not is_padding.any():
        return reduced
    # 8-bit shares tell "none" from "one pixel" up to blocks of 15 x 15; beyond that they are averaged in float
    counted = is_padding if factor <= 15 else is_padding.astype(np.float32)
    share = cv2.resize(counted, (reduced.shape[1], reduced.shape[0]), interpolation=cv2.INTER_AREA)
    result = reduced.copy()
    rows, columns = np.nonzero((share > 0) & (share < 255))
    # splitting axes is a view, so only the mixed blocks are copied
    blocks = covered.reshape(reduced.shape[0], factor, reduced.shape[1], factor)[rows, :, columns, :]
    kept = (blocks < padding[0]) | (blocks > padding[1])
    count = kept.sum(axis=(1, 2))
    mean = np.where(kept, blocks, 0).sum(axis=(1, 2), dtype=np.float64) / np.maximum(count, 1)
    result[rows, columns] = np.where(count * 2 > factor * factor, np.rint(mean), padding[0]).astype(reduced.dtype)
    result[share >= 255] = padding[0]
    return result
