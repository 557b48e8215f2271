"""The whole story with real files, a real session and a model whose answer is known."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference_worker.attempts import AttemptAbandoned
from inference_worker.contract.events import JobStage
from inference_worker.contract.failures import CodedError
from inference_worker.contract.orders import InferenceOrder
from inference_worker.contract.results import Assessment, StudyResult
from model_registry.packaging.profile import Channels, Display, IsolateBreast, PreprocessingProfile, Resize
from model_registry.phantom import phantom_study
from tests.inference_worker_tests.factories import Bench, flat_image, png, square_image


def run(bench: Bench, order: InferenceOrder) -> StudyResult:
    return bench.pipeline.run(order=order, checkpoint=lambda stage: None)


def failure(bench: Bench, order: InferenceOrder) -> CodedError:
    with pytest.raises(CodedError) as caught:
        run(bench, order)
    return caught.value


def aligned_square(row: int, column: int) -> bytes:
    """A square that fills exactly one 16 x 12 cell of the 8 x 8 grid over 128 x 96 pixels."""
    pixels = np.zeros((128, 96), np.uint8)
    pixels[row * 16 : row * 16 + 16, column * 12 : column * 12 + 12] = 255
    return png(pixels)


def opened(bench: Bench, key: str | None) -> np.ndarray:
    assert key is not None
    return np.asarray(Image.open(io.BytesIO(bench.store.read(key=key))))


def test_a_bright_square_becomes_the_hottest_place_of_the_pictures(bench: Bench) -> None:
    order = bench.order(bench.package_add(), bench.image_add(aligned_square(2, 5)))
    result = run(bench, order)
    (image,) = result.images
    assert image.label == "malignant"
    assert image.logits == pytest.approx({"normal": -5.0, "benign": 0.0, "malignant": 5.0})
    assert list(image.probabilities or {}) == ["normal", "benign", "malignant"]
    heatmap = next(drawn for drawn in image.heatmaps if drawn.target == "suspicion")
    assert (heatmap.raw_maximum, heatmap.scale_maximum, heatmap.scaling) == (2.0, 2.0, "image_maximum")
    layer = opened(bench, heatmap.heatmap_key)
    row, column = np.unravel_index(layer.argmax(), layer.shape)
    assert (row // 16, column // 12) == (2, 5)
    assert opened(bench, heatmap.overlay_key).shape == (128, 96, 3)
    assert opened(bench, image.preview_key).shape == (image.preview_rows, image.preview_columns) == (128, 96)


def test_every_target_has_a_layer_and_the_suspicion_an_overlay(bench: Bench) -> None:
    (image,) = run(bench, bench.order(bench.package_add(), bench.image_add(aligned_square(1, 1)))).images
    assert [drawn.target for drawn in image.heatmaps] == ["normal", "benign", "malignant", "suspicion"]
    assert [drawn.overlay_key is not None for drawn in image.heatmaps] == [False, False, False, True]
    normal = image.heatmaps[0]
    assert normal.raw_maximum == 0.0
    assert not opened(bench, normal.heatmap_key).any()


def test_raw_maps_are_kept_as_the_model_gave_them(bench: Bench) -> None:
    (image,) = run(bench, bench.order(bench.package_add(), bench.image_add(aligned_square(3, 3)))).images
    assert image.raw_maps_key is not None
    maps = np.load(io.BytesIO(bench.store.read(key=image.raw_maps_key)), allow_pickle=False)
    assert maps.shape == (4, 8, 8)
    assert maps[:, 3, 3] == pytest.approx([0.0, 0.5, 1.0, 2.0])


def test_four_views_become_two_breasts_and_a_study(bench: Bench) -> None:
    suspicious, calm = aligned_square(2, 2), png(square_image(row=0, column=0, level=30))
    images = [
        bench.image_add(data, image_id=f"{side}{view}", image_laterality=side, view_position=view)
        for side, view, data in (("R", "CC", calm), ("L", "CC", calm), ("R", "MLO", calm), ("L", "MLO", suspicious))
    ]
    result = run(bench, bench.order(bench.package_add(), *images))
    assert [image.image_id for image in result.images] == ["RCC", "LCC", "RMLO", "LMLO"]
    assert [breast.image_laterality for breast in result.breasts] == ["L", "R"]
    assert all(image.cautions == () for image in result.images)
    left = [image.suspicion or 0 for image in result.images if image.image_laterality == "L"]
    assert result.breasts[0].suspicion == pytest.approx(sum(left) / 2)
    assert result.study.suspicion == result.breasts[0].suspicion
    assert result.breasts[1].label == "normal"


def test_a_right_breast_that_was_cropped_and_turned_for_the_model_is_drawn_where_it_lies(bench: Bench) -> None:
    steps = (
        Display(voi="full_range"), IsolateBreast(), Resize(size_hw=(32, 32), mode="fit", align="left"), Channels(layout="grey"),
    )  # fmt: skip
    package = bench.package_add(preprocessing=PreprocessingProfile(name="turning", steps=steps))
    pixels = np.zeros((600, 500), np.uint8)
    rows, columns = np.mgrid[:600, :500]
    pixels[((columns - 499) / 300) ** 2 + ((rows - 320) / 220) ** 2 < 1] = 90  # chest wall on the right
    pixels[240:300, 330:390] = 250
    (image,) = run(bench, bench.order(package, bench.image_add(png(pixels)))).images
    layer = opened(bench, image.heatmaps[3].heatmap_key).astype(float)
    assert layer.shape == (256, 213)
    scale = 600 / 256
    hottest = np.argwhere(layer >= 0.95 * layer.max()).mean(axis=0) * scale
    assert hottest == pytest.approx([270, 360], abs=20)  # a cell is some 55 pixels wide
    outside = layer[int(560 / scale) :, :]
    assert outside.max() <= layer.max() / 10


def test_a_dicom_study_is_read_from_its_own_headers(bench: Bench) -> None:
    views = phantom_study(seed=3, size_hw=(640, 512))
    images = [
        bench.image_add(view.to_dicom_bytes(), image_id=f"view-{number}", media_type="application/dicom")
        for number, view in enumerate(views)
    ]
    result = run(bench, bench.order(bench.package_add(), *images))
    assert [(image.image_laterality, image.view_position) for image in result.images] == [
        (view.image_laterality, view.view_position) for view in views
    ]
    assert [breast.image_laterality for breast in result.breasts] == ["L", "R"]
    assert all(image.cautions == ("modality_outside_intended_use",) for image in result.images)  # made for film


def test_the_order_says_the_side_and_view_before_the_file_does(bench: Bench) -> None:
    (view, *_) = phantom_study(seed=3, size_hw=(640, 512))
    assert view.image_laterality == "R"
    image = bench.image_add(view.to_dicom_bytes(), media_type="application/dicom", image_laterality="L", view_position="MLO")
    (found,) = run(bench, bench.order(bench.package_add(), image)).images
    assert (found.image_laterality, found.view_position) == ("L", "MLO")


def test_calibration_changes_the_calibrated_numbers_only(bench: Bench) -> None:
    package = bench.package_add(calibration={"temperature": 2.0, "fitted_on": "nothing"})
    (image,) = run(bench, bench.order(package, bench.image_add(aligned_square(2, 2)))).images
    scores = np.exp([-5.0, 0.0, 5.0])
    halved = np.exp([-2.5, 0.0, 2.5])
    assert list((image.probabilities or {}).values()) == pytest.approx(scores / scores.sum())
    assert list((image.calibrated_probabilities or {}).values()) == pytest.approx(halved / halved.sum())
    assert image.suspicion == pytest.approx((halved[1] + halved[2]) / halved.sum())


def test_a_package_reference_sets_the_scale(bench: Bench) -> None:
    explanation = {"targets": ("normal", "benign", "malignant", "suspicion"), "cam_layer": "A", "grid_hw": (8, 8)}
    package = bench.package_add(explanation=explanation | {"reference_maximum": {"suspicion": 8.0}})
    (image,) = run(bench, bench.order(package, bench.image_add(aligned_square(2, 2)))).images
    drawn = image.heatmaps[3]
    assert (drawn.raw_maximum, drawn.scale_maximum, drawn.scaling) == (2.0, 8.0, "package_reference")
    # A quarter of 127, less a little: the cell's centre lies between pixels, half a pixel from the nearest.
    assert opened(bench, drawn.heatmap_key).max() == int(127 * (2.0 * (1 - 0.5 / 16) * (1 - 0.5 / 12)) / 8 + 0.5)


def test_unknown_view_and_laterality_are_cautioned_and_stay_a_breast_of_their_own(bench: Bench) -> None:
    known = bench.image_add(aligned_square(1, 1), image_id="a", image_laterality="L", view_position="LM")
    unknown = bench.image_add(aligned_square(1, 2), image_id="b")
    result = run(bench, bench.order(bench.package_add(), known, unknown))
    assert result.images[0].cautions == ("view_outside_intended_use",)
    assert result.images[1].cautions == ("laterality_unknown", "view_unknown")
    assert [breast.image_laterality for breast in result.breasts] == ["L", None]


def test_a_view_without_a_breast_is_a_result_and_takes_no_part(bench: Bench) -> None:
    steps = (Display(voi="full_range"), IsolateBreast(), Resize(size_hw=(32, 32)), Channels(layout="grey"))
    package = bench.package_add(preprocessing=PreprocessingProfile(name="isolating", steps=steps))
    breast = np.zeros((512, 384), np.uint8)
    breast[100:400, :200] = 180
    seen = bench.image_add(png(breast), image_id="seen", image_laterality="L", view_position="CC")
    empty = bench.image_add(png(np.zeros((512, 384), np.uint8)), image_id="empty", image_laterality="L", view_position="MLO")
    result = run(bench, bench.order(package, seen, empty))
    nothing = result.images[1]
    assert (nothing.assessment, nothing.label, nothing.probabilities) == (Assessment.NOT_ASSESSABLE, None, None)
    assert nothing.cautions == ("no_breast_found",)
    assert (nothing.heatmaps, nothing.raw_maps_key) == ((), None)
    assert opened(bench, nothing.preview_key).shape == (512, 384)
    assert result.breasts[0].suspicion == result.images[0].suspicion
    alone = run(bench, bench.order(package, empty))
    assert alone.study.assessment is alone.breasts[0].assessment is Assessment.NOT_ASSESSABLE


def test_an_unreadable_view_fails_the_order_and_is_named(bench: Bench) -> None:
    order = bench.order(
        bench.package_add(), bench.image_add(aligned_square(1, 1), image_id="fine"), bench.image_add(b"junk", image_id="bad")
    )
    error = failure(bench, order)
    assert error.code.startswith("input:")
    assert "bad" in error.detail


def test_a_view_that_breaks_the_model_is_named(bench: Bench) -> None:
    order = bench.order(bench.package_add(), bench.image_add(png(flat_image(255)), image_id="white"))
    error = failure(bench, order)
    assert (error.code, "white" in error.detail) == ("model:run_failed", True)


def test_a_view_without_finite_outputs_is_named(bench: Bench) -> None:
    order = bench.order(bench.package_add(), bench.image_add(png(flat_image(240)), image_id="bright"))
    error = failure(bench, order)
    assert (error.code, "bright" in error.detail) == ("model:not_finite", True)


def test_a_missing_object_is_coded(bench: Bench) -> None:
    image = replace(bench.image_add(aligned_square(1, 1)), object_key="images/none")
    assert failure(bench, bench.order(bench.package_add(), image)).code == "system:object_missing"


def test_an_altered_object_is_coded(bench: Bench) -> None:
    image = bench.image_add(aligned_square(1, 1))
    bench.store.write(key=image.object_key, data=aligned_square(2, 2))
    assert failure(bench, bench.order(bench.package_add(), image)).code == "system:object_corrupt"


@pytest.mark.parametrize("field", ["artifact_prefix", "object_key", "image_id"])
def test_an_order_cannot_reach_outside_its_place(bench: Bench, field: str) -> None:
    image = bench.image_add(aligned_square(1, 1))
    order = bench.order(bench.package_add(), image)
    if field == "artifact_prefix":
        order = replace(order, artifact_prefix="../../elsewhere")
    else:
        order = replace(order, images=(replace(image, **{field: "../../elsewhere"}),))
    assert failure(bench, order).code == "system:contract_violation"
    assert not (bench.folder.parent / "elsewhere").exists()


def test_an_order_without_images_is_refused(bench: Bench) -> None:
    assert failure(bench, bench.order(bench.package_add())).code == "system:contract_violation"


def test_stages_come_in_order_and_any_of_them_can_stop_the_order(bench: Bench) -> None:
    order = bench.order(bench.package_add(), bench.image_add(aligned_square(1, 1)))
    seen: list[JobStage] = []
    bench.pipeline.run(order=order, checkpoint=seen.append)
    assert seen == list(JobStage)

    def stop(stage: JobStage) -> None:
        if stage is JobStage.STORING:
            raise AttemptAbandoned

    with pytest.raises(AttemptAbandoned):
        bench.pipeline.run(order=replace(order, artifact_prefix="artifacts/job-1/2"), checkpoint=stop)
    assert not (bench.folder / "store" / "artifacts" / "job-1" / "2").exists()


def test_a_repeated_attempt_leaves_the_same_files(bench: Bench) -> None:
    order = bench.order(bench.package_add(), bench.image_add(aligned_square(1, 1)))

    def files() -> dict[str, bytes]:
        root = bench.folder / "store" / "artifacts"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first = run(bench, order), files()
    second = run(bench, order), files()
    assert first[1] == second[1]
    assert first[0].images == second[0].images
    assert len(first[1]) == 1 + 4 + 1 + 1 + 1  # preview, layers, overlay, raw maps, pixels


def test_the_result_is_small_strict_json(bench: Bench) -> None:
    import json

    result = run(bench, bench.order(bench.package_add(), bench.image_add(aligned_square(1, 1))))
    text = json.dumps(result.to_wire(), allow_nan=False)
    assert StudyResult.from_wire(json.loads(text)) == result
    assert len(text) < 4000


def test_pictures_are_bounded_by_the_settings(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with()
    large = np.zeros((2048, 1536), np.uint8)
    large[512:768, 384:576] = 255
    (image,) = run(bench, bench.order(bench.package_add(), bench.image_add(png(large)))).images
    assert (image.preview_rows, image.preview_columns) == (1024, 768)
    assert opened(bench, image.heatmaps[3].heatmap_key).shape == (256, 192)
    assert opened(bench, image.heatmaps[3].overlay_key).shape == (512, 384, 3)
    assert image.assessment is Assessment.ASSESSED
