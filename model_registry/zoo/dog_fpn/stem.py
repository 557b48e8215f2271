"""The fixed stem: local contrast and a Laplacian pyramid, computed inside the graph, without weights.

A network trained from scratch on a few hundred films does not find blob filters by itself; given them, it learns. Not for
training: nothing here has parameters.

While training the same numbers come from slices and reshaped means: TensorFlow runs convolutions and pools over one channel so
slowly that they would be most of a step. An exported graph has the convolutions, which serving engines run fast.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

LEVELS = 6
SIGMA = 1.2
VARIANCE_FLOOR = 4e-4
MASK_FLOOR = 1e-4
PIVOT = 0.4  # a usual intensity inside the breast
CHANNELS = 13


def gaussian_taps(sigma: float) -> np.ndarray:
    """A normalised one-dimensional Gaussian, cut at three sigma."""
    radius = int(np.ceil(3 * sigma))
    positions = np.arange(-radius, radius + 1, dtype=np.float64)
    taps = np.exp(-0.5 * (positions / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


class Pooled:
    """Blurring and reducing one channel (N, rows, columns, 1) by convolutions and pools."""

    def blur(self, image: Any, taps: np.ndarray) -> Any:
        image = ops.conv(image, taps.reshape(-1, 1, 1, 1), padding="same")
        return ops.conv(image, taps.reshape(1, -1, 1, 1), padding="same")

    def average(self, image: Any, factor: int) -> Any:
        return ops.average_pool(image, factor, strides=factor)

    def maximum(self, image: Any, factor: int) -> Any:
        return ops.max_pool(image, factor, strides=factor)


class Sliced:
    """The same numbers up to rounding, without convolutions and pools; rows and columns must divide by the factors."""

    def blur(self, image: Any, taps: np.ndarray) -> Any:
        radius = len(taps) // 2
        for axis in (1, 2):
            padded = ops.pad(image, [[radius, radius] if index == axis else [0, 0] for index in range(4)])
            size = image.shape[axis]
            image = sum(float(tap) * self._slice(padded, axis, start, size) for start, tap in enumerate(taps))
        return image

    def average(self, image: Any, factor: int) -> Any:
        return ops.mean(self._blocks(image, factor), axis=(2, 4))[..., None]

    def maximum(self, image: Any, factor: int) -> Any:
        return ops.max(self._blocks(image, factor), axis=(2, 4))[..., None]

    @staticmethod
    def _slice(image: Any, axis: int, start: int, size: int) -> Any:
        return image[:, start : start + size] if axis == 1 else image[:, :, start : start + size]

    @staticmethod
    def _blocks(image: Any, factor: int) -> Any:
        rows, columns = image.shape[1:3]
        return ops.reshape(image, (-1, rows // factor, factor, columns // factor, factor))


def _box(image: Any) -> Any:
    """Two passes of a 7x7 mean: close to a Gaussian, at the cost of two pools."""
    for _ in range(2):
        image = ops.average_pool(image, 7, strides=1, padding="same")
    return image


def _resize(image: Any, size_hw: tuple[int, int]) -> Any:
    return ops.image.resize(image, size_hw, interpolation="bilinear")


@keras.saving.register_keras_serializable(package="mammoserve")
class DogStem(keras.layers.Layer):
    """(N, rows, columns, 2: intensity v and breast mask m) → (N, rows/4, columns/4, 13). Rows and columns divide by 32."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        by: Pooled | Sliced = Sliced() if training else Pooled()
        rows, columns = inputs.shape[1:3]
        full, grid = (rows, columns), (rows // 4, columns // 4)
        v, m = inputs[..., 0:1], inputs[..., 1:2]
        weight = _box(by.average(m, 8)) + MASK_FLOOR
        share = 1.0 - MASK_FLOOR / weight
        offset = (v - PIVOT) * m
        centred8 = _box(by.average(offset, 8)) / weight
        mean8 = centred8 + PIVOT * share
        square8 = _box(by.average(offset * (v - PIVOT), 8)) / weight
        # E[v²] − E[v]² written around a pivot: the same number without the cancellation that float32 does not forgive.
        spread8 = square8 - centred8 * centred8 + PIVOT * (MASK_FLOOR / weight) * (2.0 * centred8 + PIVOT * share)
        deviation8 = ops.sqrt(ops.maximum(spread8, 0.0) + VARIANCE_FLOOR)
        mean = _resize(mean8, full)
        n = (v - mean) * m / _resize(deviation8, full)
        taps = gaussian_taps(SIGMA)
        bands = []
        level = n
        for index in range(LEVELS):
            smooth = by.blur(level, taps)
            bands.append(level - smooth)
            if index < LEVELS - 1:
                level = by.average(smooth, 2)
        return ops.concatenate(
            [
                by.maximum(bands[0], 4) * 4.0,
                by.average(ops.abs(bands[0]), 4) * 8.0,
                by.maximum(bands[1], 2) * 4.0,
                by.average(ops.abs(bands[1]), 2) * 6.0,
                by.average(bands[1], 2) * 4.0,
                bands[2] * 3.0,
                *(_resize(band, grid) * 3.0 for band in bands[3:]),
                by.average(n, 4),
                by.average(v - 0.5 * m, 4),
                by.average(mean * m, 4) - 0.5,
                by.average(m, 4),
            ],
            axis=-1,
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, rows, columns, _ = input_shape
        return (batch, (rows or 0) // 4, (columns or 0) // 4, CHANNELS)
