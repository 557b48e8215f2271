"""The profile carried out: exact values, exact geometry, and the shipped recipe written down a second time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from model_registry.packaging.profile import (
    Channels,
    Clahe,
    Display,
    IsolateBreast,
    NormalisePercentile,
    PreprocessingProfile,
    ProfileStep,
    ReduceTo,
    Resize,
    Scale,
)
from model_registry.phantom import phantom_study
from model_registry.preprocessing import (
    DecodedImage,
    PreparedImage,
    PreprocessingError,
    image_decode,
    image_prepare,
    image_preview,
)
from model_registry.preprocessing.affine import points_apply
from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes, png_bytes
from tests.model_registry_tests.preprocessing_tests.reference_recipes import recipe_c

RECIPE: tuple[ProfileStep, ...] = (
    ReduceTo(longer_side=512),
    Display(bits=8),
    IsolateBreast(),
    NormalisePercentile(),
    Resize(size_hw=(384, 256), mode="fit", margin_rows=4, margin_columns=4, align="left", margin_left=2),
    Channels(layout="grey_mask"),
)


def prepared(image: DecodedImage, *steps: ProfileStep, layout: str = "nhwc") -> PreparedImage:
    return image_prepare(image=image, profile=PreprocessingProfile(name="t", steps=steps, tensor_layout=layout))


def grey(pixels: np.ndarray) -> DecodedImage:
    return image_decode(data=png_bytes(pixels), media_type="image/png")


def film(*, mirrored: bool = False) -> np.ndarray:
    """512 x 512, 8 bit: a phantom breast with what films have besides: a bright strip, a label and a noisy background."""
    view = phantom_study(seed=11, size_hw=(512, 512))[3]
    pixels = np.clip(view.pixels.astype(np.float32) / 16, 0, 255).astype(np.uint8)
    pixels[:, 500:506] = 230
    pixels[20:60, 420:480] = 250
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_shipped_profile_equals_recipe_c_on_a_film_of_512_pixels(mirrored: bool) -> None:
    levels = film(mirrored=mirrored)
    result = prepared(grey(levels), *RECIPE)
    values, mask = recipe_c(levels)
    assert result.assessable
    assert result.tensor.shape == (384, 256, 2)
    assert result.tensor.dtype == np.float32
    assert result.tensor.flags.c_contiguous
    np.testing.assert_array_equal(result.tensor[..., 1], mask)
    np.testing.assert_allclose(result.tensor[..., 0], values, atol=2e-6)


def test_both_polarities_and_sides_of_a_full_view_prepare_alike() -> None:
    right, left = phantom_study(seed=4, size_hw=(1024, 832))[2:]
    inverted = phantom_study(seed=4, size_hw=(1024, 832), photometric_interpretation="MONOCHROME1")[3]
    decoded = [image_decode(data=view.to_dicom_bytes(), media_type="application/dicom") for view in (right, left, inverted)]
    results = [prepared(image, *RECIPE) for image in decoded]
    for result in results:
        assert result.assessable
        assert result.mask is not None
        assert result.mask[:, 2:20].sum() > result.mask[:, -60:].sum()  # the chest wall came to the left
    # area averages of inverted values round to the other side of a half, so a few pixels differ by one level of 255
    assert np.abs(results[1].tensor - results[2].tensor).max() < 0.02


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_affine_takes_a_bright_dot_to_where_it_lands_in_the_tensor(mirrored: bool) -> None:
    rows, columns = np.indices((2050, 1663), dtype=np.float32)
    breast = np.square(columns / 1100) + np.square((rows - 1010) / 800) < 1
    plain = np.where(breast, 800 + columns / 2 + rows / 4, 0)
    column, row = 437.0, 1203.0
    dot = 1500 * np.exp(-(np.square(columns - column) + np.square(rows - row)) / (2 * 14**2))
    window: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048, "WindowWidth": 4096}
    results = []
    for values in (plain, plain + dot):
        stored = np.rint(values).astype(np.uint16)[:, :: -1 if mirrored else 1]
        image = image_decode(data=dicom_bytes(np.ascontiguousarray(stored), **window), media_type="application/dicom")
        results.append(prepared(image, RECIPE[0], Display(), *RECIPE[2:3], *RECIPE[4:]))
    difference = results[1].tensor[..., 0] - results[0].tensor[..., 0]
    assert difference.max() > 0.3
    found_rows, found_columns = np.indices(difference.shape)
    found = (found_columns * difference).sum() / difference.sum(), (found_rows * difference).sum() / difference.sum()
    source = np.array([[1662 - column if mirrored else column, row]])
    expected = points_apply(matrix=results[1].model_from_source, points=source)[0]
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_the_affine_of_a_reduction_maps_block_centres_to_pixel_centres() -> None:
    result = prepared(grey(np.zeros((1300, 1026), np.uint8)), ReduceTo(longer_side=256), Display())
    assert result.tensor.shape == (260, 205, 1)  # factor 5; the last column of sources is left out
    matrix = result.model_from_source
    np.testing.assert_allclose(points_apply(matrix=matrix, points=np.array([[2.0, 2.0], [1022.0, 1297.0]])), [[0, 0], [204, 259]])


def test_reduction_averages_stored_values_and_leaves_padding_out() -> None:
    stored = np.full((128, 128), 1000, np.uint16)
    stored[0, 0], stored[1, 1] = 65535, 1010
    stored[2:4, 0:2] = 65535
    stored[2, 0] = 800
    image = image_decode(data=dicom_bytes(stored, PixelPaddingValue=65535), media_type="application/dicom")
    values = prepared(image, ReduceTo(longer_side=64), Display(voi="full_range")).tensor[..., 0] * 65535
    assert values.shape == (64, 64)
    assert values[0, 0] == pytest.approx(round((1000 + 1000 + 1010) / 3), abs=0.01)
    assert values[1, 0] == 0  # three of four are padding, so the block is
    assert values[5, 5] == pytest.approx(1000, abs=0.01)


def test_reduction_of_a_view_that_is_small_enough_changes_nothing() -> None:
    levels = film()
    np.testing.assert_array_equal(prepared(grey(levels), ReduceTo(longer_side=512), Display()).tensor[..., 0] * 255, levels)


def test_labels_and_strips_outside_the_breast_become_zero() -> None:
    result = prepared(grey(film()), Display(bits=8), IsolateBreast(crop=False, orient=False))
    values = result.tensor[..., 0]
    assert values[:, 500:506].max() == 0
    assert values[20:60, 420:480].max() == 0
    assert values[256, 60] > 0.1


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((300, 200), np.uint8),
        np.full((300, 200), 255, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.full((1, 5000), 9, np.uint8),
        np.eye(64, dtype=np.uint8) * 255,
    ],
)
def test_a_picture_without_a_breast_is_not_assessable_and_still_has_the_right_shape(pixels: np.ndarray) -> None:
    result = prepared(grey(pixels), *RECIPE)
    assert not result.assessable
    assert result.cautions == ("no_breast_found",)
    assert result.tensor.shape == (384, 256, 2)
    assert result.tensor.max() == 0


def test_a_missing_window_is_a_caution() -> None:
    view = phantom_study(seed=4, size_hw=(512, 416))[0]
    image = image_decode(data=dicom_bytes(view.pixels, BitsStored=12, HighBit=11), media_type="application/dicom")
    result = prepared(image, *RECIPE)
    assert (result.assessable, result.cautions) == (True, ("window_assumed",))


def test_percentile_normalisation_outside_a_mask_uses_every_pixel() -> None:
    ramp = np.arange(201, dtype=np.uint8).reshape(3, 67)
    values = prepared(grey(ramp), Display(), NormalisePercentile(low=0, high=50, maximum=1.3)).tensor[..., 0]
    np.testing.assert_allclose(values.ravel(), np.clip(np.arange(201) / 100, 0, 1.3), atol=1e-6)


def test_clahe_is_opencvs_on_eight_bit_levels() -> None:
    levels = film()
    expected = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(levels)
    result = prepared(grey(levels), Display(bits=8), Clahe(), Scale(multiply=255))
    np.testing.assert_allclose(result.tensor[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "reference"),
    [
        ("cv2.area", lambda p: cv2.resize(p, (96, 80), interpolation=cv2.INTER_AREA)),
        ("cv2.linear", lambda p: cv2.resize(p, (96, 80), interpolation=cv2.INTER_LINEAR)),
        ("cv2.cubic", lambda p: cv2.resize(p, (96, 80), interpolation=cv2.INTER_CUBIC)),
        ("pil.nearest", lambda p: np.asarray(Image.fromarray(p).resize((96, 80), Image.Resampling.NEAREST))),
        ("pil.bilinear", lambda p: np.asarray(Image.fromarray(p).resize((96, 80), Image.Resampling.BILINEAR))),
        ("pil.bicubic", lambda p: np.asarray(Image.fromarray(p).resize((96, 80), Image.Resampling.BICUBIC))),
    ],
)
def test_a_resize_of_eight_bit_levels_equals_the_named_library_on_them(kernel: str, reference: object) -> None:
    levels = film()
    result = prepared(grey(levels), Display(bits=8), Resize(size_hw=(80, 96), kernel=kernel), Scale(multiply=255))
    np.testing.assert_allclose(result.tensor[..., 0], reference(levels), atol=1e-4)  # type: ignore[operator]


def test_tensorflows_bilinear_takes_two_taps_at_half_pixel_centres_and_rounds_nothing() -> None:
    levels = np.arange(40, dtype=np.uint8).reshape(1, 40).repeat(4, axis=0) * 5
    result = prepared(grey(levels), Display(bits=8), Resize(size_hw=(4, 16), kernel="tf.bilinear"), Scale(multiply=255))
    at = (np.arange(16) + 0.5) * 2.5 - 0.5
    np.testing.assert_allclose(result.tensor[0, :, 0], at * 5, atol=1e-3)


def test_fit_keeps_the_aspect_and_places_the_content_as_declared() -> None:
    white = grey(np.full((100, 50), 255, np.uint8))
    centred = prepared(white, Display(), Resize(size_hw=(64, 64), mode="fit", margin_rows=2)).tensor[..., 0]
    rows, columns = np.nonzero(centred)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 61, 17, 46)  # 60 x 30
    left = prepared(white, Display(), Resize(size_hw=(64, 64), mode="fit", margin_rows=2, align="left", margin_left=5))
    assert np.nonzero(left.tensor[..., 0])[1].min() == 5


@pytest.mark.parametrize(
    ("layout", "order", "shape"),
    [
        ("grey", "nhwc", (20, 30, 1)),
        ("grey3", "nhwc", (20, 30, 3)),
        ("grey3", "nchw", (3, 20, 30)),
        ("grey3_mask", "nhwc", (20, 30, 4)),
        ("grey_mask", "nchw", (2, 20, 30)),
    ],
)
def test_channels_and_memory_order_are_as_declared(layout: str, order: str, shape: tuple[int, ...]) -> None:
    result = prepared(grey(np.full((20, 30), 255, np.uint8)), Display(), Channels(layout=layout), layout=order)
    assert result.tensor.shape == shape


def test_the_mask_channel_is_the_last_and_empty_without_isolation() -> None:
    result = prepared(grey(np.full((20, 30), 255, np.uint8)), Display(), Channels(layout="grey3_mask"))
    assert result.tensor[..., :3].min() == 1
    assert result.tensor[..., 3].max() == 0
    assert result.mask is None


def test_a_profile_whose_steps_contradict_one_another_blames_the_model() -> None:
    image = grey(np.zeros((64, 64), np.uint8))
    for steps in ((Clahe(),), (Display(), Display()), (Display(), ReduceTo(longer_side=64)), ()):
        with pytest.raises(PreprocessingError) as refusal:
            prepared(image, *steps)
        assert refusal.value.code == "model:invalid_package"


def test_preview_is_windowed_bright_uncropped_and_its_affine_is_exact() -> None:
    view = phantom_study(seed=4, size_hw=(2048, 1664), photometric_interpretation="MONOCHROME1")[1]
    preview = image_preview(image=image_decode(data=view.to_dicom_bytes(), media_type="application/dicom"), longer_side=1000)
    assert preview.pixels.shape == (1000, 812)
    assert preview.pixels.dtype == np.uint8
    expected: Any = cv2.imdecode(np.frombuffer(view.to_png_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    expected = cv2.resize(expected, (812, 1000), interpolation=cv2.INTER_AREA)
    assert np.abs(preview.pixels.astype(int) - expected).mean() < 1
    corners = points_apply(matrix=preview.preview_from_source, points=np.array([[-0.5, -0.5], [1663.5, 2047.5]]))
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [811.5, 999.5]], atol=1e-9)


def test_a_view_smaller_than_the_preview_keeps_its_size() -> None:
    assert image_preview(image=grey(film()), longer_side=1024).pixels.shape == (512, 512)


def test_a_deep_view_without_a_window_is_not_previewed_nearly_black() -> None:
    view = phantom_study(seed=4, size_hw=(512, 416))[0]
    image = image_decode(data=dicom_bytes(view.pixels), media_type="application/dicom")  # 12 bits used, 16 said to be
    assert np.percentile(image_preview(image=image, longer_side=512).pixels, 99) > 150
