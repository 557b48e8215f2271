"""What a drift of the inputs shows in, of pictures whose brightness is known."""

from __future__ import annotations

import numpy as np
import pytest

from inference_worker.views import input_statistics
from model_registry.preprocessing import image_decode
from model_registry.preprocessing.image import DecodedImage
from tests.inference_worker_tests.factories import Bench, png, square_image


def decoded(**fields: object) -> DecodedImage:
    return DecodedImage(stored=np.zeros((40, 20), np.uint8), bits_stored=8, stored_range=(0, 255), **fields)  # type: ignore[arg-type]


def test_brightness_is_that_of_the_tissue_alone() -> None:
    preview = np.zeros((10, 10), np.uint8)
    preview[:, :2] = 51
    preview[:, 2:4] = 153
    found = input_statistics(image=decoded(manufacturer="MAKER"), preview=preview)
    assert found == {
        "rows": 40,
        "columns": 20,
        "manufacturer": "MAKER",
        "tissue_share": 0.4,
        "brightness_mean": pytest.approx(0.4),
        "brightness_deviation": pytest.approx(0.2),
    }


def test_a_black_picture_has_no_brightness() -> None:
    found = input_statistics(image=decoded(), preview=np.zeros((4, 4), np.uint8))
    assert found == {"rows": 40, "columns": 20, "manufacturer": "", "tissue_share": 0.0}


def test_an_order_reports_them_for_every_image(bench: Bench) -> None:
    package = bench.package_add()
    data = png(square_image(row=16, column=16))
    assert image_decode(data=data, media_type="image/png").rows == 128
    order = bench.order(package, bench.image_add(data))
    result = bench.pipeline.run(order=order, checkpoint=lambda stage: None)
    (image,) = result.images
    assert image.input_statistics is not None
    assert (image.input_statistics["rows"], image.input_statistics["columns"]) == (128, 96)
    # the square alone is brighter than the background of 10 of 255, which the threshold just takes in
    assert image.input_statistics["tissue_share"] == pytest.approx(1.0)
