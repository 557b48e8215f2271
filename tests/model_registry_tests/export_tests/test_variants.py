"""Smaller copies: what they compute in, what they lose, and that a broken one is refused with its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from inference_worker.golden import golden_check
from inference_worker.providers import sessions_by_preference
from model_registry.building.errors import FactsInvalid, VariantRefused
from model_registry.building.onnx_import import classifier_import
from model_registry.building.package_build import PackageFacts, package_build
from model_registry.building.sessions import session_create, session_run
from model_registry.export.variants import Kind, Tolerance, maps_correlation, model_shrink, variant_build
from model_registry.packaging import Package, package_verify
from model_registry.packaging.manifest import IntendedUse, Metric, Provenance
from tests.inference_worker_tests.factories import settings_for
from tests.model_registry_tests.export_tests.small import PROFILE, classifier, tensors

CLASSES = ("normal", "benign", "malignant")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    found = classifier_import(
        classifier(columns=3), classes=CLASSES, suspicion_classes=CLASSES[1:], images=tensors(), tensor_layout="nhwc"
    )
    facts = PackageFacts(
        name="small",
        version="1.0.0",
        title="Small",
        classes=CLASSES,
        suspicion_classes=CLASSES[1:],
        threshold=0.5,
        intended_use=IntendedUse(statement="For tests."),
        provenance=Provenance(
            architecture="a", training_data="none", training_command="none", licence="none", parameters=1, created="2026-01-01"
        ),
        metrics=(Metric(name="AUC", value=0.7, method="elsewhere"),),
    )
    profile = PROFILE.model_copy(update={"tensor_layout": found.tensor_layout})
    return package_build(folder=tmp_path_factory.mktemp("out"), exported=found.exported, facts=facts, profile=profile)


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_a_copy_is_a_package_of_its_own_that_says_what_it_loses(package: Package, kind: Kind, tmp_path: Path) -> None:
    made = variant_build(package=package, kind=kind, folder=tmp_path)
    written = package_verify(tmp_path / f"small-1.0.0-{kind}")
    assert written.manifest.version == f"1.0.0-{kind}"
    assert made.loss.images == 16
    assert made.loss.label_agreement >= 0.95
    metrics = {metric.name: metric for metric in written.manifest.metrics}
    assert metrics["Largest difference of a probability"].value == pytest.approx(made.loss.probability_maximum, abs=1e-6)
    assert metrics["Heatmap correlation"].value > 0.9
    assert "not with this copy" in metrics["AUC"].method
    card = written.card_path.read_text()
    assert package.digest in card
    assert made.loss.text() in card
    session = next(iter(sessions_by_preference(package=written, settings=settings_for(tmp_path))))
    golden_check(package=written, run=session.run)


def test_only_what_lies_before_the_cam_layer_is_made_smaller(package: Package) -> None:
    model = onnx.load(package.model_path)
    names = package.manifest.tensors
    images = [np.moveaxis(tensor, -1, 0) for tensor in tensors()]
    shrunk = {
        kind: model_shrink(model, kind=kind, cam_layer=package.manifest.explanation.cam_layer, image=names.image, tensors=images)
        for kind in ("int8", "fp16")
    }
    half = {tensor.name for tensor in shrunk["fp16"].graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    assert {"w1/half", "w2/half"} <= half
    assert "w3/half" not in half
    quantised = {tensor.name for tensor in shrunk["int8"].graph.initializer if tensor.data_type == TensorProto.INT8}
    assert quantised == {"w1_quantized", "w2_quantized", "w1_zero_point", "w2_zero_point"}
    for smaller in shrunk.values():
        assert [value.name for value in smaller.graph.output] == [names.logits, names.probabilities, names.heatmaps]
        before, after = (session_run(session_create(graph), names=names, batch=np.stack(images)) for graph in (model, smaller))
        np.testing.assert_allclose(after[1], before[1], atol=0.05)
        assert after[1].dtype == after[2].dtype == np.float32


def test_a_copy_beyond_its_tolerance_is_refused_with_the_figures(package: Package, tmp_path: Path) -> None:
    strict = Tolerance(probability_maximum=1e-9, label_agreement=1.0, map_correlation=1.0, golden=0.05)
    with pytest.raises(VariantRefused, match=r"probability differs by 0\.\d+, allowed 1e-09") as refused:
        variant_build(package=package, kind="int8", folder=tmp_path, tolerance=strict)
    assert refused.value.code == "model:variant_refused"
    assert not list(tmp_path.iterdir())


def test_too_few_images_are_refused(package: Package, tmp_path: Path) -> None:
    with pytest.raises(FactsInvalid, match="too few"):
        variant_build(package=package, kind="int8", folder=tmp_path, images=[("a.png", b"")])


def test_correlation_of_maps_by_hand() -> None:
    ramp = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    zero = np.zeros_like(ramp)
    assert maps_correlation(ramp, 3 * ramp + 1) == pytest.approx(1)
    assert maps_correlation(ramp, -ramp) == pytest.approx(-1)
    assert maps_correlation(zero, zero) == 1
    assert maps_correlation(ramp, zero) == 0
    assert maps_correlation(np.concatenate([ramp, zero], axis=1), np.concatenate([ramp, ramp], axis=1)) == pytest.approx(0.5)
