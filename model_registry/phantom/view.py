"""One drawn view as pixels, and the detector that would have delivered them. Draws nothing and knows no file but PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from model_registry.phantom.anatomy import Density, ViewPosition
from model_registry.phantom.lesions import Lesion

Laterality = Literal["L", "R"]
Photometric = Literal["MONOCHROME1", "MONOCHROME2"]

VIEWS: tuple[tuple[Laterality, ViewPosition], ...] = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
BITS_STORED = 12
WINDOW_CENTRE, WINDOW_WIDTH = 1900, 3400


@dataclass(frozen=True, slots=True, eq=False)
class DrawnView:
    """One view. `pixels` uint16 (rows, columns), 12 bits, bright = dense: what MONOCHROME2 stores. `study_key` names seed and
    options and is what every UID derives from."""

    image_laterality: Laterality
    view_position: ViewPosition
    pixels: np.ndarray
    lesions: tuple[Lesion, ...]
    pixel_spacing_mm: float
    density: Density
    seed: int
    study_key: str
    transfer_syntax: str
    photometric_interpretation: Photometric

    @property
    def name(self) -> str:
        return f"{self.image_laterality}-{self.view_position}"

    def to_png_bytes(self, *, bits: Literal[8, 16] = 8) -> bytes:
        """8 bit: through the view's own window, as a viewer would save it. 16 bit: the stored values, scaled to 16 bits."""
        if bits == 16:
            picture = (self.pixels.astype(np.uint32) * 65535 // (2**BITS_STORED - 1)).astype(np.uint16)
        else:
            ramp = (self.pixels.astype(np.float32) - (WINDOW_CENTRE - 0.5)) / (WINDOW_WIDTH - 1) + 0.5
            picture = np.rint(np.clip(ramp, 0, 1) * 255).astype(np.uint8)
        return cv2.imencode(".png", picture)[1].tobytes()
