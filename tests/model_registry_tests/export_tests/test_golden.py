"""Golden drawings: the same bytes every time, and a breast that preprocessing finds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_registry.export.golden import DRAWINGS, drawing_png
from model_registry.preprocessing import image_decode, image_prepare
from model_registry.preprocessing.profiles import profile_named


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
