"""The conformance kit: what every family must pass before it is trained. A new family adds one line to SMALL.

Build, save and load, export, package, serve: each family goes the whole way once, with one export. Families run at small inputs,
AlexNet and the U-Net also at a fraction of their width; full sizes are only built (test_registry).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

keras = pytest.importorskip("keras")

from inference_worker.golden import golden_check  # noqa: E402
from inference_worker.providers import sessions_by_preference  # noqa: E402
from model_registry.building.golden import drawings, golden_prepare  # noqa: E402
from model_registry.building.package_build import PackageFacts, package_build  # noqa: E402
from model_registry.export.keras_file import keras_model_load  # noqa: E402
from model_registry.export.onnx_export import keras_to_onnx  # noqa: E402
from model_registry.packaging import package_verify  # noqa: E402
from model_registry.packaging.manifest import IntendedUse, Provenance  # noqa: E402
from model_registry.packaging.profile import Channels, Display, PreprocessingProfile, Resize, Scale  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from model_registry.zoo.registry import zoo_build, zoo_names  # noqa: E402
from tests.inference_worker_tests.factories import settings_for  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import tape_heatmaps  # noqa: E402

THREE = ("Benign", "Cancer", "Normal")
TWO = ("benign", "malignant")
GOLDEN = ("drawing-2.png", "drawing-4.dcm")
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
#: Twenty seconds and more each to convert; the kinds of layers in them are those of the quicker families.
DEEP = frozenset({"densenet121", "resnet50", "efficientnetv2-b0", "multi-branch", "efficientnet-b2", "efficientnet-b3"})
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


def eager_answers(built: ZooModel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and maps in Keras: Grad-CAM by the tape, or the mask of a segmentation model."""
    if built.task == "segmentation":
        outputs = built.keras_model(images, training=False)
        return np.asarray(outputs["logits"]), np.moveaxis(np.asarray(outputs["mask"]), -1, 1)
    return tape_heatmaps(built.keras_model, images)


def profile_for(built: ZooModel) -> PreprocessingProfile:
    """A drawing as this family's input: its size, channels and range."""
    rows, columns, channels = built.input_shape
    low, high = built.input_range
    layouts: dict[int, Any] = {1: "grey", 3: "grey3", 4: "grey3_mask"}
    return PreprocessingProfile(
        name="conformance",
        steps=(
            Display(bits=8),
            Resize(size_hw=(rows, columns)),
            Scale(multiply=high - low, add=low),
            Channels(layout=layouts[channels]),
        ),
    )


def facts_for(built: ZooModel) -> PackageFacts:
    lesion = "Cancer" if built.classes == THREE else "malignant"
    return PackageFacts(
        name=built.architecture,
        version="1.0.0",
        title=built.architecture,
        classes=built.classes,
        suspicion_classes=(lesion,),
        threshold=0.5,
        task=built.task,
        intended_use=IntendedUse(statement="For tests."),
        provenance=Provenance(
            architecture=built.architecture,
            training_data="none",
            training_command="none",
            licence="none",
            parameters=built.parameters,
            created="2026-01-01T00:00:00Z",
        ),
    )


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in DEEP else []) for name in SMALL])
def test_family_survives_saving_export_and_packaging_with_its_answers_and_maps(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(11)
    built = small_build(name)
    statistics_spread(built.keras_model)
    profile = profile_for(built)
    golden = [(file, data) for file, data in drawings() if file in GOLDEN]
    prepared = [golden_prepare(name=file, data=data, profile=profile).tensor for file, data in golden]
    images = np.concatenate([drawn_batch(built), np.stack(prepared)])
    logits, maps = eager_answers(built, images)
    scale = max(1.0, float(np.abs(logits).max()))
    assert logits.shape == (len(images), len(built.classes))
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=1).min() > 1e-3 * scale, "equal answers would compare nothing"
    assert maps.max() > 0, "dark maps would compare nothing"

    path = tmp_path / "model.keras"
    built.keras_model.save(path)
    loaded = keras_model_load(path)
    for saved, found in zip(built.keras_model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(saved.value), np.asarray(found.value))

    exported = keras_to_onnx(zoo_model=replace(built, keras_model=loaded))
    assert maps.shape == (len(images), len(exported.targets), *exported.grid_hw)
    written = package_build(
        folder=tmp_path, exported=exported, facts=facts_for(built), profile=profile, golden_images=golden, card="# conformance\n"
    )
    package = package_verify(written.folder, expected_digest=written.digest)
    assert package.manifest.classes == built.classes
    session = next(iter(sessions_by_preference(package=package, settings=settings_for(tmp_path))))
    golden_check(package=package, run=session.run)

    together = session.run(images)
    np.testing.assert_allclose(together.logits, logits, atol=1e-4 * scale, rtol=0)
    np.testing.assert_allclose(together.probabilities, softmax(logits, axis=1), atol=1e-4)
    np.testing.assert_allclose(together.heatmaps, maps, atol=1e-4 * maps.max(), rtol=0)
    for case, expected in zip(package.manifest.golden, logits[-len(golden) :], strict=True):
        with np.load(package.golden_paths(case)[1]) as arrays:
            np.testing.assert_allclose(arrays["logits"], expected, atol=1e-4 * scale, rtol=0)
    alone = session.run(images[1:2])
    np.testing.assert_allclose(alone.logits[0], together.logits[1], atol=1e-5 * scale, rtol=0)
    np.testing.assert_allclose(alone.heatmaps[0], together.heatmaps[1], atol=1e-5 * maps.max(), rtol=0)
