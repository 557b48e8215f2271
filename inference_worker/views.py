"""One view on its way to the model: decoded, preprocessed as the package declares, previewed, and its cautions gathered.

Runs no model and writes nothing. Every failure names the image by its id, never by what is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference_worker.artifacts import picture_encode
from inference_worker.batching import Array
from inference_worker.contract.failures import CATALOGUE, CodedError
from inference_worker.contract.orders import ImageReference
from inference_worker.contract.results import Caution
from inference_worker.heatmaps import Affine
from inference_worker.viewer_pixels import PackedPixels, pixels_pack
from model_registry.packaging import Manifest
from model_registry.preprocessing import DecodedImage, PreprocessingError, image_decode, image_prepare, image_preview
from model_registry.preprocessing.image import SpacingPlane

_VIEW_POSITION = re.compile(r"[A-Z0-9]{1,16}")


@dataclass(frozen=True, slots=True, eq=False)
class PreparedView:
    """A view ready for the model and for people. `tensor` is one image in the profile's layout; affines as in preprocessing.

    `image_laterality` is L, R or None; `view_position` a short code such as CC or MLO, or None. `source_hw` are the
    (rows, columns) of the original image, `pixel_spacing_mm` its (row, column) spacing and `spacing_plane` where it was measured.
    `patient_orientation` is what the header states of rows and columns; `pixels` the values for a viewer, None without.
    """

    image_id: str
    image_laterality: str | None
    view_position: str | None
    cautions: tuple[str, ...]
    assessable: bool
    tensor: Array
    model_from_source: Affine
    preview: npt.NDArray[np.uint8]
    preview_from_source: Affine
    preview_png: bytes
    source_hw: tuple[int, int]
    pixel_spacing_mm: tuple[float, float] | None
    spacing_plane: SpacingPlane | None
    patient_orientation: tuple[str, str] | None
    pixels: PackedPixels | None
    input_statistics: dict[str, float | int | str]


def view_prepare(
    *, reference: ImageReference, data: bytes, manifest: Manifest, preview_longer_side: int, viewer_pixels: str
) -> PreparedView:
    """Decode once, then make the tensor and the pictures from the same pixels. Raises CodedError with the decoder's code."""
    try:
        image = image_decode(data=data, media_type=reference.media_type)
        prepared = image_prepare(image=image, profile=manifest.preprocessing)
        preview = image_preview(image=image, longer_side=preview_longer_side)
    except PreprocessingError as error:
        code = error.code if error.code in CATALOGUE else "system:unexpected"
        raise CodedError(code, f"image {reference.image_id}: {error.detail}") from error
    # What the sender stated with the order was checked at intake and wins over the file's own header.
    image_laterality = _laterality(reference.image_laterality) or _laterality(image.image_laterality)
    view_position = _view_position(reference.view_position) or _view_position(image.view_position)
    cautions = view_cautions(image=image, image_laterality=image_laterality, view_position=view_position, manifest=manifest)
    return PreparedView(
        image_id=reference.image_id,
        image_laterality=image_laterality,
        view_position=view_position,
        cautions=tuple(dict.fromkeys((*prepared.cautions, *cautions))),
        assessable=prepared.assessable,
        tensor=prepared.tensor,
        model_from_source=prepared.model_from_source,
        preview=preview.pixels,
        preview_from_source=preview.preview_from_source,
        preview_png=picture_encode(preview.pixels),
        source_hw=(image.rows, image.columns),
        pixel_spacing_mm=image.pixel_spacing_mm,
        spacing_plane=image.spacing_plane,
        patient_orientation=image.patient_orientation,
        pixels=pixels_pack(image=image, kept=viewer_pixels),
        input_statistics=input_statistics(image=image, preview=preview.pixels),
    )


#: Display levels (of 255) from which a preview's pixel counts as exposed tissue rather than background.
_TISSUE_LEVEL = 10


def input_statistics(*, image: DecodedImage, preview: npt.NDArray[np.uint8]) -> dict[str, float | int | str]:
    """What a drift of the inputs shows in: size, maker, and brightness of the exposed part of the picture as people see it.

    `brightness_mean` and `brightness_deviation` are display values in [0, 1] over preview pixels above the background, and
    `tissue_share` the share of such pixels. From the preview, so that it costs next to nothing and needs no model's profile.
    """
    counts = np.bincount(preview.reshape(-1), minlength=256).astype(np.float64)
    tissue = counts[_TISSUE_LEVEL:]
    found: dict[str, float | int | str] = {"rows": image.rows, "columns": image.columns, "manufacturer": image.manufacturer or ""}
    total = tissue.sum()
    found["tissue_share"] = round(float(total / counts.sum()), 4)
    if total:
        levels = np.arange(_TISSUE_LEVEL, 256) / 255
        mean = float((tissue * levels).sum() / total)
        found["brightness_mean"] = round(mean, 4)
        found["brightness_deviation"] = round(float(np.sqrt((tissue * (levels - mean) ** 2).sum() / total)), 4)
    return found


def view_cautions(
    *, image: DecodedImage, image_laterality: str | None, view_position: str | None, manifest: Manifest
) -> tuple[Caution, ...]:
    """Why to trust this view's result less: what is unknown about it, and what the model was not made for."""
    intended = manifest.intended_use
    found: list[Caution] = []
    if image_laterality is None:
        found.append(Caution.LATERALITY_UNKNOWN)
    if view_position is None:
        found.append(Caution.VIEW_UNKNOWN)
    elif intended.views and view_position not in intended.views:
        found.append(Caution.VIEW_OUTSIDE_INTENDED_USE)
    if image.acquisition is not None and intended.acquisitions and image.acquisition not in intended.acquisitions:
        found.append(Caution.MODALITY_OUTSIDE_INTENDED_USE)
    return tuple(found)


def _laterality(value: str | None) -> str | None:
    return value if value in ("L", "R") else None


def _view_position(value: str | None) -> str | None:
    return value if value is not None and _VIEW_POSITION.fullmatch(value) else None
