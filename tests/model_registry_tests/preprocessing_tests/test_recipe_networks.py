"""Every published recipe with a real network: from the bytes of a file to the worker's scores, which must be Keras's own.

Keras is given the tensor that the recipe's own library calls make (reference_recipes), the worker the file. Then the package is
served wrongly, one mistake at a time, and its golden inputs must notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from inference_worker.batching import ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.golden import golden_check
from inference_worker.providers import sessions_by_preference
from model_registry.packaging import Package
from model_registry.packaging.profile import Channels, Clahe, Display, PreprocessingProfile, ProfileStep, Resize, Scale
from model_registry.training.config_read import config_names
from tests.inference_worker_tests.factories import Bench
from tests.model_registry_tests.preprocessing_tests.recipe_networks import (
    GOLDEN,
    QUICK,
    SIBLINGS,
    SLOW,
    AnsweringNetwork,
    pictures,
    tensor_of,
)
from tests.model_registry_tests.preprocessing_tests.reference_recipes import RECIPES

#: What systems served with in place of what they trained with, and the most alike. test_recipe_mutations tries every kernel.
KERNELS = ("pil.bicubic", "cv2.linear", "tf.bilinear")
NAMED = QUICK | SLOW


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_every_recipe_that_ships_is_here_and_every_profile_has_a_quick_network() -> None:
    exact = {recipe.config for name, recipe in NAMED.items() if not name.endswith("light")}
    assert exact | set(SIBLINGS) == set(config_names()) - {
        "dog-fpn-film"
    }  # the shipped model's own recipe: test_shipped_packages
    assert {recipe.profile for recipe in QUICK.values()} == set(RECIPES)
    for recipe, network, rest in SIBLINGS.values():
        assert recipe.training().model.family == NAMED[network].training().model.family
        assert replace(recipe, config="") == replace(NAMED[rest], config="")


@pytest.mark.parametrize("name", [*(name for name in NAMED if "as served" not in name), *SIBLINGS])
def test_a_recipe_says_what_its_system_published(name: str) -> None:
    recipe = SIBLINGS[name][0] if name in SIBLINGS else NAMED[name]
    training = recipe.training()
    assert training.model.labels == recipe.labels
    assert training.preprocessing == recipe.profile
    assert training.model.activation == ("sigmoid" if recipe.units == 1 else "softmax")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_recipes_network_scores_a_file_as_keras_does_and_serves_with_no_other_recipe(name: str, bench: Bench) -> None:
    recipe = NAMED[name]
    shown = pictures()
    tensors = np.stack([tensor_of(recipe, data) for data, _ in shown])
    golden = np.stack([tensor_of(recipe, data) for _, data in GOLDEN])
    assert tensors.shape[1:] == recipe.shape

    network = AnsweringNetwork(recipe)
    assert network.units(tensors[:1]).shape == (1, recipe.units)
    network.spread(tensors)
    logits, probabilities = network.answers(tensors)
    assert 0.001 < probabilities.min() < probabilities.max() < 0.99, "a certain answer would hide every difference"
    assert np.ptp(probabilities, axis=0).min() > 0.03, "equal answers would compare nothing"
    assert len(set(probabilities.argmax(axis=1))) > 1, "one label for everything would prove no order"

    package = network.package(bench.folder / "built")
    assert package.manifest.classes == recipe.labels
    golden_logits, _ = network.answers(golden)
    for case, expected in zip(package.manifest.golden, golden_logits, strict=True):
        with np.load(package.golden_paths(case)[1]) as arrays:
            np.testing.assert_allclose(arrays["logits"], expected, atol=recipe.tolerance * np.abs(logits).max())

    bench.package_store(package)
    images = [
        bench.image_add(data, image_id=f"image-{index}", media_type=media_type) for index, (data, media_type) in enumerate(shown)
    ]
    result = bench.pipeline.run(order=bench.order(package, *images), checkpoint=lambda stage: None)
    assert result.classes == recipe.labels
    for image, by_keras, raw in zip(result.images, probabilities, logits, strict=True):
        assert list(image.probabilities or {}) == list(image.logits or {}) == list(recipe.labels)
        np.testing.assert_allclose(list((image.probabilities or {}).values()), by_keras, atol=recipe.tolerance)
        np.testing.assert_allclose(list((image.logits or {}).values()), raw, atol=recipe.tolerance * np.abs(logits).max())
        assert image.label == recipe.labels[int(by_keras.argmax())]
        suspicious = network.training.output.suspicion_classes
        by_hand = sum(float(by_keras[recipe.labels.index(label)]) for label in suspicious)
        assert image.suspicion == pytest.approx(by_hand, abs=len(suspicious) * recipe.tolerance)

    assert served_wrongly(bench, package) == []


# ── mistakes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def served_wrongly(bench: Bench, package: Package) -> list[str]:
    """The mistakes that the package's golden inputs let pass."""
    session = next(iter(sessions_by_preference(package=package, settings=bench.settings)))
    assert not is_refused(package, session.run)
    steps = package.manifest.preprocessing.steps
    passed = [
        mistake
        for mistake, changed in wrong_profiles(steps).items()
        if not is_refused(with_profile(package, changed), session.run)
    ]
    first, second, *others = package.manifest.classes
    for swapped in ((second, first, *others), package.manifest.classes[::-1]):
        renamed = replace(package, manifest=package.manifest.model_copy(update={"classes": swapped}))
        if not is_refused(renamed, session.run):
            passed.append(f"the labels in the order {swapped}")
    order = [*range(1, len(package.manifest.classes)), 0]
    if not is_refused(package, lambda batch: in_order(session.run(batch), order)):
        passed.append("the head's units come in another order")
    return passed


