"""What decoding yields: stored values plus everything needed to show them. Plain data, no behaviour.

Not for patient or study attributes: none of them is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
Acquisition = Literal["film", "digital"]
SpacingPlane = Literal["patient", "detector", "unstated"]


@dataclass(frozen=True, slots=True)
class Window:
    """Window centre and width in modality values. Source: DICOM PS3.3 C.11.2.1.2."""

    centre: float
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A modality or VOI LUT: `first` is the input value of `values[0]`; outputs span 0 … 2^`bits` − 1.

    Inputs below `first` take the first entry, inputs past the end the last. Source: DICOM PS3.3 C.11.1 and C.11.2.
    """

    first: int
    values: np.ndarray
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """One decoded view.

    `stored` is (rows, columns), uint8, uint16 or int16, in native byte order, possibly read-only. `stored_range` is the
    smallest and largest value that `bits_stored` can hold. `padding` is the inclusive range of stored values that mean
    "no image here", or None. `pixel_spacing_mm` is (row, column) spacing and `spacing_plane` where it was
    measured: calibrated in the patient, or at the detector, where everything looks magnified; "unstated" where the file leaves it
    open, None without a spacing. `acquisition` is None where the file does not say.
    `manufacturer` is the equipment's maker as the file names it, in capitals. `patient_orientation` are the directions in which
    rows and columns run (PS3.3 C.7.6.1.1.1): letters of A, P, L, R, H, F.
    `ambiguous_depth`: the file does not say how many bits its values span and the number was taken from the values.
    """

    stored: np.ndarray
    bits_stored: int
    stored_range: tuple[int, int]
    photometric_interpretation: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    modality_lut: LookupTable | None = None
    windows: tuple[Window, ...] = ()
    voi_function: VoiFunction = "LINEAR"
    voi_luts: tuple[LookupTable, ...] = ()
    padding: tuple[int, int] | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_plane: SpacingPlane | None = None
    image_laterality: Literal["L", "R"] | None = None
    view_position: str | None = None
    modality: str | None = None
    acquisition: Acquisition | None = None
    manufacturer: str | None = None
    patient_orientation: tuple[str, str] | None = None
    media_type: str = "application/dicom"
    ambiguous_depth: bool = False

    @property
    def rows(self) -> int:
        return int(self.stored.shape[0])

    @property
    def columns(self) -> int:
        return int(self.stored.shape[1])
