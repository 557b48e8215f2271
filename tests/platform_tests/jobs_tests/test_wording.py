"""Words about results: every caution has them, and a weak heatmap cannot pass for a strong one."""

from __future__ import annotations

import pytest

from inference_worker.contract.results import Caution
from jobs.wording import CAUTIONS, caution_message, scaling_text, segmentation_text


def test_every_caution_has_words() -> None:
    assert set(CAUTIONS) == {caution.value for caution in Caution}
    assert all(text.endswith(".") for text in CAUTIONS.values())


def test_a_caution_of_a_newer_worker_is_shown_by_its_code() -> None:
    assert caution_message("implant_seen") == "The worker marked this image: implant seen."


def test_a_weak_map_is_called_weak() -> None:
    assert "reaches 3% of it" in scaling_text(scaling="package_reference", raw_maximum=0.03, scale_maximum=1.0)


def test_a_blank_map_is_called_blank() -> None:
    for scaling in ("package_reference", "image_maximum"):
        assert "left blank" in scaling_text(scaling=scaling, raw_maximum=0.0, scale_maximum=0.0)


def test_colours_scaled_by_the_image_itself_are_called_incomparable() -> None:
    assert "cannot be compared" in scaling_text(scaling="image_maximum", raw_maximum=0.4, scale_maximum=0.4)


def test_a_masks_colours_are_probabilities() -> None:
    words = scaling_text(scaling="mask_probability", raw_maximum=0.8, scale_maximum=1.0)
    assert words.startswith("Colours run from 0 to 100% probability")
    assert "left blank" in scaling_text(scaling="mask_probability", raw_maximum=0.0, scale_maximum=1.0)


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        ("patient", "calibrated in the breast"),
        ("detector", "magnification is not corrected"),
        ("unstated", "does not say whether"),
        ("of a newer worker", "does not say whether"),
        (None, "no area in square millimetres"),
    ],
)
def test_an_area_says_what_it_rests_on(plane: str | None, words: str) -> None:
    assert words in segmentation_text(regions=2, maximum_probability=0.9, threshold=0.5, spacing_plane=plane)


@pytest.mark.parametrize(("maximum", "shown"), [(0.0, "0.0%"), (0.123, "12.3%"), (0.49999, "49.9%")])
def test_an_empty_mask_says_so_and_how_near_it_came(maximum: float, shown: str) -> None:
    words = segmentation_text(regions=0, maximum_probability=maximum, threshold=0.5, spacing_plane="detector")
    assert words == f"No lesion segmented: nowhere does the mask reach 50%. Its highest probability is {shown}."
