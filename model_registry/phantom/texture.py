"""Random textures with the statistics of breast tissue: a power spectrum that falls as 1/f^β with β near 3.

Source of the exponent: Burgess, Jacobson and Judy, Medical Physics 28 (2001) 419. Not for anatomy: it knows no breast.
"""

from __future__ import annotations

import cv2
import numpy as np


def power_law_field(*, rng: np.random.Generator, hw: tuple[int, int], beta: float = 3.0, low_cut: float = 2.0) -> np.ndarray:
    """A periodic field of zero mean and unit deviation, float32 (rows, columns).

    `low_cut` is in cycles per longer side: below it the spectrum is flat, so that no single blob fills the picture.
    """
    rows, columns = cv2.getOptimalDFTSize(hw[0]), cv2.getOptimalDFTSize(hw[1])
    longer = max(rows, columns)
    vertical = np.fft.fftfreq(rows)[:, None] * longer
    horizontal = np.fft.rfftfreq(columns)[None, :] * longer
    frequency = np.maximum(np.sqrt(vertical**2 + horizontal**2), low_cut).astype(np.float32)
    amplitude = frequency ** np.float32(-beta / 2)
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32)).astype(np.complex64) * amplitude
    field = np.fft.irfft2(spectrum, s=(rows, columns))[: hw[0], : hw[1]].astype(np.float32)
    return (field - field.mean()) / field.std()


def strands(
    *, rng: np.random.Generator, hw: tuple[int, int], focus: tuple[float, float], scale: float, width: float
) -> np.ndarray:
    """Thin curved strands that run towards `focus` (row, column), as ducts and ligaments do; float32 in [0, 1].

    A power-law field is read in polar coordinates about the focus, stretched along the radius; its zero lines are the
    strands. `scale` is the typical spacing in pixels, `width` the share of the field's deviation a strand takes up.
    """
    rows, columns = np.meshgrid(np.arange(hw[0], dtype=np.float32), np.arange(hw[1], dtype=np.float32), indexing="ij")
    across, along = rows - np.float32(focus[0]), columns - np.float32(focus[1])
    radius, angle = cv2.cartToPolar(along, across)
    side = 512
    source = power_law_field(rng=rng, hw=(side, side), beta=2.6, low_cut=6.0)
    bend = cv2.resize(power_law_field(rng=rng, hw=(64, 64), beta=4.0, low_cut=1.5), hw[::-1], interpolation=cv2.INTER_CUBIC)
    # an angle of one turn reads the whole (periodic) field once, so no seam shows
    turn = angle * np.float32(side / (2 * np.pi)) + bend * np.float32(9.0)
    reach = radius * np.float32(1.6 / scale) + bend * np.float32(4.0)
    read = cv2.remap(source, np.mod(turn, side), np.mod(reach, side), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.exp(-np.square(read / np.float32(width)))
