"""Golden drawings: the same bytes every time, and a breast that preprocessing finds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_registry.building.golden import DICOM_DRAWING, DRAWINGS, drawing_dicom, drawing_png, golden_prepare, media_type_of
from model_registry.packaging.named_profiles import profile_named
from model_registry.packaging.profile import Channels, Display, IsolateBreast, PreprocessingProfile
from model_registry.preprocessing import image_decode, image_prepare


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_is_reproducible_and_assessable(drawing: tuple[int, bool, float]) -> None:
    seed, chest_wall_right, lesion_radius = drawing
    data, again = (drawing_png(seed=seed, chest_wall_right=chest_wall_right, lesion_radius=lesion_radius) for _ in range(2))
    assert data == again
    assert len(data) < 100_000
    prepared = image_prepare(image=image_decode(data=data, media_type="image/png"), profile=profile_named("film-384x256"))
    assert prepared.assessable
    assert prepared.tensor.shape == (384, 256, 2)
    assert prepared.tensor[..., 1][:, :4].max() > 0.9, "the chest wall is brought to the left"


def smoothed(*, lesion_radius: float) -> np.ndarray:
    data = drawing_png(seed=2, chest_wall_right=False, lesion_radius=lesion_radius)
    pixels = image_decode(data=data, media_type="image/png").stored.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 12))


def test_the_lesion_is_the_brightest_place() -> None:
    assert smoothed(lesion_radius=30.0).max() > smoothed(lesion_radius=0.0).max() + 20


def dicom() -> bytes:
    seed, chest_wall_right, lesion_radius = DICOM_DRAWING
    return drawing_dicom(seed=seed, chest_wall_right=chest_wall_right, lesion_radius=lesion_radius)


def tensor_of(*steps: Display | IsolateBreast) -> np.ndarray:
    profile = PreprocessingProfile(name="golden", steps=(*steps, Channels(layout="grey")))
    return golden_prepare(name="drawing", data=dicom(), profile=profile).tensor[..., 0]


def test_the_dicom_drawing_has_inverted_grey_a_window_that_cuts_and_its_side() -> None:
    assert media_type_of(dicom()) == "application/dicom"
    assert dicom() == dicom()
    image = image_decode(data=dicom(), media_type="application/dicom")
    assert image.photometric_interpretation == "MONOCHROME1"
    windowed, full = tensor_of(Display()), tensor_of(Display(voi="full_range"))
    assert windowed[:20, :20].max() == 0, "the background lies below the window"
    assert full[:20, :20].max() > 0
    assert windowed[:, -40:].mean() > 0.3 > windowed[:, :40].mean(), "bright is dense, and the chest wall is on the right"


def test_the_side_marker_is_there_and_isolation_takes_it_away() -> None:
    marker = tensor_of(Display())[40:90, 30:80]
    assert marker.max() > 0.8
    isolated = tensor_of(Display(), IsolateBreast(crop=False))
    assert isolated[40:90, :].max() == 0 or isolated[:, -100:].max() == 0, "turned, and the far side is empty"
