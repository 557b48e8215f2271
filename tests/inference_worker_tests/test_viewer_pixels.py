"""The packed pixels give back every stored value, and the window they name shows the image as its file means it."""

from __future__ import annotations

import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from inference_worker.contract.results import PixelsResult, WindowResult
from inference_worker.heatmaps import maps_place
from inference_worker.viewer_pixels import PackedPixels, pixels_pack, windows_of
from model_registry.packaging.profile import Display
from model_registry.phantom import phantom_study
from model_registry.preprocessing import DecodedImage, LookupTable, Window, image_decode
from model_registry.preprocessing.display import display_values
from tests.inference_worker_tests.factories import Bench, png, square_image


def unpacked(packed: PackedPixels) -> np.ndarray:
    """As a viewer reads the file: the high bytes deflated, the low bytes deflated or not."""
    size = packed.rows * packed.columns
    table = packed.voi_table.length if packed.voi_table else 0
    rest = packed.data[packed.high_length : len(packed.data) - table]
    low = np.frombuffer(zlib.decompress(rest) if packed.low_deflated else rest, np.uint8).astype(np.int32)
    high = np.zeros(size, np.int32)
    if packed.high_length:
        high = np.frombuffer(zlib.decompress(packed.data[: packed.high_length]), np.uint8).astype(np.int32)
    return ((high << 8) + low + packed.value_offset).reshape(packed.rows, packed.columns)


def pack(image: DecodedImage, kept: str = "quick") -> PackedPixels:
    packed = pixels_pack(image=image, kept=kept)
    assert packed is not None
    return packed


