"""`compare` as a person uses it: two packages on one folder of images, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from model_registry.building.onnx_import import classifier_import
from model_registry.building.package_build import PackageFacts, package_build
from model_registry.cli import main
from model_registry.packaging.manifest import IntendedUse, Provenance
from tests.model_registry_tests.export_tests.small import PROFILE, tensors

CLASSES = ("normal", "benign", "malignant")
PATIENTS = 18


def brightness_classifier(*, signs: tuple[float, float, float]) -> onnx.ModelProto:
    """A logit for each class: its sign times the mean brightness of the image. (n, 16, 16, 1) in, channel-last."""
    rows, columns, channels = PROFILE_SHAPE
    nodes = [
        helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "kernel"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    kernel = np.ones((2, channels, 1, 1), dtype=np.float32) / channels
    dense = np.array([signs, signs], dtype=np.float32) * 2
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", rows, columns, channels])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


PROFILE_SHAPE = tensors()[0].shape


def package(
    folder: Path, *, name: str, signs: tuple[float, float, float], classes: tuple[str, ...] = CLASSES, suspicious: int = 2
) -> Path:
    lesions = tuple(label for label in classes if label in ("benign", "malignant"))[:suspicious]
    found = classifier_import(
        brightness_classifier(signs=signs), classes=classes, suspicion_classes=lesions, images=tensors(), tensor_layout="nhwc"
    )
    facts = PackageFacts(
        name=name,
        version="1.0.0",
        title=name,
        classes=classes,
        suspicion_classes=lesions,
        threshold=0.5,
        intended_use=IntendedUse(statement="For tests."),
        provenance=Provenance(
            architecture="a", training_data="none", training_command="none", licence="none", parameters=1, created="2026-01-01"
        ),
    )
    profile = PROFILE.model_copy(update={"tensor_layout": found.tensor_layout})
    return package_build(folder=folder, exported=found.exported, facts=facts, profile=profile).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that sees what is bright, the same with its classes in another order, and one that has it the wrong way round."""
    built = tmp_path_factory.mktemp("packages")
    package(built, name="seeing", signs=(-3, 1, 3))
    package(built, name="other-order", signs=(3, -3, 1), classes=("malignant", "normal", "benign"))
    package(built, name="inverted", signs=(3, -1, -3))
    return built


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each patient, the brighter the worse, and one file that is no image."""
    found = tmp_path_factory.mktemp("cases")
    random = np.random.default_rng(0)
    rows = ["file,patient_id", "normal/broken.png,p99"]
    for patient in range(PATIENTS):
        label = CLASSES[patient % 3]
        (found / label).mkdir(exist_ok=True)
        for view in range(2):
            level = 60 + 40 * (patient % 3) + random.normal(0, 25)
            pixels = np.clip(level + random.normal(0, 5, (40, 40)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(found / label / f"p{patient}-{view}.png")
            rows.append(f"{label}/p{patient}-{view}.png,p{patient}")
    (found / "normal" / "broken.png").write_bytes(b"no image")
    (found / "patients.csv").write_text("\n".join(rows))
    return found


def run(first: Path, second: Path, *words: object) -> int:
    return main(["compare", str(first), str(second), *map(str, words), "--draws", "200"])


def test_the_better_package_is_named_and_the_differences_are_written(
    folder: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found" / "difference.json"
    assert run(folder / "seeing-1.0.0", folder / "inverted-1.0.0", "--data", collection, "--json", out) == 0
    said = capsys.readouterr().out
    assert "first seeing 1.0.0, sha256:" in said
    assert "first is better" in said
    assert "second is better" not in said
    assert f"{2 * PATIENTS} images of {PATIENTS} patients that both could judge" in said
    assert "1 dataset:image_unreadable" in said
    content = json.loads(out.read_text())
    assert [entry["name"] for entry in content["packages"]] == ["seeing", "inverted"]
    area = next(row for row in content["figures"] if row["name"] == "AUC of suspicion")
    assert area["first"] > 0.7
    assert area["first"] + area["second"] == pytest.approx(1, abs=0.02)
    assert area["difference"] == pytest.approx(area["first"] - area["second"])
    assert area["interval"][0] > 0
    assert area["is_distinct"]

    assert run(folder / "seeing-1.0.0", folder / "inverted-1.0.0", "--data", collection, "--json", out) == 2
    assert "evaluation:output_exists" in capsys.readouterr().err


def test_the_same_network_with_its_classes_in_another_order_is_not_told_apart(
    folder: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "difference.json"
    assert run(folder / "seeing-1.0.0", folder / "other-order-1.0.0", "--data", collection, "--json", out) == 0
    assert "is better" not in capsys.readouterr().out
    figures = json.loads(out.read_text())["figures"]
    assert len(figures) == 3 + len(CLASSES)
    assert all(row["difference"] == pytest.approx(0, abs=1e-9) for row in figures)


def test_packages_that_suspect_different_classes_are_not_compared(
    folder: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = package(tmp_path, name="narrow", signs=(-3, 1, 3), suspicious=1)
    assert run(folder / "seeing-1.0.0", narrow, "--data", collection) == 2
    said = capsys.readouterr().err
    assert "evaluation:models_differ" in said
    assert "Judge each with evaluate" in said
