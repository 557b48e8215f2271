"""A mask through the whole worker: where it lies, how large it is, what is drawn, and when there is nothing."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.contract.failures import CodedError
from inference_worker.contract.results import ImageResult, StudyResult
from inference_worker.segmentation import mask_measure, outline_burn, outline_levels
from model_registry.packaging.profile import Channels, Display, IsolateBreast, PreprocessingProfile, Resize
from model_registry.phantom import phantom_study
from tests.inference_worker_tests.factories import Bench, png
from tests.inference_worker_tests.segmentation_packages import mask_fields, mask_model

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def measure(mask: np.ndarray, **changes: Any) -> Any:
    hw = mask.shape
    options: dict[str, Any] = {
        "model_hw": hw, "model_from_source": IDENTITY, "source_hw": hw, "pixel_spacing_mm": None,
    }  # fmt: skip
    return mask_measure(mask=mask.astype(np.float32), **(options | changes))


def run(bench: Bench, data: bytes, *, media_type: str = "image/png", **fields: Any) -> StudyResult:
    package = bench.package_add(model=mask_model(), **mask_fields(**fields))
    order = bench.order(package, bench.image_add(data, media_type=media_type))
    return bench.pipeline.run(order=order, checkpoint=lambda stage: None)


def opened(bench: Bench, key: str | None) -> np.ndarray:
    assert key is not None
    return np.asarray(Image.open(io.BytesIO(bench.store.read(key=key))))


def two_squares(*, second: int = 0) -> bytes:
    """128 x 96: a white square over rows 32 to 63, columns 48 to 71 (4 x 4 cells of 8 x 6); a second one of one cell."""
    pixels = np.zeros((128, 96), np.uint8)
    pixels[32:64, 48:72] = 255
    pixels[96:104, 12:18] = second
    return png(pixels)


def test_the_mask_of_a_bright_square_lies_on_the_square_and_has_its_area(bench: Bench) -> None:
    result = run(bench, two_squares())
    assert (result.task, result.explanation_method, result.targets) == ("segmentation", "mask", ("lesion",))
    (image,) = result.images
    assert image.label == "lesion"
    (found,) = image.segmentations
    assert (found.target, found.threshold, found.maximum_probability, found.regions) == ("lesion", 0.5, 1.0, 1)
    assert found.area_pixels == pytest.approx(32 * 24)
    assert (found.area_mm2, found.spacing_plane) == (None, None)
    (drawn,) = image.heatmaps
    assert (drawn.raw_maximum, drawn.scale_maximum, drawn.scaling) == (1.0, 1.0, "mask_probability")
    layer = opened(bench, drawn.heatmap_key)
    assert layer.shape == (128, 96)
    assert (layer[36:60, 51:69] == 127).all()
    assert not layer[:26].any()
    assert not layer[:, :42].any()


def test_the_outline_surrounds_the_square_and_stands_in_the_overlay(bench: Bench) -> None:
    (image,) = run(bench, two_squares()).images
    outline = opened(bench, image.heatmaps[0].outline_key)
    rows, columns = np.nonzero(outline == 2)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (32, 63, 48, 71)
    assert not outline[36:60, 52:68].any()  # a line, not an area
    overlay = opened(bench, image.heatmaps[0].overlay_key)
    assert (overlay[rows, columns] == (0, 229, 255)).all()
    assert (overlay[100:120, 60:90] == overlay[100:120, 60:90, :1]).all()  # tissue without mask stays grey


def test_every_region_counts(bench: Bench) -> None:
    (image,) = run(bench, two_squares(second=200)).images
    (found,) = image.segmentations
    assert found.regions == 2
    assert found.area_pixels == pytest.approx(32 * 24 + 8 * 6)


def test_below_half_nothing_is_segmented_and_nothing_outlined(bench: Bench) -> None:
    pixels = np.zeros((128, 96), np.uint8)
    pixels[32:64, 48:72] = 102  # 0.4
    (image,) = run(bench, png(pixels)).images
    (found,) = image.segmentations
    assert (found.regions, found.area_pixels) == (0, 0.0)
    assert found.maximum_probability == pytest.approx(0.4)
    assert image.heatmaps[0].outline_key is None
    assert opened(bench, image.heatmaps[0].heatmap_key).max() == 51  # 0.4 of 127: weak, and looks it


def test_a_mask_of_zero_stays_blank(bench: Bench) -> None:
    (image,) = run(bench, png(np.zeros((128, 96), np.uint8))).images
    assert (image.heatmaps[0].raw_maximum, image.heatmaps[0].outline_key) == (0.0, None)
    assert not opened(bench, image.heatmaps[0].heatmap_key).any()


def test_a_mask_of_a_turned_crop_is_drawn_and_measured_where_it_lies(bench: Bench) -> None:
    steps = (
        Display(voi="full_range"), IsolateBreast(), Resize(size_hw=(32, 32), mode="fit", align="left"), Channels(layout="grey"),
    )  # fmt: skip
    pixels = np.zeros((600, 500), np.uint8)
    rows, columns = np.mgrid[:600, :500]
    pixels[((columns - 499) / 300) ** 2 + ((rows - 320) / 220) ** 2 < 1] = 90  # chest wall on the right
    pixels[220:320, 330:430] = 250
    (image,) = run(bench, png(pixels), preprocessing=PreprocessingProfile(name="turning", steps=steps)).images
    (found,) = image.segmentations
    assert found.regions == 1
    assert found.area_pixels == pytest.approx(100 * 100, rel=0.35)  # cells are some 27 pixels wide
    outline = opened(bench, image.heatmaps[0].outline_key)
    line_rows, line_columns = np.nonzero(outline == 2)
    assert (line_rows.mean(), line_columns.mean()) == pytest.approx((270, 380), abs=14)


def test_the_headers_spacing_gives_square_millimetres_and_says_where_it_was_measured(bench: Bench) -> None:
    (view, *_) = phantom_study(seed=2026, size_hw=(640, 512), lesion="spiculated-mass")
    fields = mask_fields()["explanation"]
    (image,) = run(bench, view.to_dicom_bytes(), media_type="application/dicom", explanation=fields).images
    (found,) = image.segmentations
    assert found.spacing_plane == "detector"  # the phantom's object has Imager Pixel Spacing alone
    assert found.regions > 0
    assert found.area_mm2 == pytest.approx(found.area_pixels * float(f"{view.pixel_spacing_mm:.6f}") ** 2)


def test_a_result_survives_the_wire_and_one_from_before_masks_is_still_read(bench: Bench) -> None:
    result = run(bench, two_squares())
    wire = result.to_wire()
    assert StudyResult.from_wire(wire) == result
    for image in wire["images"]:
        del image["segmentations"]
        for drawn in image["heatmaps"]:
            del drawn["outline_key"]
    del wire["task"]
    old = StudyResult.from_wire(wire)
    assert (old.task, old.images[0].segmentations, old.images[0].heatmaps[0].outline_key) == ("classification", (), None)


def test_a_package_whose_golden_mask_holds_no_probabilities_is_refused(bench: Bench) -> None:
    package = bench.package_add(model=mask_model(gain=3.0), **mask_fields())
    order = bench.order(package, bench.image_add(two_squares()))
    with pytest.raises(CodedError) as caught:
        bench.pipeline.run(order=order, checkpoint=lambda stage: None)
    assert caught.value.code == "model:invalid_package"
    assert "outside 0 to 1" in caught.value.detail


def test_an_image_whose_mask_holds_no_probabilities_is_named(bench: Bench) -> None:
    # the golden picture's square is smaller than a cell of 16 x 16, so that only a larger one leaves the range
    package = bench.package_add(model=mask_model(gain=1.5, cell=16), **mask_fields(grid_hw=(2, 2)))
    order = bench.order(package, bench.image_add(png(np.full((128, 96), 255, np.uint8)), image_id="white"))
    with pytest.raises(CodedError) as caught:
        bench.pipeline.run(order=order, checkpoint=lambda stage: None)
    assert (caught.value.code, "white" in caught.value.detail) == ("model:mask_out_of_range", True)


def test_a_view_without_a_breast_has_no_figures(bench: Bench) -> None:
    steps = (Display(voi="full_range"), IsolateBreast(), Resize(size_hw=(32, 32)), Channels(layout="grey"))
    profile = PreprocessingProfile(name="isolating", steps=steps)
    (image,) = run(bench, png(np.zeros((512, 384), np.uint8)), preprocessing=profile).images
    assert image == ImageResult(
        image_id=image.image_id, assessment=image.assessment, cautions=image.cautions, preview_key=image.preview_key,
        preview_rows=512, preview_columns=384, input_statistics=image.input_statistics,
    )  # fmt: skip
    assert image.segmentations == ()
    assert image.input_statistics is not None
    assert image.input_statistics["tissue_share"] == 0.0


def test_area_follows_the_scale_of_the_model_and_the_spacing() -> None:
    mask = np.zeros((10, 10))
    mask[2:4, 5:8] = 0.5  # the threshold itself belongs to the region
    scaled = np.array([[-0.25, 0.0, 9.0], [0.0, 0.5, 0.0]])  # mirrored; 4 source columns and 2 rows a pixel
    found = measure(mask, model_from_source=scaled, source_hw=(20, 40), pixel_spacing_mm=(0.1, 0.2))
    assert found.regions == 1
    assert found.area_pixels == pytest.approx(6 * 8)
    assert found.area_mm2 == pytest.approx(6 * 8 * 0.1 * 0.2)


def test_what_was_padded_around_the_image_has_no_area_and_no_maximum() -> None:
    mask = np.full((10, 10), 0.9)
    mask[:, :4] = 1.0
    padded = np.array([[1.0, 0.0, 4.0], [0.0, 1.0, 0.0]])  # the image begins at the model's column 4
    found = measure(mask, model_from_source=padded, source_hw=(10, 6))
    assert found.area_pixels == 60
    assert found.maximum_probability == pytest.approx(0.9)


def test_regions_that_touch_by_a_corner_are_one() -> None:
    assert measure(np.eye(5)).regions == 1
    apart = np.zeros((5, 5))
    apart[0, 0] = apart[0, 2] = apart[4, 4] = 1.0
    assert measure(apart).regions == 3


def test_a_ring_is_outlined_inside_and_outside() -> None:
    placed = np.zeros((60, 60), np.float32)
    placed[10:50, 10:50] = 1.0
    placed[20:40, 20:40] = 0.0
    line = outline_levels(placed) == 2
    assert line[10, 10:50].all()
    assert line[30, 19] or line[30, 20]
    assert not line[30, 25:35].any()
    picture = np.full((60, 60, 3), 200, np.uint8)
    burned = outline_burn(picture=picture, outline=outline_levels(placed))
    assert burned[10, 30].tolist() == [255, 229, 0]
    assert burned[9, 30].tolist() == [90, 90, 90]
    assert (picture == 200).all()
