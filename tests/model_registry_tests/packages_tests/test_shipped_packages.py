"""What ships: whole, small, honest about itself, true to its golden files, and equal to TensorFlow on its own weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from model_registry.packaging import Package, package_verify
from model_registry.preprocessing import image_decode, image_prepare

PACKAGES = Path(__file__).resolve().parents[3] / "model_registry" / "packages"
FOLDERS = sorted(path.parent for path in PACKAGES.glob("*/manifest.json"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name, scope="module")
def package(request: pytest.FixtureRequest) -> Package:
    return package_verify(request.param)


@pytest.fixture(scope="module")
def session(package: Package) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(package.model_path), providers=["CPUExecutionProvider"])


def golden_tensors(package: Package) -> np.ndarray:
    tensors = []
    for case in package.manifest.golden:
        image = image_decode(data=package.golden_paths(case)[0].read_bytes(), media_type="image/png")
        tensors.append(image_prepare(image=image, profile=package.manifest.preprocessing).tensor)
    return np.stack(tensors)


def answer(session: onnxruntime.InferenceSession, batch: np.ndarray) -> list[np.ndarray]:
    found: Any = session.run(["logits", "probabilities", "heatmaps"], {"image": batch})
    return [np.asarray(array) for array in found]


def test_something_ships() -> None:
    assert FOLDERS


def test_the_folder_is_named_after_the_package_and_stays_small(package: Package) -> None:
    assert package.folder.name == f"{package.manifest.name}-{package.manifest.version}"
    assert package.size_bytes < 8_000_000


def test_golden_files_are_reproduced_together_and_alone(package: Package, session: onnxruntime.InferenceSession) -> None:
    tensors = golden_tensors(package)
    together = answer(session, tensors)
    for index, case in enumerate(package.manifest.golden):
        alone = answer(session, tensors[index : index + 1])
        with np.load(package.golden_paths(case)[1], allow_pickle=False) as expected:
            for name, batched, single in zip(("logits", "probabilities", "heatmaps"), together, alone, strict=True):
                scale = max(float(np.abs(expected[name]).max()), 1e-12)
                np.testing.assert_allclose(single[0], expected[name], atol=case.tolerance * scale)
                np.testing.assert_allclose(batched[index], expected[name], atol=case.tolerance * scale)


def test_the_manifest_says_what_the_graph_does(package: Package, session: onnxruntime.InferenceSession) -> None:
    manifest = package.manifest
    (image,) = session.get_inputs()
    assert (image.name, tuple(image.shape[1:])) == (manifest.tensors.image, manifest.input_shape)
    logits, probabilities, heatmaps = answer(session, golden_tensors(package))
    assert logits.shape[1] == len(manifest.classes)
    assert heatmaps.shape[1:] == (len(manifest.explanation.targets), *manifest.explanation.grid_hw)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert heatmaps.min() >= 0
    names = {name for node in onnx.load(package.model_path).graph.node for name in node.output}
    assert manifest.explanation.cam_layer in names
    assert set(manifest.explanation.reference_maximum or {}) == set(manifest.explanation.targets)
    assert all(value > 0 for value in (manifest.explanation.reference_maximum or {}).values())


def test_the_card_states_every_figure_its_limits_and_the_source(package: Package) -> None:
    card, manifest = package.card_path.read_text(), package.manifest
    for metric in manifest.metrics:
        assert metric.low is not None
        assert metric.high is not None
        assert f"| {metric.name} | {metric.value:.3f} | {metric.low:.3f} to {metric.high:.3f} |" in card
    for text in (manifest.intended_use.statement, manifest.provenance.training_command, manifest.provenance.citation):
        assert text in card
    assert manifest.intended_use.research_only
    assert "10.17863/CAM.105113" in card
    listed = {entry.path for entry in manifest.files}
    assert set(re.findall(r"\]\(([^)]+)\)", card)) == {path for path in listed if path.startswith("plots/")}


def test_the_cross_validated_figures_pass_their_gates(package: Package) -> None:
    figures = {metric.name: metric.value for metric in package.manifest.metrics}
    assert figures["AUC abnormal against normal"] >= 0.65
    assert figures["AUC malignant against the rest"] >= 0.57
    assert figures["Pointing game, suspicion Grad-CAM"] >= 0.38
    assert max(value for name, value in figures.items() if name.startswith("AUC")) < 0.95, "a leak, not a result"


def test_a_larger_lesion_is_where_the_suspicion_map_is_hottest(package: Package, session: onnxruntime.InferenceSession) -> None:
    """Drawing 2 carries a mass and drawing 1 none; the map must point into it."""
    tensors = golden_tensors(package)
    heatmaps = answer(session, tensors)[2][:, package.manifest.explanation.targets.index("suspicion")]
    rows, columns = package.manifest.explanation.grid_hw
    blurred = tensors[1, ..., 0].reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    peak, mass = (np.array(np.unravel_index(array.argmax(), array.shape)) for array in (heatmaps[1], blurred))
    assert np.hypot(*(peak - mass)) <= 4
    assert heatmaps[1].max() > heatmaps[0].max()


def test_grad_cam_equals_tensorflows_tape_on_the_shipped_weights(package: Package, session: onnxruntime.InferenceSession) -> None:
    pytest.importorskip("tensorflow")
    from model_registry.zoo.dog_fpn import dog_fpn_build
    from model_registry.zoo.weights import weights_from_bytes
    from tests.model_registry_tests.explain_tests.tape import tape_heatmaps

    zoo_model = dog_fpn_build(input_shape=package.manifest.input_shape)
    weights_from_bytes(zoo_model.keras_model, (package.folder / "training" / "weights.npz").read_bytes())
    tensors = golden_tensors(package)
    logits, expected = tape_heatmaps(zoo_model.keras_model, tensors)
    found = answer(session, tensors)
    np.testing.assert_allclose(found[0], logits, atol=1e-4)
    for image in range(len(tensors)):
        for target in range(expected.shape[1]):
            peak = expected[image, target].max()
            np.testing.assert_allclose(found[2][image, target], expected[image, target], atol=1e-4 * peak + 1e-12)
    assert (expected.max(axis=(0, 2, 3)) > 0).all()
    assert np.ptp(logits[:, 1:]) > 0.1
