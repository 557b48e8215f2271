"""Keras → ONNX where it is easily wrong: layers that end channel-last, several suspicious classes, masks, one sigmoid."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from inference_worker.batching import ModelOutput  # noqa: E402
from inference_worker.scoring import image_scores  # noqa: E402
from model_registry.building.errors import ExportError, FactsInvalid  # noqa: E402
from model_registry.building.exported import ExportedModel  # noqa: E402
from model_registry.building.package_build import PackageFacts, package_build  # noqa: E402
from model_registry.building.sessions import session_create, session_run  # noqa: E402
from model_registry.export.onnx_export import keras_to_onnx  # noqa: E402
from model_registry.packaging.manifest import Calibration, IntendedUse, Provenance  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from model_registry.zoo.registry import zoo_build  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import tape_heatmaps, weights_spread  # noqa: E402
from tests.model_registry_tests.export_tests.small import COLUMNS, PROFILE, ROWS, tensors  # noqa: E402

THREE = ("normal", "benign", "malignant")


def run(exported: ExportedModel, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return session_run(session_create(exported.explained), names=exported.tensors, batch=batch)


def drawn(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(1).random((3, *shape), dtype=np.float32) * np.array([1, 2, 4], np.float32)[:, None, None, None]


def reshaped_cam(*, rows: int, columns: int, channels: int) -> ZooModel:
    """The CAM layer is a Reshape: in the graph there is no transposition to step back over, and with three equal sizes no shape
    tells rows from channels."""
    image = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.Dense(rows * columns * channels, activation="relu")(layers.Flatten()(x))
    cam = layers.Reshape((rows, columns, channels))(x)
    features = layers.Flatten()(layers.Conv2D(2, 3, padding="same", activation="tanh")(cam))
    logits = layers.Dense(3)(features)
    model = keras.Model(image, {"logits": logits, "scores": layers.Identity()(logits), "cam": cam})
    weights_spread(model)
    return ZooModel("reshaped", model, (16, 16, 1), THREE, THREE)


@pytest.mark.parametrize("sizes", [(4, 6, 5), (5, 5, 5)])
def test_a_layer_that_ends_channel_last_is_turned_and_not_misread(sizes: tuple[int, int, int]) -> None:
    rows, columns, channels = sizes
    built = reshaped_cam(rows=rows, columns=columns, channels=channels)
    images = drawn(built.input_shape)
    logits, maps = tape_heatmaps(built.keras_model, images)
    exported = keras_to_onnx(zoo_model=built)
    found = run(exported, images)
    assert exported.grid_hw == (rows, columns)
    assert maps.max() > 0
    np.testing.assert_allclose(found[0], logits, atol=1e-4)
    np.testing.assert_allclose(found[2], maps, atol=1e-4 * maps.max())


def test_converting_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF2ONNX_CATCH_ERRORS", raising=False)
    keras_to_onnx(zoo_model=reshaped_cam(rows=2, columns=2, channels=2))
    assert "TF2ONNX_CATCH_ERRORS" not in os.environ


def test_several_suspicious_classes_get_a_map_of_their_own() -> None:
    built = zoo_build("simple", classes=THREE, input_shape=(32, 32, 1))
    weights_spread(built.keras_model)
    images = drawn(built.input_shape)
    logits, probabilities, heatmaps = run(exported := keras_to_onnx(zoo_model=built, suspicion_classes=THREE[1:]), images)
    assert exported.targets == (*THREE, "suspicion")
    with_odds = keras.Model(
        built.keras_model.inputs,
        {
            **{name: built.keras_model.output[name] for name in ("logits", "cam")},
            "scores": keras.ops.logsumexp(built.keras_model.output["logits"][:, 1:], axis=1, keepdims=True)
            - built.keras_model.output["logits"][:, :1],
        },
    )
    _, maps = tape_heatmaps(with_odds, images)
    assert maps.max() > 0
    np.testing.assert_allclose(heatmaps[:, 3:], maps, atol=1e-4 * maps.max())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert logits.shape == (3, 3)


def test_a_segmentation_models_heatmaps_are_its_mask() -> None:
    built = zoo_build("modified-unet", classes=("normal", "lesion"), activation="sigmoid", input_shape=(32, 48, 1), width=4)
    weights_spread(built.keras_model)
    images = drawn(built.input_shape)
    exported = keras_to_onnx(zoo_model=built)
    _, probabilities, heatmaps = run(exported, images)
    outputs = built.keras_model(images, training=False)
    assert (exported.method, exported.targets, exported.grid_hw) == ("mask", ("lesion",), (32, 48))
    np.testing.assert_allclose(heatmaps, np.moveaxis(np.asarray(outputs["mask"]), -1, 1), atol=1e-5)
    np.testing.assert_allclose(probabilities[:, 1], heatmaps.max(axis=(1, 2, 3)), atol=1e-5)


def test_a_mask_of_several_classes_keeps_the_lesions_and_needs_to_know_them() -> None:
    built = zoo_build("modified-unet", classes=THREE, input_shape=(32, 32, 1), width=4)
    weights_spread(built.keras_model)
    images = drawn(built.input_shape)
    with pytest.raises(ExportError, match="lesions"):
        keras_to_onnx(zoo_model=built)
    exported = keras_to_onnx(zoo_model=built, suspicion_classes=("malignant",))
    mask = np.asarray(built.keras_model(images, training=False)["mask"])
    np.testing.assert_allclose(run(exported, images)[2][:, 0], mask[..., 2], atol=1e-5)


def facts(**changes: Any) -> PackageFacts:
    fields: dict[str, Any] = {
        "name": "small",
        "version": "1.0.0",
        "title": "Small",
        "classes": ("benign", "malignant"),
        "suspicion_classes": ("malignant",),
        "threshold": 0.5,
        "intended_use": IntendedUse(statement="For tests."),
        "provenance": Provenance(
            architecture="a", training_data="none", training_command="none", licence="none", parameters=1, created="2026-01-01"
        ),
    }
    return PackageFacts(**{**fields, **changes})


def test_one_sigmoid_says_the_same_in_keras_in_the_package_and_in_the_worker(tmp_path: Any) -> None:
    built = zoo_build("simple", classes=("benign", "malignant"), activation="sigmoid", input_shape=(ROWS, COLUMNS, 1))
    weights_spread(built.keras_model)
    calibration = Calibration(temperature=2.5, fitted_on="nothing")
    package = package_build(
        folder=tmp_path, exported=keras_to_onnx(zoo_model=built), facts=facts(calibration=calibration), profile=PROFILE
    )
    assert package.manifest.output_activation == "softmax"
    assert package.manifest.explanation.targets == ("benign", "malignant")
    for tensor, case in zip(tensors(), package.manifest.golden, strict=True):
        z = float(np.asarray(built.keras_model(tensor[np.newaxis], training=False)["scores"])[0, 1])
        with np.load(package.golden_paths(case)[1]) as arrays:
            output = ModelOutput(arrays["logits"], arrays["probabilities"], arrays["heatmaps"])
        scores = image_scores(output=output, manifest=package.manifest)
        assert scores.probabilities["malignant"] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)
        assert scores.calibrated_probabilities is not None
        assert scores.calibrated_probabilities["malignant"] == pytest.approx(1 / (1 + np.exp(-z / 2.5)), abs=1e-5)
        assert scores.suspicion == scores.calibrated_probabilities["malignant"]


def test_facts_that_contradict_the_graph_are_refused(tmp_path: Any) -> None:
    built = zoo_build("simple", classes=THREE, input_shape=(ROWS, COLUMNS, 1))
    exported = keras_to_onnx(zoo_model=built)
    wrong = (
        facts(classes=THREE, output_activation="sigmoid"),
        facts(classes=THREE, task="segmentation"),
        facts(classes=THREE, suspicion_target="suspicion"),
        facts(classes=THREE, suspicion_classes=("benign", "malignant")),
    )
    for stated in wrong:
        with pytest.raises(FactsInvalid):
            package_build(folder=tmp_path, exported=exported, facts=stated, profile=PROFILE)
    assert not list(tmp_path.iterdir())
