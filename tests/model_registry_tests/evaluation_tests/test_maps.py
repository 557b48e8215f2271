"""The pointing game and masks, on maps whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model_registry.evaluation.bootstrap import Resampling
from model_registry.evaluation.cases import Cases
from model_registry.evaluation.maps import pointing_of_targets, pointing_table, segmentation_table
from model_registry.evaluation.pointing import Grid
from model_registry.evaluation.segmentation import mask_compare
from tests.model_registry_tests.evaluation_tests.cases import CLASSES, SUSPICIOUS

GRID = Grid((6, 4), (48, 32))


def cases_with(*lesions: list[tuple[float, float, float, int]], **changes: Any) -> Cases:
    """Images whose label is that of their first lesion, 0 without one; each a patient."""
    labels = [found[0][3] if found else 0 for found in lesions]
    given = Cases(
        labels=np.array(labels),
        groups=np.arange(len(lesions)),
        lesions=tuple(np.array(found, dtype=float).reshape(-1, 4) for found in lesions),
        is_located=np.ones(len(lesions), dtype=bool),
        input_hw=(48, 32),
    )
    return replace(given, **changes)


def maps_at(*places: tuple[int, int] | None) -> np.ndarray:
    """(n, 1, 6, 4), a single cell at (row, column); all zero for None."""
    found = np.zeros((len(places), 1, 6, 4), np.float32)
    for index, place in enumerate(places):
        if place is not None:
            found[index, 0, place[0], place[1]] = 2.0
    return found


def hits(cases: Cases, heatmaps: np.ndarray, target: str = "suspicion") -> np.ndarray:
    found = pointing_of_targets(cases=cases, heatmaps=heatmaps, classes=CLASSES, suspicion_classes=SUSPICIOUS, targets=(target,))
    return found[target].hit


def test_a_map_points_at_the_centre_of_its_highest_cell() -> None:
    """Cell (2, 3) has its centre at column 27.5, row 19.5; half a diagonal is 5.66 pixels."""
    assert GRID.tolerance == pytest.approx(32**0.5)
    near, at_edge, beyond = [(27.5, 24.5, 1.0, 1)], [(11.5, 19.5, 16.0, 2)], [(11.5, 19.5, 15.9, 2)]
    small_and_far = [(27.5, 25.5, 1.0, 1)]
    cases = cases_with(near, at_edge, beyond, small_and_far, [])
    found = hits(cases, maps_at(*[(2, 3)] * 5))
    assert found[:4].tolist() == [1, 1, 0, 0]
    assert np.isnan(found[4])  # nothing to point at


def test_an_empty_map_and_a_negative_one_point_nowhere() -> None:
    cases = cases_with(*[[(16.0, 24.0, 50.0, 1)]] * 2)
    assert hits(cases, np.stack([np.zeros((1, 6, 4)), np.full((1, 6, 4), -1.0)]).astype(np.float32)).tolist() == [0, 0]


def test_each_map_is_held_against_lesions_of_its_kind() -> None:
    cases = cases_with([(27.5, 19.5, 4.0, 1)], [(27.5, 19.5, 4.0, 2)])
    maps = maps_at((2, 3), (2, 3))
    assert hits(cases, maps).tolist() == [1, 1]
    malignant = hits(cases, maps, "malignant")
    assert np.isnan(malignant[0])
    assert malignant[1] == 1
    assert not pointing_of_targets(cases=cases, heatmaps=maps, classes=CLASSES, suspicion_classes=SUSPICIOUS, targets=("normal",))


def test_an_abnormal_image_whose_lesion_is_somewhere_is_left_out() -> None:
    cases = cases_with([(27.5, 19.5, 4.0, 1)], is_located=np.array([False]))
    assert not pointing_of_targets(
        cases=cases, heatmaps=maps_at((2, 3)), classes=CLASSES, suspicion_classes=SUSPICIOUS, targets=("suspicion",)
    )


def test_energy_and_chance_by_counting_cells() -> None:
    """A lesion of three cells in a breast of twelve, and a map with a quarter of its mass on it."""
    cells = [(3.5, 3.5, 1.0, 1), (11.5, 3.5, 1.0, 1), (3.5, 11.5, 1.0, 1)]
    breast = np.zeros((48, 32), dtype=bool)
    breast[:, :16] = True
    heatmap = np.zeros((1, 1, 6, 4), np.float32)
    heatmap[0, 0, 0, 0], heatmap[0, 0, 5, 3] = 1.0, 3.0
    found = pointing_of_targets(
        cases=cases_with(cells, breasts=(breast,)),
        heatmaps=heatmap,
        classes=CLASSES,
        suspicion_classes=SUSPICIOUS,
        targets=("suspicion",),
    )["suspicion"]
    assert (found.hit[0], found.energy[0], found.chance[0]) == (0.0, pytest.approx(0.25), pytest.approx(3 / 12))


def test_the_usual_place_is_that_of_other_patients() -> None:
    here, there = [(3.5, 3.5, 3.0, 1)], [(27.5, 43.5, 3.0, 1)]
    cases = cases_with(here, here, here, there)
    found = pointing_of_targets(
        cases=cases,
        heatmaps=maps_at(*[(0, 0)] * 4),
        classes=CLASSES,
        suspicion_classes=SUSPICIOUS,
        targets=("suspicion",),
    )
    assert found["suspicion"].by_place.tolist() == [1, 1, 1, 0]
    one_woman = pointing_of_targets(
        cases=replace(cases_with(here, here), groups=np.array([7, 7])),
        heatmaps=maps_at((0, 0), (0, 0)),
        classes=CLASSES,
        suspicion_classes=SUSPICIOUS,
        targets=("suspicion",),
    )
    assert one_woman["suspicion"].by_place.tolist() == [0, 0]  # her own lesions tell nothing about her
    table = pointing_table(pointing=found, resampling=Resampling(groups=cases.groups, draws=50), on_breast=False)
    name, images, hit, *_ = table.rows[0]
    assert (name, images, hit.value) == ("suspicion", 4, 0.75)  # type: ignore[union-attr]


def test_a_mask_counts_where_there_is_one() -> None:
    mask = np.zeros((48, 32), dtype=bool)
    mask[40:48, 24:32] = True
    cases = cases_with([(3.5, 3.5, 2.0, 1)], masks=(mask,))
    assert hits(cases, maps_at((5, 3))).tolist() == [1]
    assert hits(cases, maps_at((0, 0))).tolist() == [0]


def test_masks_by_hand() -> None:
    truth, predicted = np.zeros((2, 20, 20), dtype=bool)
    truth[2:6, 2:6] = truth[12:16, 12:16] = True  # two lesions of 16 pixels
    predicted[2:6, 4:8] = True  # 8 of the first
    predicted[0, 19] = predicted[19, 0] = True  # two findings of nothing
    found = mask_compare(predicted=predicted, truth=truth)
    assert found.dice == pytest.approx(2 * 8 / (32 + 18))
    assert found.iou == pytest.approx(8 / (32 + 18 - 8))
    assert (found.lesions, found.lesions_found, found.false_findings) == (2, 1, 2)
    nothing = mask_compare(predicted=np.zeros((4, 4), dtype=bool), truth=np.zeros((4, 4), dtype=bool))
    assert np.isnan([nothing.dice, nothing.iou]).all()


def test_the_table_of_masks_counts_lesions_findings_and_empty_images() -> None:
    mask = np.zeros((48, 32), dtype=bool)
    mask[0:16, 0:16] = True
    cases = cases_with([(8.0, 8.0, 8.0, 2)], [], [], masks=(mask, None, None))
    probabilities = np.zeros((3, 1, 48, 32), np.float32)
    probabilities[0, 0, 0:16, 0:16] = 0.9
    probabilities[2, 0, 40:, 28:] = 0.8
    table = segmentation_table(
        cases=cases,
        heatmaps=probabilities,
        classes=CLASSES,
        targets=("malignant",),
        resampling=Resampling(groups=cases.groups, draws=50),
    )
    assert table is not None
    target, images, lesions, *figures = table.rows[0]
    assert (target, images, lesions) == ("malignant", 1, 1)
    assert [figure.value for figure in figures] == [1.0, 1.0, 1.0, pytest.approx(1 / 3), 0.5]  # type: ignore[union-attr]
