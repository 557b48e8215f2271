"""Cells and pixels: where a lesion counts, where nothing is known, where nothing is."""

from __future__ import annotations

import numpy as np

from model_registry.training.config import DenseLesion
from model_registry.training.targets import cell_targets, pixel_targets

SETTINGS = DenseLesion(kind="dense-lesion")


def targets_of(
    *lesions: tuple[float, float, float, float], breast_columns: int = 96, is_located: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((128, 96), np.float32)
    mask[:, :breast_columns] = 1
    return cell_targets(mask=mask, lesions=np.array(lesions).reshape(-1, 4), is_located=is_located, settings=SETTINGS)


def test_cells_are_positive_near_the_centre_ignored_around_it_and_negative_elsewhere() -> None:
    labels, weights = targets_of((35.5, 67.5, 16.0, 2))
    assert (labels.shape, weights.shape) == ((16, 12), (16, 12))
    assert (labels[8, 4], weights[8, 4]) == (2, 30.0)  # the cell at the centre
    assert (labels[8, 5], weights[8, 5]) == (2, 30.0)  # 8 of .85 · 16 = 13.6 pixels away
    assert (labels[8, 6], weights[8, 6]) == (0, 0.0)  # 16 away: beyond 13.6, within 1.4 · 16 + 8 = 30.4
    assert (labels[8, 8], weights[8, 8]) == (0, 1.0)  # 32 away
    assert set(np.unique(labels)) == {0, 2}


def test_a_tiny_lesion_still_marks_its_cell() -> None:
    labels, weights = targets_of((36.0, 68.0, 1.5, 1))
    assert (labels == 1).sum() == 1
    assert weights[8, 4] == 30.0


def test_nothing_counts_off_the_breast() -> None:
    _, weights = targets_of(breast_columns=48)
    assert (weights[:, :6] == 1).all()
    assert (weights[:, 6:] == 0).all()


def test_nothing_counts_where_the_lesion_is_not_located() -> None:
    assert targets_of((35.5, 67.5, 16.0, 2), is_located=False)[1].sum() == 0
    assert pixel_targets(masks=np.ones((4, 4, 2), np.float32), is_located=False, units=1)[1].sum() == 0


def test_of_two_lesions_each_marks_its_own_class_and_neither_erases_the_other() -> None:
    labels, weights = targets_of((35.5, 67.5, 8.0, 1.0), (51.5, 67.5, 8.0, 2.0))
    assert (labels[8, 4], labels[8, 6]) == (1, 2)
    assert (weights[8, 4], weights[8, 6]) == (30.0, 30.0)


def test_one_unit_is_any_lesion_and_several_share_a_pixel_with_nothing_here_first() -> None:
    masks = np.zeros((2, 2, 3), np.float32)
    masks[0, 0, 1] = 1
    masks[0, 1, 1:] = 1
    one, weights = pixel_targets(masks=masks, is_located=True, units=1)
    assert one[..., 0].tolist() == [[1, 1], [0, 0]]
    assert weights.tolist() == [[1, 1], [1, 1]]
    several, _ = pixel_targets(masks=masks, is_located=True, units=3)
    assert several.tolist() == [[[0, 1, 0], [0, 0.5, 0.5]], [[1, 0, 0], [1, 0, 0]]]