def image_of(stored: np.ndarray, **fields: object) -> DecodedImage:
    bits = 8 * stored.dtype.itemsize
    low = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
    image = DecodedImage(stored=stored, bits_stored=bits, stored_range=(low, low + 2**bits - 1))
    return replace(image, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", ["quick", "small"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_every_stored_value_comes_back(dtype: type, kept: str) -> None:
    ends = np.iinfo(dtype)
    stored = np.random.default_rng(1).integers(ends.min, ends.max, (37, 23), dtype, endpoint=True)
    stored[0, :2] = ends.min, ends.max
    packed = pack(image_of(stored), kept)
    assert (unpacked(packed) == stored).all()
    assert (packed.high_length == 0) is (dtype is np.uint8)


def test_small_is_smaller_and_none_is_nothing() -> None:
    image = image_decode(data=phantom_study(seed=7, size_hw=(512, 416))[0].to_dicom_bytes(), media_type="application/dicom")
    assert len(pack(image, "small").data) < 0.8 * len(pack(image, "quick").data) < 2 * image.stored.size
    assert pixels_pack(image=image, kept="none") is None


def test_stated_windows_are_offered_in_their_order() -> None:
    windows = (Window(2000.0, 1000.0), Window(1800.0, 3000.0))
    packed = pack(image_of(np.zeros((4, 4), np.uint16), windows=windows, voi_function="SIGMOID", rescale_intercept=-7.0))
    assert packed.windows == (WindowResult(2000.0, 1000.0), WindowResult(1800.0, 3000.0))
    assert (packed.window_source, packed.voi_function, packed.intercept) == ("file", "SIGMOID", -7.0)


def test_a_table_is_stood_for_by_the_window_over_which_it_rises() -> None:
    values = np.concatenate([np.zeros(100), np.linspace(0, 255, 201), np.full(100, 255)]).astype(np.uint16)
    table = LookupTable(first=50, values=values, bits=8)
    (window, *rest), source = windows_of(image_of(np.zeros((4, 4), np.uint16), voi_luts=(table,), windows=(Window(1.0, 2.0),)))
    assert source == "lookup_table"
    low, high = window.centre - window.width / 2, window.centre + window.width / 2
    assert low == pytest.approx(50 + 100 + 0.02 * 200, abs=3)
    assert high == pytest.approx(50 + 100 + 0.98 * 200, abs=3)
    assert rest == [WindowResult(1.0, 2.0)]


@pytest.mark.parametrize("kept", ["quick", "small"])
def test_a_table_comes_with_the_pixels_and_shows_what_the_workers_own_display_shows(kept: str) -> None:
    """A bent table, as vendors make them, over signed modality values, which no window could stand for."""
    values = np.rint(4095 * np.linspace(0, 1, 3000) ** 1.7).astype(np.uint16)
    stored = np.arange(-700, 3500, dtype=np.int16).reshape(60, 70)
    image = image_of(stored, voi_luts=(LookupTable(first=-200, values=values, bits=12),), rescale_intercept=-40.0)
    packed = pack(image, kept)
    assert packed.voi_table is not None
    assert (unpacked(packed) == stored).all()
    greys = np.frombuffer(zlib.decompress(packed.data[-packed.voi_table.length :]), np.uint8)
    assert (packed.voi_table.first, packed.voi_table.entries, len(greys)) == (-200, 3000, 3000)
    modality = unpacked(packed) * packed.slope + packed.intercept
    ours = greys[np.clip(modality.astype(int) - packed.voi_table.first, 0, len(greys) - 1)]
    assert np.abs(ours - 255 * display_values(image=image, stored=stored, step=Display(voi="header")).values).max() <= 0.5
    (window,) = packed.windows
    ramp = np.clip((modality - (window.centre - 0.5)) / (window.width - 1) + 0.5, 0, 1)
    assert np.abs(255 * ramp - ours).max() > 30  # so a window alone would be another picture


def test_a_file_without_a_table_ends_with_its_pixels() -> None:
    falling = LookupTable(first=0, values=np.arange(255, -1, -1, dtype=np.uint16), bits=8)
    for tables in ((), (falling,)):
        packed = pack(image_of(np.zeros((4, 4), np.uint8), voi_luts=tables))
        assert (packed.voi_table, len(packed.data)) == (None, 16)


def test_a_falling_table_is_no_window() -> None:
    table = LookupTable(first=0, values=np.arange(255, -1, -1, dtype=np.uint16), bits=8)
    _, source = windows_of(image_of(np.zeros((4, 4), np.uint8), voi_luts=(table,)))
    assert source == "full_range"


def test_without_a_window_deep_images_begin_between_percentiles_and_without_their_padding() -> None:
    stored = np.full((256, 256), 9000, np.uint16)
    stored[:, :160] = np.linspace(1000, 3000, 256 * 160).reshape(256, 160).astype(np.uint16)
    (window,), source = windows_of(image_of(stored, padding=(9000, 9000)))
    assert source == "percentile"
    assert window.centre - window.width / 2 == pytest.approx(1000, abs=60)
    assert window.centre + window.width / 2 == pytest.approx(3000, abs=60)


def test_a_modality_table_is_applied_and_padding_stays_black() -> None:
    table = LookupTable(first=0, values=np.array([500, 400, 300, 200], np.uint16), bits=10)
    stored = np.array([[0, 1], [2, 3]], np.uint16)
    packed = pack(image_of(stored, modality_lut=table, padding=(3, 3), rescale_slope=2.0))
    assert unpacked(packed).tolist() == [[500, 400], [300, 0]]
    assert (packed.slope, packed.intercept, packed.bits_stored, packed.padding) == (1.0, 0.0, 10, ())


def test_a_result_names_the_pixels_where_they_lie_and_where_the_maps_lie_on_them(bench: Bench) -> None:
    pixels = square_image(row=32, column=60)
    order = bench.order(bench.package_add(), bench.image_add(png(pixels)))
    (image,) = bench.pipeline.run(order=order, checkpoint=lambda stage: None).images
    found = image.pixels
    assert isinstance(found, PixelsResult)
    assert (found.key, found.rows, found.columns) == ("artifacts/job-1/1/image-1.pixels.bin", 128, 96)
    assert (found.high_length, found.low_deflated) == (0, False)
    assert bench.store.read(key=found.key) == pixels.tobytes()
    # the corner of the square lies at the edge of cells 2 and 5 of the 8 x 8 grid over 128 x 96 pixels
    matrix = np.reshape(image.maps_from_source, (2, 3))
    column, row = matrix @ [60 - 0.5, 32 - 0.5, 1]
    assert (column, row) == pytest.approx((4.5, 1.5))
    assert (image.pixel_spacing_mm, image.spacing_plane, image.patient_orientation) == ((), None, ())


def test_the_maps_matrix_places_maps_as_the_workers_own_layers_do(bench: Bench) -> None:
    package = bench.package_add()
    order = bench.order(package, bench.image_add(png(square_image(row=40, column=20, side=30))))
    (image,) = bench.pipeline.run(order=order, checkpoint=lambda stage: None).images
    matrix = np.reshape(image.maps_from_source, (2, 3))
    raw = np.random.default_rng(3).random((8, 8), np.float32)
    model_from_source = np.array([[32 / 96, 0, 16 / 96 - 0.5], [0, 32 / 128, 16 / 128 - 0.5]])
    whole = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    placed = maps_place(
        raw_maps=raw[np.newaxis], model_hw=(32, 32), model_from_source=model_from_source, preview_from_source=whole,
        preview_hw=(128, 96), target_hw=(128, 96),
    )[0]  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    ours = cv2.warpAffine(raw, matrix, (96, 128), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    assert ours == pytest.approx(placed, abs=1e-5)


def test_no_pixels_are_kept_where_the_setting_says_so(bench: Bench) -> None:
    silent = replace(bench.pipeline, viewer_pixels="none")
    order = bench.order(bench.package_add(), bench.image_add(png(square_image(row=32, column=60))))
    (image,) = silent.run(order=order, checkpoint=lambda stage: None).images
    assert image.pixels is None
    assert image.maps_from_source
