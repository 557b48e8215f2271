"""Masks become circles in the pixels of their image, or a stated problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.masks import mask_circle, mask_read, record_locate
from model_registry.datasets.records import ImageRecord
from tests.model_registry_tests.datasets_tests.trees import dicom, picture, put


def square(size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[10:20, 30:40] = True
    return mask


def test_a_circle_surrounds_every_marked_pixel() -> None:
    column, row, radius = mask_circle(square((60, 80)), image_hw=(60, 80)) or (0, 0, 0)
    assert (column, row) == pytest.approx((34.5, 14.5), abs=0.05)
    rows, columns = np.nonzero(square((60, 80)))
    assert np.hypot(rows - row, columns - column).max() <= radius <= 4.5 * 2**0.5 + 0.6


def test_a_smaller_mask_is_scaled_and_one_of_another_shape_refused() -> None:
    column, row, radius = mask_circle(square((60, 80)), image_hw=(120, 160)) or (0, 0, 0)
    assert (column, row) == pytest.approx((69.5, 29.5), abs=0.05)
    assert radius == pytest.approx(2 * (4.5 * 2**0.5 + 0.5), abs=0.1)
    with pytest.raises(DatasetError) as refused:
        mask_circle(square((60, 80)), image_hw=(160, 120))
    assert refused.value.code == "dataset:mask_size_differs"
    assert mask_circle(np.zeros((4, 4), dtype=bool), image_hw=(4, 4)) is None


def test_an_eight_bit_dicom_mask_is_read(tmp_path: Path) -> None:
    path = dicom(tmp_path / "m.dcm", size=(30, 20), dtype=np.uint8, square=(slice(5, 8), slice(6, 12)))
    mask = mask_read(path)
    assert (mask.shape, int(mask.sum()), bool(mask[5, 6])) == ((30, 20), 18, True)


@pytest.mark.parametrize(
    ("name", "code"),
    [("empty.dcm", "dataset:mask_empty"), ("broken.png", "dataset:image_unreadable"), ("wide.png", "dataset:mask_size_differs")],
)
def test_a_mask_that_cannot_be_used_unlocates_the_image(tmp_path: Path, name: str, code: str) -> None:
    image = picture(tmp_path / "image.png", size=(30, 20))
    masks = {
        "empty.dcm": dicom(tmp_path / "empty.dcm", size=(30, 20), dtype=np.uint8),
        "broken.png": put(tmp_path / "broken.png", b"\x89PNG\r\n\x1a\n broken"),
        "wide.png": picture(tmp_path / "wide.png", size=(20, 30)),
    }
    record = ImageRecord("i", image, "image/png", "malignant", mask_paths=(masks[name],), mask_labels=("malignant",))
    located, problems = record_locate(record, classes=("benign", "malignant"))
    assert (located.lesions, located.is_located, [problem.code for problem in problems]) == ((), False, [code])
