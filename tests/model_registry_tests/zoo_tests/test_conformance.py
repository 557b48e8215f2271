"""The conformance kit: what every family must pass before it is trained. A new family adds one line to SMALL.

Families run at small inputs, AlexNet and the U-Net also at a fraction of their width; full sizes are only built (test_registry).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

keras = pytest.importorskip("keras")

from model_registry.export.onnx_export import keras_to_onnx  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from model_registry.zoo.registry import zoo_build, zoo_names  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import tape_heatmaps  # noqa: E402

THREE = ("Benign", "Cancer", "Normal")
TWO = ("benign", "malignant")
SMALL: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {
    "simple": ((32, 40, 3), {}),
    "shufflenet": ((64, 64, 3), {}),
    "densenet121": ((64, 64, 1), {}),
    "efficientnetv2-b0": ((64, 64, 3), {}),
    "vgg16": ((64, 64, 3), {"head": "average-dense"}),
    "resnet50": ((64, 64, 1), {}),
    "mobilenetv2": ((64, 64, 3), {}),
    "alexnet": ((99, 99, 3), {"width": 0.125}),
    "clahe-cnn": ((64, 64, 1), {}),
    "callback-cnn": ((64, 64, 1), {}),
    "naive-baseline": ((64, 64, 1), {}),
    "baseline": ((64, 64, 1), {}),
    "overfitting": ((64, 64, 1), {}),
    "regularised": ((64, 64, 1), {}),
    "wider": ((64, 64, 1), {}),
    "deeper": ((128, 128, 1), {}),
    "narrower": ((64, 64, 1), {}),
    "multi-branch": ((64, 64, 4), {}),
    "modified-unet": ((32, 48, 1), {"width": 8}),
    "efficientnet-b0": ((64, 64, 1), {}),
    "efficientnet-b2": ((64, 64, 3), {}),
    "efficientnet-b3": ((64, 64, 3), {}),
}
SINGLE_SIGMOID = frozenset({"vgg16", "modified-unet", "efficientnet-b0", "efficientnet-b2", "efficientnet-b3"})


def small_build(name: str) -> ZooModel:
    shape, options = SMALL[name]
    sigmoid = name in SINGLE_SIGMOID
    return zoo_build(
        name, classes=TWO if sigmoid else THREE, activation="sigmoid" if sigmoid else "softmax", input_shape=shape, **options
    )


def statistics_spread(keras_model: Any) -> None:
    """Random statistics and offsets, mild enough that fifty layers in float32 neither explode nor cancel out."""
    random = np.random.default_rng(0)
    for variable in keras_model.weights:
        kind = variable.path.rpartition("/")[2]
        shape = tuple(variable.shape)
        if kind in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.7, 1.3, shape))
        elif kind in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(0, 0.1, shape))


def drawn_batch(zoo_model: ZooModel) -> np.ndarray:
    """Three unlike pictures, noise on patches of different place and brightness, in the family's own range."""
    random = np.random.default_rng(1)
    rows, columns, channels = zoo_model.input_shape
    images = random.random((3, rows, columns, channels), dtype=np.float32) * 0.3
    images[0, : rows // 2] += 0.6
    images[1, :, columns // 3 :, :1] += 0.4
    low, high = zoo_model.input_range
    return np.asarray(low + (high - low) * images, dtype=np.float32)


def test_every_family_is_in_the_kit() -> None:
    assert set(SMALL) == set(zoo_names())


@pytest.mark.parametrize("name", SMALL)
def test_family_survives_saving_and_export_with_its_answers_and_maps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the converter copies the whole graph before every step only to hide a step's failure: slow, and here a failure must show
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "FALSE")
    keras.utils.set_random_seed(11)
    built = small_build(name)
    statistics_spread(built.keras_model)
    images = drawn_batch(built)
    logits, maps = tape_heatmaps(built.keras_model, images)
    scale = max(1.0, float(np.abs(logits).max()))
    assert logits.shape == (3, len(built.classes))
    assert maps.shape == (3, len(built.targets), *built.keras_model.output["cam"].shape[1:3])
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=1).min() > 1e-3 * scale, "equal answers would compare nothing"
    assert maps.max() > 0, "dark maps would compare nothing"

    path = tmp_path / "model.keras"
    built.keras_model.save(path)
    loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
    for saved, found in zip(built.keras_model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(saved.value), np.asarray(found.value))

    fields = {field: getattr(built, field) for field in ("architecture", "input_shape", "classes", "targets")}
    exported = keras_to_onnx(zoo_model=ZooModel(keras_model=loaded, **fields))
    session = onnxruntime.InferenceSession(exported.explained.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = ["logits", "probabilities", "heatmaps"]
    together: Any = session.run(outputs, {"image": images})
    np.testing.assert_allclose(together[0], logits, atol=1e-4 * scale, rtol=0)
    np.testing.assert_allclose(together[1].sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(together[1].argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(together[2], maps, atol=1e-4 * maps.max(), rtol=0)

    alone: Any = session.run(outputs, {"image": images[1:2]})
    np.testing.assert_allclose(alone[0][0], together[0][1], atol=1e-5 * scale, rtol=0)
    np.testing.assert_allclose(alone[2][0], together[2][1], atol=1e-5 * maps.max(), rtol=0)
