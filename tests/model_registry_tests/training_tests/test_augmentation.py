"""One warp for picture, lesions and masks; exposure in units of full scale; nothing where nothing is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from model_registry.training.augmentation import Example, example_augment
from model_registry.training.config import AugmentationSection
from model_registry.training.config_read import config_path, config_read
from tests.model_registry_tests.training_tests.drawn import breast

FILM = config_read(config_path("dog-fpn-film"), variables={"DATA": ""}).augmentation
QUIET = FILM.model_copy(update={"noise": 0.0, "brightness": 0.0, "gain": 0.0, "gamma": (1.0, 1.0)})


def augmented(example: Example, settings: AugmentationSection, seed: int = 0, **options: object) -> Example:
    given = {"has_mask": True, "full_scale": 1.0, **options}
    return example_augment(example, settings=settings, random=np.random.default_rng(seed), **given)  # type: ignore[arg-type]


def test_a_lesion_and_its_mask_stay_on_the_bright_spot() -> None:
    lesion = (40.0, 60.0, 8.0)
    grid_rows, grid_columns = np.mgrid[0:128, 0:96]
    mask = (np.hypot(grid_columns - lesion[0], grid_rows - lesion[1]) <= lesion[2]).astype(np.float32)[..., None]
    example = Example(breast(lesion=lesion, seed=0), np.array([[*lesion, 2.0]]), mask)
    for seed in range(25):
        found = augmented(example, QUIET, seed)
        column, row, radius, label = found.lesions[0]
        brightest = np.unravel_index(found.tensor[..., 0].argmax(), found.tensor.shape[:2])
        assert np.hypot(brightest[0] - row, brightest[1] - column) < 2.0
        assert 8 * np.exp(-0.3) < radius < 8 * np.exp(0.3)
        assert label == 2
        assert found.masks is not None
        assert found.masks.shape == (128, 96, 1)
        centre = np.average(grid_rows, weights=found.masks[..., 0]), np.average(grid_columns, weights=found.masks[..., 0])
        assert np.hypot(centre[0] - row, centre[1] - column) < 1.0


def test_what_is_off_the_breast_stays_black_and_the_mask_is_not_re_exposed() -> None:
    found = augmented(Example(breast(lesion=None, seed=1, breast_columns=48), np.zeros((0, 4))), FILM, 3)
    assert np.abs(found.tensor[..., 0][found.tensor[..., 1] == 0]).max() == 0
    assert found.tensor.dtype == np.float32
    assert (found.tensor[..., 1].min(), found.tensor[..., 1].max()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))


def test_nothing_asked_for_changes_nothing() -> None:
    example = Example(breast(lesion=None, seed=2), np.array([[1.0, 2.0, 3.0, 1.0]]))
    found = augmented(example, AugmentationSection(), has_mask=False)
    np.testing.assert_array_equal(found.tensor[..., 0], example.tensor[..., 0])
    np.testing.assert_array_equal(found.lesions, example.lesions)


def test_exposure_is_in_units_of_full_scale_and_alike_in_all_channels() -> None:
    grey = np.random.default_rng(0).uniform(0, 1, (32, 32, 1)).astype(np.float32)
    settings = AugmentationSection(gamma=(0.5, 2.0), gain=0.3, brightness=0.1, noise=0.05)
    small = augmented(Example(np.repeat(grey, 3, axis=-1), np.zeros((0, 4))), settings, has_mask=False)
    large = augmented(Example(np.repeat(grey * 255, 3, axis=-1), np.zeros((0, 4))), settings, has_mask=False, full_scale=255.0)
    np.testing.assert_allclose(large.tensor, small.tensor * 255, rtol=1e-3, atol=1e-2)
    np.testing.assert_array_equal(small.tensor[..., 0], small.tensor[..., 2])
    assert np.abs(small.tensor[..., 0] - grey[..., 0]).max() > 0.05


def test_a_horizontal_flip_mirrors_and_erasing_blackens_a_box() -> None:
    picture = np.full((40, 40, 1), 0.5, np.float32)
    picture[:, :10] = 1
    flipped = augmented(
        Example(picture, np.array([[5.0, 20.0, 3.0, 1.0]])), AugmentationSection(horizontal_flip=1), has_mask=False
    )
    np.testing.assert_allclose(flipped.tensor[..., 0], picture[:, ::-1, 0])
    np.testing.assert_allclose(flipped.lesions, [[34.0, 20.0, 3.0, 1.0]])
    settings = AugmentationSection(erase=1, erase_area=0.25)
    erased = [augmented(Example(picture, np.zeros((0, 4))), settings, seed, has_mask=False).tensor for seed in range(20)]
    shares = [float((tensor == 0).mean()) for tensor in erased]
    assert 0 < max(shares) <= 0.27
    assert len(set(shares)) > 10


def test_the_same_seed_gives_the_same_image_and_another_does_not() -> None:
    example = Example(breast(lesion=None, seed=4), np.zeros((0, 4)))
    first, again, other = (augmented(example, FILM, seed).tensor for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
