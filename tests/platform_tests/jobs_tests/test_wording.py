"""Words about results: every caution has them, and a weak heatmap cannot pass for a strong one."""

from __future__ import annotations

from inference_worker.contract.results import Caution
from jobs.wording import CAUTIONS, caution_message, scaling_text


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
