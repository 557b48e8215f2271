"""`package` and `import` from the command line to a package that the worker's own check accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from inference_worker.golden import golden_check
from inference_worker.providers import ModelSession, sessions_by_preference
from model_registry.building.golden import drawings
from model_registry.cli import main
from model_registry.inspection import package_inspect
from model_registry.packaging import Package, package_verify
from tests.inference_worker_tests.factories import settings_for
from tests.model_registry_tests.export_tests.small import COLUMNS, PROFILE, ROWS, classifier

LABELS = "normal,benign,malignant"


def served(package: Package) -> ModelSession:
    """A session as the worker makes it, after its own golden check."""
    session = next(iter(sessions_by_preference(package=package, settings=settings_for(package.folder.parent))))
    golden_check(package=package, run=session.run)
    return session


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "small.json").write_text(PROFILE.model_dump_json())
    onnx.save(classifier(columns=3), tmp_path / "Outside Model.onnx")
    return tmp_path


def import_arguments(place: Path, *more: str) -> list[str]:
    model, profile = str(place / "Outside Model.onnx"), str(place / "small.json")
    return ["import", model, "--labels", LABELS, "--profile", profile, "-o", str(place / "out"), *more]


def test_an_outside_classifier_becomes_a_package_that_serves(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(import_arguments(place, "--suspicion-classes", "benign,malignant", "--title", "From outside")) == 0
    package = package_verify(place / "out" / "outside-model-1.0.0")
    manifest = package.manifest
    assert manifest.classes == ("normal", "benign", "malignant")
    assert manifest.suspicion.target == "suspicion"
    assert manifest.preprocessing.tensor_layout == "nchw"
    assert manifest.input_shape == (1, ROWS, COLUMNS)
    assert [case.image.rpartition(".")[2] for case in manifest.golden] == ["png", "png", "png", "dcm"]
    assert not [finding for finding in package_inspect(package.folder) if finding.severity == "error"]
    served(package)
    card = package.card_path.read_text()
    assert "Nothing was evaluated here" in card
    assert "From outside" in card
    said = capsys.readouterr().out
    assert package.digest in said
    assert "softmax added" in said
    assert "next:" in said


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--labels", "a,b"), "model:output_mismatch"),
        (("--labels", "a,a,b"), "model:facts_invalid"),
        (("--profile", "rgb-224"), "model:input_mismatch"),
        (("--profile", "no-such-profile"), "profile:unknown"),
        (("--target", "nowhere"), "model:no_cam_layer"),
        (("--suspicion-classes", "other"), "model:facts_invalid"),
        (("--golden", "/nowhere/at/all.png"), "model:facts_invalid"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_its_code(
    place: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str
) -> None:
    assert main(import_arguments(place, *more)) == 2
    assert code in capsys.readouterr().err
    assert not (place / "out").exists()


def test_a_file_that_is_no_model_or_an_unsound_one_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "Outside Model.onnx").write_bytes(b"not a model")
    assert main(import_arguments(place)) == 2
    assert "model:unreadable_file" in capsys.readouterr().err
    strange = classifier(columns=3)
    strange.graph.node[0].domain = "com.example"
    strange.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(strange, place / "Outside Model.onnx")
    assert main(import_arguments(place)) == 2
    assert "model:inspection_failed" in capsys.readouterr().err


def test_a_package_is_never_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(import_arguments(place)) == 0
    assert main(import_arguments(place)) == 2
    assert "choose another version" in capsys.readouterr().err


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "name": "from-keras",
        "version": "2.0.0",
        "title": "From Keras",
        "classes": ["benign", "malignant"],
        "profile": "small.json",
        "suspicion": {"classes": ["malignant"], "threshold": 0.4, "operating_point": "By hand"},
        "intended_use": {"statement": "For tests.", "views": ["MLO"]},
        "provenance": {"training_data": "none", "licence": "none", "architecture": "small"},
        **changes,
    }


def package_arguments(place: Path, model: Path, stated: dict[str, Any]) -> list[str]:
    config = place / "facts.yaml"
    config.write_text(yaml.safe_dump(stated))
    return ["package", str(model), "--config", str(config), "-o", str(place / "out")]


def keras_models(place: Path) -> dict[str, tuple[Path, Any, dict[str, Any]]]:
    """A foreign softmax, a foreign sigmoid in the legacy format, a zoo model, and a zoo model's weights alone.

    Each is a file, the function batch → P(malignant), and what the facts say besides."""
    import keras

    from model_registry.zoo.registry import zoo_build
    from tests.model_registry_tests.explain_tests.tape import weights_spread

    def stack(units: int, activation: str) -> Any:
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((ROWS, COLUMNS, 1)),
                layers.Conv2D(6, 3, strides=2, activation="relu"),
                layers.Conv2D(8, 3, strides=2, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(units, activation=activation),
            ]
        )
        weights_spread(model)
        return model

    softmax, sigmoid = stack(2, "softmax"), stack(1, "sigmoid")
    zoo = zoo_build("simple", classes=("benign", "malignant"), activation="sigmoid", input_shape=(ROWS, COLUMNS, 1)).keras_model
    weights_spread(zoo)
    softmax.save(place / "softmax.keras")
    sigmoid.save(place / "sigmoid.h5")
    zoo.save(place / "zoo.keras")
    zoo.save_weights(place / "zoo.weights.h5")
    family = {"name": "simple", "activation": "sigmoid", "input_shape": [ROWS, COLUMNS, 1]}

    def zoo_probability(batch: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-np.asarray(zoo(batch, training=False)["scores"])[:, 1]))

    return {
        "softmax": (place / "softmax.keras", lambda batch: np.asarray(softmax(batch))[:, 1], {}),
        "sigmoid": (place / "sigmoid.h5", lambda batch: np.asarray(sigmoid(batch))[:, 0], {}),
        "zoo": (place / "zoo.keras", zoo_probability, {}),
        "weights": (place / "zoo.weights.h5", zoo_probability, {"family": family}),
    }


def test_keras_files_become_packages_that_answer_as_keras(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("keras")
    batch = np.random.default_rng(2).random((4, ROWS, COLUMNS, 1), dtype=np.float32) * 4
    for name, (path, probability, stated) in keras_models(place).items():
        assert main(package_arguments(place, path, facts(name=name, **stated))) == 0, capsys.readouterr().err
        package = package_verify(place / "out" / f"{name}-2.0.0")
        assert package.manifest.suspicion.threshold == 0.4
        assert package.manifest.provenance.parameters > 100
        images = batch if package.manifest.preprocessing.tensor_layout == "nhwc" else np.moveaxis(batch, -1, 1)
        found = served(package).run(np.ascontiguousarray(images))
        np.testing.assert_allclose(found.probabilities[:, 1], probability(batch), atol=1e-4)
        assert found.heatmaps.max() > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["benign"]}, "classes"),
        ({"surprise": 1}, "surprise"),
        ({"suspicion": {"classes": ["malignant"], "threshold": 2}}, "threshold"),
        ({"version": "one"}, "version"),
        ({"profile": "../../etc/passwd"}, "profile:unknown"),
    ],
)
def test_facts_that_are_wrong_are_named(
    place: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    (place / "empty.keras").write_bytes(b"")
    assert main(package_arguments(place, place / "empty.keras", facts(**changes))) == 2
    assert words in capsys.readouterr().err


def test_facts_with_aliases_or_objects_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("a: &a [1]\nb: [*a, *a]\n", "a: !!python/object/apply:os.system [true]\n", "[" * 1500, "a: b: c"):
        (place / "facts.yaml").write_text(text)
        assert main(["package", str(place / "m.keras"), "--config", str(place / "facts.yaml"), "-o", str(place / "out")]) == 2
        assert "model:facts_invalid" in capsys.readouterr().err


def test_external_data_variants_given_images_and_another_method(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = classifier(columns=3, ending="Softmax")
    onnx.save_model(model, place / "Outside Model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    golden = place / "My golden (1).png"
    golden.write_bytes(drawings()[1][1])
    more = ("--golden", str(golden), "--method", "eigen-cam", "--name", "eigen", "--variants", "fp16")
    assert main(import_arguments(place, *more)) == 0, capsys.readouterr().err
    package = package_verify(place / "out" / "eigen-1.0.0")
    assert package.manifest.explanation.targets == ("suspicion",)
    assert package.manifest.explanation.method == "eigen-cam"
    assert [case.image for case in package.manifest.golden] == ["golden/My-golden-1.png"]
    assert sorted(path.name for path in package.folder.iterdir()) == ["MODEL_CARD.md", "golden", "manifest.json", "model.onnx"]
    served(package)
    assert package_verify(place / "out" / "eigen-1.0.0-fp16").manifest.golden[0].image == "golden/My-golden-1.png"
    assert "heatmaps correlate at" in capsys.readouterr().out


@pytest.mark.torch
def test_an_export_of_pytorch_answers_as_pytorch(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")
    nn = torch.nn
    torch.manual_seed(3)
    body = [nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(12, 3)]
    network = nn.Sequential(*body, nn.ReLU(), *head).eval()
    image = torch.zeros((1, 1, ROWS, COLUMNS))
    torch.onnx.export(network, (image,), str(place / "Outside Model.onnx"), dynamo=False)
    assert main(import_arguments(place, "--suspicion-classes", "benign,malignant")) == 0, capsys.readouterr().err
    batch = np.random.default_rng(5).random((3, 1, ROWS, COLUMNS), dtype=np.float32)
    found = served(package_verify(place / "out" / "outside-model-1.0.0")).run(batch)
    with torch.no_grad():
        expected = torch.softmax(network(torch.tensor(batch)), dim=1).numpy()
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert found.heatmaps.shape[1] == 4