def wrong_profiles(steps: Sequence[ProfileStep]) -> dict[str, list[ProfileStep]]:
    """Each wrong step by itself, the rest as it is."""
    (resize,) = (step for step in steps if isinstance(step, Resize))
    wrong = {f"VOI {voi}": changed(steps, Display, voi=voi) for voi in ("full_range", "percentile")}
    wrong |= {f"kernel {kernel}": changed(steps, Resize, kernel=kernel) for kernel in KERNELS if kernel != resize.kernel}
    at = next(index for index, step in enumerate(steps) if isinstance(step, Channels))
    wrong["divided by 255"] = [*steps[:at], Scale(multiply=1 / 255), *steps[at:]]
    if any(isinstance(step, Scale) for step in steps):
        wrong["0–1 instead of 0–255"] = [step for step in steps if not isinstance(step, Scale)]
    else:
        wrong["0–255 instead of 0–1"] = [*steps[:at], Scale(multiply=255.0), *steps[at:]]
    if any(isinstance(step, Clahe) for step in steps):
        wrong["no CLAHE"] = [step for step in steps if not isinstance(step, Clahe)]
        wrong["another clip limit"] = changed(steps, Clahe, clip_limit=4.0)
    else:
        behind = steps.index(resize) + 1
        wrong["CLAHE"] = [*steps[:behind], Clahe(), *steps[behind:]]
    return wrong


def changed(steps: Sequence[ProfileStep], kind: type, **fields: object) -> list[ProfileStep]:
    return [step.model_copy(update=fields) if isinstance(step, kind) else step for step in steps]


def with_profile(package: Package, steps: Sequence[ProfileStep]) -> Package:
    profile = PreprocessingProfile(name="wrong", steps=tuple(steps))
    return replace(package, manifest=package.manifest.model_copy(update={"preprocessing": profile}))


def is_refused(package: Package, run: Callable[[np.ndarray], ModelOutput]) -> bool:
    try:
        golden_check(package=package, run=run)
    except CodedError as error:
        return str(error.code) == "model:golden_mismatch"
    return False


def in_order(output: ModelOutput, order: Sequence[int]) -> ModelOutput:
    return ModelOutput(output.logits[:, order], output.probabilities[:, order], output.heatmaps)
