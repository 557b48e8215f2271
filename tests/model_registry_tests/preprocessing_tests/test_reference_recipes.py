"""Every named profile against its system's own library calls, from the bytes of DICOM, PNG and JPEG files to the tensor.

Whole levels must agree exactly; where TensorFlow resizes in float32 with coordinates of its own, within 1e-5 of the range.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from model_registry.packaging.named_profiles import profile_named
from model_registry.phantom import phantom_study
from model_registry.preprocessing import PreprocessingError, image_decode, image_prepare
from tests.model_registry_tests.preprocessing_tests.reference_recipes import RECIPES, dicom_levels, recipe_c, variants

VARIANTS = (
    "mono2, 12 bits, one window",
    "mono1, 12 bits, one window",
    "14 bits, two windows",
    "16 bits, no window",
    "exact window",
    "sigmoid",
    "mono1, sigmoid",
    "signed, rescaled",
    "VOI table of 16 bits",
    "mono1, VOI table before window",
    "padding of the highest value",
    "film of 8 bits",
)


def tensor_of(data: bytes, *, profile: str, media_type: str = "application/dicom") -> np.ndarray:
    return image_prepare(image=image_decode(data=data, media_type=media_type), profile=profile_named(profile)).tensor


def assert_same(found: np.ndarray, expected: np.ndarray, *, profile: str) -> None:
    assert found.shape == expected.shape
    spread = 255.0 if expected.max() > 2 else 1.0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * spread, err_msg=profile)


def test_every_variant_is_tried() -> None:
    assert tuple(variants()) == VARIANTS


@pytest.mark.parametrize("profile", RECIPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_dicom_object_becomes_the_tensor_its_system_would_make(variant: str, profile: str) -> None:
    data = variants()[variant].to_bytes()
    assert_same(tensor_of(data, profile=profile), RECIPES[profile](dicom_levels(data)), profile=profile)


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("view", [0, 3])
def test_the_shipped_models_recipe_holds_from_dicom_bytes_for_both_sides_and_polarities(view: int, polarity: str) -> None:
    study = phantom_study(seed=6, size_hw=(512, 431), photometric_interpretation=polarity)  # type: ignore[arg-type]
    data = study[view].to_dicom_bytes()
    values, mask = recipe_c(dicom_levels(data))
    found = tensor_of(data, profile="film-384x256")
    np.testing.assert_array_equal(found[..., 1], mask)
    np.testing.assert_allclose(found[..., 0], values, rtol=0, atol=1e-5)


def test_the_variants_are_told_apart_by_every_step_they_stand_for() -> None:
    """Same breast, other header: were one of them read like another, the table above could not notice."""
    shown = [dicom_levels(variant.to_bytes()).astype(int) for variant in variants().values()]
    for index, one in enumerate(shown):
        assert one.max() - one.min() > 150
        for other in shown[index + 1 :]:
            assert np.abs(one - other).max() >= 1
    bright, dark = variants()["mono2, 12 bits, one window"], variants()["mono1, 12 bits, one window"]
    difference = dicom_levels(bright.to_bytes()).astype(int) - dicom_levels(dark.to_bytes())
    assert np.abs(difference).max() <= 6  # a breast is bright in either polarity


# ── PNG and JPEG ───────────────────────────────────────────────────────────────────────────────────────────────────────


def grey_levels() -> np.ndarray:
    return dicom_levels(variants()["mono2, 12 bits, one window"].to_bytes())


def file_bytes(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("profile", RECIPES)
def test_an_eight_bit_grey_png_becomes_the_tensor_its_system_would_make(profile: str) -> None:
    levels = grey_levels()
    data = file_bytes(Image.fromarray(levels), "PNG")
    assert_same(tensor_of(data, profile=profile, media_type="image/png"), RECIPES[profile](levels), profile=profile)


@pytest.mark.parametrize("profile", RECIPES)
def test_grey_saved_as_colour_and_with_an_opaque_alpha_is_the_same_grey(profile: str) -> None:
    levels = grey_levels()
    colour = Image.fromarray(np.repeat(levels[..., np.newaxis], 3, axis=-1))
    opaque = colour.copy()
    opaque.putalpha(255)
    for picture in (colour, opaque, Image.fromarray(levels).convert("LA")):
        data = file_bytes(picture, "PNG")
        assert_same(tensor_of(data, profile=profile, media_type="image/png"), RECIPES[profile](levels), profile=profile)


@pytest.mark.parametrize("profile", RECIPES)
def test_a_tinted_picture_is_its_luminance_with_red_and_blue_in_their_places(profile: str) -> None:
    levels = grey_levels().astype(np.float64)
    tinted = np.stack([levels, levels * 0.8, levels * 0.4], axis=-1).astype(np.uint8)
    red, green, blue = (tinted[..., channel].astype(np.int64) for channel in range(3))
    luminance = ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16).astype(np.uint8)  # ITU-R 601 in 16-bit fixed point
    found = tensor_of(file_bytes(Image.fromarray(tinted), "PNG"), profile=profile, media_type="image/png")
    assert_same(found, RECIPES[profile](luminance), profile=profile)
    swapped = tensor_of(file_bytes(Image.fromarray(tinted[..., ::-1].copy()), "PNG"), profile=profile, media_type="image/png")
    assert np.abs(swapped - found).max() > 0.05 * found.max()


@pytest.mark.parametrize("profile", RECIPES)
def test_a_sixteen_bit_png_is_brought_to_eight_bits_over_the_range_its_values_need(profile: str) -> None:
    stored = variants()["16 bits, no window"].pixels
    levels = np.rint(stored / 65535 * 255).astype(np.uint8)
    data = cv2.imencode(".png", stored)[1].tobytes()
    assert_same(tensor_of(data, profile=profile, media_type="image/png"), RECIPES[profile](levels), profile=profile)
    twelve = cv2.imencode(".png", stored // 16)[1].tobytes()
    levels = np.rint((stored // 16) / 4095 * 255).astype(np.uint8)
    assert_same(tensor_of(twelve, profile=profile, media_type="image/png"), RECIPES[profile](levels), profile=profile)


@pytest.mark.parametrize("profile", RECIPES)
def test_a_jpeg_becomes_the_tensor_of_what_its_decoder_shows(profile: str) -> None:
    data = file_bytes(Image.fromarray(grey_levels()), "JPEG", quality=92)
    levels = np.asarray(Image.open(io.BytesIO(data)))
    assert_same(tensor_of(data, profile=profile, media_type="image/jpeg"), RECIPES[profile](levels), profile=profile)


def test_a_transparent_picture_is_refused_rather_than_laid_on_a_guess() -> None:
    levels = grey_levels()
    picture = Image.fromarray(np.dstack([levels, levels, levels, np.full_like(levels, 128)]))
    with pytest.raises(PreprocessingError, match="input:unsupported_pixel_format"):
        tensor_of(file_bytes(picture, "PNG"), profile="rgb-224", media_type="image/png")
