"""What a heatmap promises, on arrays whose picture is known."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference_worker.artifacts import layer_encode, npy_encode, picture_encode
from inference_worker.heatmaps import (
    LEVELS,
    colours,
    layer_hw,
    map_levels,
    map_scales,
    maps_place,
    opacities,
    overlay_burn,
)

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def place(raw_map: np.ndarray, *, model_hw: tuple[int, int], model_from_source: np.ndarray = IDENTITY,
          preview_hw: tuple[int, int] | None = None, target_hw: tuple[int, int] | None = None) -> np.ndarray:  # fmt: skip
    preview_hw = preview_hw or model_hw
    return maps_place(
        raw_maps=raw_map[np.newaxis].astype(np.float32),
        model_hw=model_hw,
        model_from_source=model_from_source,
        preview_from_source=IDENTITY,
        preview_hw=preview_hw,
        target_hw=target_hw or preview_hw,
    )[0]


def hot(rows: int, columns: int, row: int, column: int) -> np.ndarray:
    grid = np.zeros((rows, columns), np.float32)
    grid[row, column] = 4.0
    return grid


def test_a_cell_is_hottest_at_its_own_centre_and_keeps_its_raw_value() -> None:
    layer = place(hot(8, 6, 2, 4), model_hw=(72, 54))  # cells of 9 x 9, so that a centre falls on a pixel
    assert np.unravel_index(layer.argmax(), layer.shape) == (2 * 9 + 4, 4 * 9 + 4)
    assert layer.max() == pytest.approx(4.0, abs=1e-4)


def test_interpolation_between_two_cells_is_linear() -> None:
    layer = place(np.array([[0.0, 8.0]]), model_hw=(8, 16))
    assert layer[4, 3:13] == pytest.approx([0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.0], abs=1e-3)


def test_a_view_flipped_for_the_model_is_drawn_back_on_its_own_side() -> None:
    flipped = np.array([[-1.0, 0.0, 47.0], [0.0, 1.0, 0.0]])
    layer = place(hot(8, 6, 3, 0), model_hw=(64, 48), model_from_source=flipped)
    row, column = np.unravel_index(layer.argmax(), layer.shape)
    assert 24 <= row < 32
    assert 40 <= column < 48


def test_outside_the_crop_the_model_saw_there_is_nothing() -> None:
    cropped = np.array([[1.0, 0.0, -20.0], [0.0, 1.0, -10.0]])  # source (20, 10) is the model's first pixel
    layer = place(np.ones((4, 4)), model_hw=(32, 32), model_from_source=cropped, preview_hw=(60, 70))
    seen = np.zeros((60, 70), bool)
    seen[10:42, 20:52] = True
    assert layer[seen] == pytest.approx(1.0)
    assert not layer[~seen].any()


def test_a_smaller_layer_covers_the_same_area() -> None:
    layer = place(hot(4, 4, 1, 2), model_hw=(64, 64), preview_hw=(64, 64), target_hw=(32, 32))
    row, column = np.unravel_index(layer.argmax(), layer.shape)
    assert (row // 8, column // 8) == (1, 2)


def test_negative_values_are_nothing() -> None:
    assert not place(np.full((4, 4), -3.0), model_hw=(16, 16)).any()


@settings(max_examples=40, deadline=None)
@given(
    row=st.integers(0, 11), column=st.integers(0, 7), flip=st.booleans(),
    scale=st.floats(0.3, 3.0), left=st.floats(-30, 30), top=st.floats(-30, 30),
)  # fmt: skip
def test_the_hottest_pixel_lies_in_the_hot_cell_wherever_the_affine_puts_it(
    row: int, column: int, flip: bool, scale: float, left: float, top: float
) -> None:
    model_from_source = np.array([[-scale if flip else scale, 0.0, left + (60 if flip else 0)], [0.0, scale, top]])
    layer = place(hot(12, 8, row, column), model_hw=(96, 64), model_from_source=model_from_source, preview_hw=(90, 70))
    if layer.max() < 3.0:  # the cell's centre is not in the picture
        return
    at_row, at_column = np.unravel_index(layer.argmax(), layer.shape)
    model_column, model_row = model_from_source[:, :2] @ [at_column, at_row] + model_from_source[:, 2]
    assert abs((model_row + 0.5) / 8 - (row + 0.5)) <= 0.5 + scale / 16
    assert abs((model_column + 0.5) / 8 - (column + 0.5)) <= 0.5 + scale / 16


def test_a_zero_map_stays_blank_whatever_the_scale() -> None:
    zero = np.zeros((5, 5), np.float32)
    assert not map_levels(placed=zero, scale_maximum=0.0).any()
    assert not map_levels(placed=zero, scale_maximum=2.0).any()


def test_values_are_drawn_on_the_absolute_scale_and_saturate() -> None:
    levels = map_levels(placed=np.array([[0.0, 0.5, 1.0, 2.0, 9.0]], np.float32), scale_maximum=2.0)
    assert levels.tolist() == [[0, 32, 64, LEVELS - 1, LEVELS - 1]]


def test_a_weak_map_looks_weak_beside_the_package_reference() -> None:
    scales = map_scales(raw_maxima={"a": 0.1, "b": 3.0}, reference_maximum={"a": 2.0})
    assert (scales["a"].maximum, scales["a"].scaling) == (2.0, "package_reference")
    assert (scales["b"].maximum, scales["b"].scaling) == (3.0, "image_maximum")


def test_without_a_reference_all_targets_share_the_images_maximum() -> None:
    scales = map_scales(raw_maxima={"a": 0.1, "b": 3.0}, reference_maximum=None)
    assert {scale.maximum for scale in scales.values()} == {3.0}


def test_colours_grow_lighter_and_more_opaque_with_the_value() -> None:
    luminance = cv2.cvtColor(colours()[np.newaxis], cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(luminance) >= 0).all()
    assert luminance[-1] - luminance[0] > 200
    assert (np.diff(opacities(maximum=0.9)) > 0).all()
    assert opacities(maximum=0.9)[0] == 0.0


def test_an_overlay_leaves_tissue_without_heat_untouched() -> None:
    preview = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(overlay_burn(preview=preview, levels=np.zeros((16, 16), np.uint8)), np.dstack([preview] * 3))


def test_an_overlay_blends_colour_over_grey_by_the_stated_opacity() -> None:
    preview = np.full((1, 1), 200, np.uint8)
    blended = overlay_burn(preview=preview, levels=np.full((1, 1), LEVELS - 1, np.uint8))[0, 0, ::-1]
    assert blended == pytest.approx(200 * 0.4 + colours()[-1] * 0.6, abs=1.5)


def test_the_layer_file_is_a_transparent_palette_png_with_exact_levels() -> None:
    levels = np.linspace(0, LEVELS - 1, 60 * 40).astype(np.uint8).reshape(60, 40)
    image = Image.open(io.BytesIO(layer_encode(levels)))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), levels)
    rgba = np.asarray(image.convert("RGBA"))
    assert (rgba[..., 3][levels == 0] == 0).all()
    assert (rgba[..., 3][levels == LEVELS - 1] == round(255 * 0.9)).all()
    assert np.array_equal(rgba[..., :3], colours()[levels])


def test_pictures_and_maps_survive_their_files() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (33, 21), np.uint8)
    assert np.array_equal(np.asarray(cv2.imdecode(np.frombuffer(picture_encode(grey), np.uint8), cv2.IMREAD_UNCHANGED)), grey)
    colour = np.random.default_rng(0).integers(0, 256, (33, 21, 3), np.uint8)
    assert np.array_equal(np.asarray(cv2.imdecode(np.frombuffer(picture_encode(colour), np.uint8), cv2.IMREAD_UNCHANGED)), colour)
    maps = np.random.default_rng(0).random((2, 3, 4), np.float32)
    assert np.array_equal(np.load(io.BytesIO(npy_encode(maps)), allow_pickle=False), maps)


@pytest.mark.parametrize(
    ("preview_hw", "expected"), [((1024, 820), (512, 410)), ((400, 300), (400, 300)), ((512, 2048), (128, 512))]
)
def test_the_layer_keeps_the_previews_aspect_ratio(preview_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert layer_hw(preview_hw=preview_hw, longer_side=512) == expected
