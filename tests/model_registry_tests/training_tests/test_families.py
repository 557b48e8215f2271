"""Every family of the zoo takes two steps of its own recipe on a small collection; what is too heavy for that is only built."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from model_registry.export.onnx_export import keras_to_onnx
from model_registry.training.config_read import config_names, config_path, config_read
from model_registry.training.ensemble import ensemble_build
from model_registry.training.judging import predict
from model_registry.training.loop import Fit, Input
from model_registry.training.networks import families, network_build
from model_registry.training.samples import Sample
from tests.model_registry_tests.training_tests.drawn import config_of, film_config, films, pictures

# recipe → sides and channels of its small input; the U-Net and AlexNet are thinned as well
STEPPED: dict[str, tuple[int, int]] = {
    "clahe-cnn": (48, 1),
    "density-simple": (32, 3),
    "density-alexnet": (67, 3),
    "callback-cnn": (48, 1),
    "baseline": (32, 1),
    "overfitting": (32, 1),
    "deeper": (64, 1),
    "callback-mobilenetv2": (32, 1),
    "modified-unet": (32, 1),
}
OPTIONS: dict[str, dict[str, Any]] = {"density-alexnet": {"width": 0.05}, "modified-unet": {"width": 4}}
BUILT = ("density-shufflenet", "density-densenet121", "density-efficientnetv2-b0", "multi-branch", "efficientnet-b0")


def recipe(name: str, **options: Any) -> Any:
    changes: dict[str, Any] = {"model": {"weights_path": None, "options": options}, "batch_size": 4}
    config = config_read(config_path(name), variables={"DATA": "", "WEIGHTS": ""}, changes=changes)
    return config.model_copy(update={"phases": tuple(phase.model_copy(update={"epochs": 1}) for phase in config.phases[:1])})


def test_stepped_and_built_recipes_and_their_siblings_are_all_that_ship() -> None:
    covered = {recipe(name).model.family for name in (*STEPPED, *BUILT)}
    siblings = {"regularised", "narrower", "wider", "naive-baseline", "vgg16", "resnet50", "efficientnet-b2", "efficientnet-b3"}
    assert covered | siblings | {"dog-fpn"} == set(families())
    assert set(families()) == {recipe(name).model.family for name in config_names()}


@pytest.mark.parametrize("name", STEPPED)
def test_a_recipe_takes_two_steps_and_its_weights_move(name: str, tmp_path: Path) -> None:
    config = recipe(name, **OPTIONS.get(name, {}))
    size, channels = STEPPED[name]
    labels = len(config.model.labels)
    scale = 255.0 if name == "clahe-cnn" else 1.0
    samples = pictures(tmp_path, count=2 * max(labels, 4), size=size, labels=labels, scale=scale, channels=channels)
    if config.loss.kind == "dice-bce":
        samples = [
            dataclasses.replace(s, lesions=np.array([[16.0, 16.0, 6.0, 1.0]] if s.label else []).reshape(-1, 4)) for s in samples
        ]
    (tmp_path / "run").mkdir()
    given = Input((size, size, channels), has_mask=False, full_scale=scale)
    watched = samples if config.monitors else []
    fit = Fit(config=config, given=given, training=samples, watched=watched, folder=tmp_path / "run", steps=2)
    before = [np.asarray(v.value) for v in fit.model.trainable_variables]
    figures: list[dict[str, float]] = []
    fit.run(report=lambda progress: figures.append(progress.figures), stop=lambda: False)
    assert np.isfinite(list(figures[0].values())).all()
    if config.early_stopping is None:
        moved = [
            not np.array_equal(old, np.asarray(v.value)) for old, v in zip(before, fit.model.trainable_variables, strict=True)
        ]
        assert sum(moved) >= 2


@pytest.mark.parametrize("name", BUILT)
def test_a_heavy_recipe_is_built(name: str) -> None:
    config = recipe(name)
    channels = 4 if name == "multi-branch" else 3
    built = network_build(config, input_shape=(64, 64, channels))
    assert built.classes == config.model.labels


@pytest.mark.slow
def test_an_ensemble_answers_with_the_mean_of_its_members_and_explains_that(tmp_path: Path) -> None:
    samples = films(tmp_path, count=3)
    shape = samples[0].tensor.shape
    members = [network_build(film_config(), input_shape=shape, seed=seed) for seed in (0, 1)]
    exported = [keras_to_onnx(zoo_model=member) for member in members]
    apart = [predict(exported=one, samples=samples) for one in exported]
    together = keras_to_onnx(zoo_model=ensemble_build(members))
    found = predict(exported=together, samples=samples)
    np.testing.assert_allclose(found.logits, np.mean([one.logits for one in apart], axis=0), rtol=1e-4, atol=1e-5)
    assert together.targets == exported[0].targets
    # Grad-CAM's weights are means of gradients: each member's, halved, over maps side by side
    assert found.heatmaps is not None
    assert found.heatmaps.shape == (3, 4, 16, 12)
    assert found.heatmaps.max() > 0


def test_sigmoid_and_softmax_of_one_family_learn_alike_labels(tmp_path: Path) -> None:
    for activation in ("softmax", "sigmoid"):
        config = config_of(model={"family": "simple", "activation": activation}, phases=[{"epochs": 30, "learning_rate": 1e-3}])
        samples: list[Sample] = pictures(tmp_path, count=12)
        (tmp_path / activation).mkdir()
        given = Input((32, 32, 1), has_mask=False, full_scale=1.0)
        fit = Fit(config=config, given=given, training=samples, watched=(), folder=tmp_path / activation, steps=None)
        zoo_model = fit.run(report=lambda progress: None, stop=lambda: False)
        logits = np.asarray(zoo_model.keras_model(np.stack([s.tensor for s in samples]))["logits"])
        assert (logits.argmax(axis=1) == [s.label for s in samples]).all()
