"""From the bytes of a DICOM object to the score a person reads, through the worker's own pipeline, by hand.

test_recipe_networks does the same with a real network for each recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference_worker.contract.failures import CodedError
from inference_worker.contract.results import StudyResult
from model_registry.building.golden import drawings
from model_registry.packaging import Package
from tests.inference_worker_tests.factories import Bench
from tests.model_registry_tests.preprocessing_tests.reference_packages import LABELS, answer, reference_package
from tests.model_registry_tests.preprocessing_tests.reference_recipes import RECIPES, dicom_levels, variants

SCORED = ("mono1, 12 bits, one window", "14 bits, two windows", "signed, rescaled", "mono1, VOI table before window", "sigmoid")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def study_run(bench: Bench, package: Package, *, names: tuple[str, ...] = SCORED) -> StudyResult:
    bench.package_store(package)
    images = [
        bench.image_add(variants()[name].to_bytes(), image_id=f"image-{index}", media_type="application/dicom")
        for index, name in enumerate(names)
    ]
    return bench.pipeline.run(order=bench.order(package, *images), checkpoint=lambda stage: None)


@pytest.mark.parametrize("profile", RECIPES)
def test_label_probabilities_and_their_order_are_those_worked_out_by_hand(bench: Bench, profile: str) -> None:
    classes, suspicious = LABELS[profile]
    result = study_run(bench, reference_package(bench.folder / "built", profile, images=drawings()))
    assert result.classes == classes
    for name, image in zip(SCORED, result.images, strict=True):
        logits, probabilities, _ = answer(profile, RECIPES[profile](dicom_levels(variants()[name].to_bytes())))
        assert list(image.probabilities or {}) == list(image.logits or {}) == list(classes)
        np.testing.assert_allclose(list((image.logits or {}).values()), logits, atol=1e-4)
        np.testing.assert_allclose(list((image.probabilities or {}).values()), probabilities, atol=1e-5)
        assert image.label == classes[int(probabilities.argmax())]
        by_hand = sum(probability for label, probability in zip(classes, probabilities, strict=True) if label in suspicious)
        assert image.suspicion == pytest.approx(by_hand, abs=1e-5)
        assert image.image_laterality == {"14 bits, two windows": "R", "sigmoid": "L"}.get(name)


def test_the_images_scored_do_not_all_get_one_label(tmp_path: Path) -> None:
    """A head that said the same of everything would prove no order."""
    labels = set()
    for profile in ("clahe-227", "rgb-224", "grey-244", "grey-224", "rgb255-260"):
        for name in SCORED:
            _, probabilities, _ = answer(profile, RECIPES[profile](dicom_levels(variants()[name].to_bytes())))
            labels.add((profile, LABELS[profile][0][int(probabilities.argmax())]))
            assert len(set(np.round(probabilities, 6))) == len(probabilities)
    assert len(labels) >= 7


def test_the_one_sigmoid_of_the_fifth_system_is_benign_below_a_half_and_malignant_above(bench: Bench) -> None:
    result = study_run(bench, reference_package(bench.folder / "built", "rgb255-260", images=drawings()))
    for name, image in zip(SCORED, result.images, strict=True):
        tensor = RECIPES["rgb255-260"](dicom_levels(variants()[name].to_bytes()))
        malignant = 1 / (1 + np.exp(-(9.0 * tensor.mean(dtype=np.float64) / 255 - 2.0)))
        assert (image.probabilities or {})["malignant"] == pytest.approx(malignant, abs=1e-5)
        assert image.label == ("malignant" if malignant > 0.5 else "benign")


def test_a_package_whose_labels_changed_places_never_serves(bench: Bench) -> None:
    swapped = ("Malignant", "Benign_Without_Callback", "Benign", "Normal")
    package = reference_package(bench.folder / "built", "grey-244", images=drawings(), classes=swapped)
    with pytest.raises(CodedError) as caught:
        study_run(bench, package)
    assert caught.value.code == "model:golden_mismatch"
    assert "Malignant" in caught.value.detail
