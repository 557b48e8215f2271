"""A four-view synthetic mammography study from a seed: the same seed and options give the same bytes.

For demonstrations, tests and load; never for training a model that is to be believed. Not for writing files: a view hands
out bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from model_registry.phantom.anatomy import BreastShape, Density, ViewPosition, shape_draw, view_draw
from model_registry.phantom.dicom import view_to_dicom
from model_registry.phantom.encoding import TRANSFER_SYNTAXES
from model_registry.phantom.lesions import LESION_KINDS, Lesion, LesionKind, LesionPlan, lesion_draw, lesion_plan
from model_registry.phantom.view import BITS_STORED, VIEWS, DrawnView, Laterality, Photometric

DEFAULT_SIZE_HW = (2048, 1664)
_FIELD_HEIGHT_MM = 286.7  # of a detector of 24 x 29 cm
_DRAWING_SIDE = 1024
_SMALLEST_SIDE, _LARGEST_SIDE = 128, 8192


@dataclass(frozen=True, slots=True, eq=False)
class PhantomView(DrawnView):
    """A drawn view that can become a file."""

    def to_dicom_bytes(self) -> bytes:
        """A complete Digital Mammography X-Ray Image – For Presentation, as a file."""
        return view_to_dicom(view=self)


def phantom_study(
    *,
    seed: int,
    size_hw: tuple[int, int] = DEFAULT_SIZE_HW,
    transfer_syntax: str = "explicit-le",
    photometric_interpretation: Photometric = "MONOCHROME2",
    density: Density | None = None,
    lesion: LesionKind | None = None,
    lesion_laterality: Laterality | None = None,
) -> list[PhantomView]:
    """Make the four views R CC, L CC, R MLO, L MLO of one synthetic woman.

    `density` (A to D) is drawn from the seed if None; `lesion` None makes a study without findings, otherwise one finding is
    seen in both views of one breast, drawn from the seed unless `lesion_laterality` names it. `transfer_syntax` is a key of
    model_registry.phantom.encoding.TRANSFER_SYNTAXES. Raises ValueError on an option that is none of these.
    """
    if not all(_SMALLEST_SIDE <= side <= _LARGEST_SIDE for side in size_hw):
        raise ValueError(f"both sides must lie between {_SMALLEST_SIDE} and {_LARGEST_SIDE} pixels")
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise ValueError(f"transfer_syntax must be one of {', '.join(TRANSFER_SYNTAXES)}")
    if photometric_interpretation not in get_args(Photometric):
        raise ValueError("photometric_interpretation must be MONOCHROME1 or MONOCHROME2")
    if (lesion is not None and lesion not in LESION_KINDS) or (density is not None and density not in get_args(Density)):
        raise ValueError("unknown lesion or density")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn_density, drawn_side = str(rng.choice(("A", "B", "C", "D"), p=(0.1, 0.4, 0.4, 0.1))), str(rng.choice(("L", "R")))
    shape = shape_draw(rng=rng, density=density or drawn_density)  # type: ignore[arg-type]  # choice returns plain strings
    plan = None if lesion is None else lesion_plan(rng=rng, kind=lesion)
    side = lesion_laterality or drawn_side
    options = (seed, size_hw, transfer_syntax, photometric_interpretation, shape.density, lesion, side if lesion else None)
    study_key = hashlib.sha256(repr(options).encode()).hexdigest()
    views = []
    for number, (image_laterality, view_position) in enumerate(VIEWS):
        view_rng = np.random.default_rng(np.random.SeedSequence((seed, number)))
        planned = plan if side == image_laterality else None
        lesion_rng = np.random.default_rng(np.random.SeedSequence((seed, number, 1)))
        pixels, lesions, spacing = _view_pixels(view_rng, lesion_rng, shape, image_laterality, view_position, size_hw, planned)
        views.append(
            PhantomView(
                image_laterality=image_laterality,
                view_position=view_position,
                pixels=pixels,
                lesions=lesions,
                pixel_spacing_mm=spacing,
                density=shape.density,
                seed=seed,
                study_key=study_key,
                transfer_syntax=transfer_syntax,
                photometric_interpretation=photometric_interpretation,
            )
        )
    return views


def _view_pixels(
    rng: np.random.Generator,
    lesion_rng: np.random.Generator,
    shape: BreastShape,
    image_laterality: Laterality,
    view_position: ViewPosition,
    size_hw: tuple[int, int],
    plan: LesionPlan | None,
) -> tuple[np.ndarray, tuple[Lesion, ...], float]:
    """Stored values, findings and pixel spacing. Tissue is drawn coarsely and enlarged; findings and grain at full size.

    Findings have their own generator, so that a view with one differs from the view without it in that place alone.
    """
    spacing = _FIELD_HEIGHT_MM / size_hw[0]
    coarse = min(1.0, _DRAWING_SIDE / max(size_hw))
    drawing_hw = (round(size_hw[0] * coarse), round(size_hw[1] * coarse))
    ratio = size_hw[0] / drawing_hw[0]
    drawn = view_draw(rng=rng, shape=shape, view_position=view_position, hw=drawing_hw, spacing_mm=spacing * ratio)
    values = drawn.values
    if drawing_hw != size_hw:
        values = np.clip(cv2.resize(values, size_hw[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
    lesions: tuple[Lesion, ...] = ()
    if plan is not None:
        row, column = _lesion_place(plan, shape, drawn.nipple, drawn.distance_mm)
        centre, radius = ((column + 0.5) * ratio - 0.5, (row + 0.5) * ratio - 0.5), plan.radius_mm / spacing
        lesion_draw(values=values, rng=lesion_rng, kind=plan.kind, centre=centre, radius=radius, pixel_mm=spacing)
        if image_laterality == "R":
            centre = (size_hw[1] - 1 - centre[0], centre[1])
        lesions = (Lesion(kind=plan.kind, centre=centre, radius=radius),)
    # quantum noise: its deviation grows with the square root of the signal
    grain = rng.standard_normal(size_hw, dtype=np.float32)
    grain *= np.sqrt(values) * np.float32(0.012)
    values += grain
    stored = np.clip(values * np.float32(3350) + np.float32(210), 0, 2**BITS_STORED - 1).astype(np.uint16)
    if image_laterality == "R":
        stored = np.ascontiguousarray(stored[:, ::-1])
    _marker_draw(stored, f"{image_laterality} {view_position}", at_left=image_laterality == "R")
    return stored, lesions, spacing


def _lesion_place(
    plan: LesionPlan, shape: BreastShape, nipple: tuple[float, float], distance_mm: np.ndarray
) -> tuple[float, float]:
    """(row, column) on the drawing grid, moved towards the nipple's axis until it is well inside the breast."""
    across = plan.across
    column = nipple[1] * (1 - plan.depth)
    for _ in range(8):
        row = nipple[0] + across * shape.span * distance_mm.shape[0]
        if 0 <= row < distance_mm.shape[0] and distance_mm[int(row), int(column)] > plan.radius_mm + 6:
            return row, column
        across *= 0.7
    return nipple[0], column


def _marker_draw(stored: np.ndarray, text: str, *, at_left: bool) -> None:
    """The side marker that lies on every real image, in the upper corner away from the chest wall."""
    scale = stored.shape[0] / 1100
    thickness = max(1, round(scale * 2))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    margin = round(stored.shape[0] * 0.02)
    left = margin if at_left else stored.shape[1] - width - margin
    # OpenCV writes text on 8-bit pictures only
    plate = np.zeros((height + 2 * margin, width + 2 * margin), dtype=np.uint8)
    cv2.putText(plate, text, (margin, margin + height), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    place = stored[: plate.shape[0], left - margin : left - margin + plate.shape[1]]
    np.maximum(place, plate[: place.shape[0], : place.shape[1]].astype(np.uint16) * 14, out=place)
