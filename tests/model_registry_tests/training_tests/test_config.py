"""The configuration: what ships is valid and says what its source says; what is wrong is named with line and allowed values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_registry.packaging.named_profiles import profile_named
from model_registry.training.config import TrainingConfig
from model_registry.training.config_read import SHIPPED, config_names, config_path, config_read
from model_registry.training.errors import ConfigRefused
from tests.model_registry_tests.training_tests.drawn import config_of

PLACES = {"DATA": "here", "WEIGHTS": "there"}


def shipped(name: str) -> TrainingConfig:
    return config_read(config_path(name), variables=PLACES)


def refusal(folder: Path, text: str) -> str:
    path = folder / "tried.yaml"
    path.write_text(text)
    with pytest.raises(ConfigRefused) as refused:
        config_read(path, variables=PLACES)
    return refused.value.detail


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_configuration_is_valid_and_named_after_its_file(name: str) -> None:
    config = shipped(name)
    assert config.output.name == name
    assert profile_named(config.preprocessing).tensor_layout == "nhwc"
    assert config.validation.method == "k-fold"


def test_the_reference_recipes_are_all_there() -> None:
    families = {shipped(name).model.family for name in config_names()}
    assert families == {
        *("clahe-cnn", "simple", "shufflenet", "densenet121", "efficientnetv2-b0", "vgg16", "alexnet", "callback-cnn"),
        *("resnet50", "mobilenetv2", "baseline", "regularised", "deeper", "narrower", "wider", "naive-baseline", "overfitting"),
        *("multi-branch", "modified-unet", "efficientnet-b0", "efficientnet-b2", "efficientnet-b3", "dog-fpn"),
    }


# name → batch size, phases (epochs, rate), loss, class weights, patience
NUMBERS: dict[str, tuple[int, list[tuple[int, float]], str, str, int | None]] = {
    "clahe-cnn": (75, [(25, 1e-3)], "categorical-crossentropy", "none", 3),
    "density-simple": (32, [(50, 1e-3)], "sparse-categorical-crossentropy", "none", None),
    "callback-cnn": (32, [(30, 5e-4)], "categorical-crossentropy", "balanced", 10),
    "baseline": (16, [(50, 1e-3)], "categorical-crossentropy", "none", 10),
    "efficientnet-b2": (16, [(8, 5e-4), (20, 5e-6)], "focal", "none", None),
    "dog-fpn-film": (16, [(40, 2e-3)], "dense-lesion", "sqrt", None),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_published_numbers_are_in_it(name: str) -> None:
    config = shipped(name)
    patience = config.early_stopping.patience if config.early_stopping else None
    phases = [(phase.epochs, phase.learning_rate) for phase in config.phases]
    assert (config.batch_size, phases, config.loss.kind, config.class_weights, patience) == NUMBERS[name]


def test_fine_tuning_is_as_published() -> None:
    config = shipped("efficientnet-b3")
    assert config.model.activation == "sigmoid"
    assert config.loss.model_dump() == {"kind": "focal", "gamma": 2.0, "alpha": 0.25, "label_smoothing": 0.0}
    assert config.phases[0].trainable == "head"
    assert config.phases[1].model_dump()["trainable"] == {"last": 100}
    assert config.early_stopping is not None
    assert config.early_stopping.monitor == "val_pr_auc"
    assert (config.validation.folds, config.preprocessing) == (5, "rgb255-300")


def test_a_wrong_field_is_named_with_file_line_and_the_fields_there_are(tmp_path: Path) -> None:
    text = refusal(tmp_path, (SHIPPED / "dog-fpn-film.yaml").read_text().replace("  shear: 0.12", "  sheer: 0.12"))
    line = (tmp_path / "tried.yaml").read_text().splitlines().index("  sheer: 0.12") + 1
    assert f"tried.yaml:{line} augmentation.sheer: there is no such field" in text
    assert "shear" in text.split("here are")[1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("labels: normal-benign-malignant", "labels: normal-or-not", "there are normal-benign-malignant"),
        ("kind: dense-lesion", "kind: densest", "'categorical-crossentropy'"),
        ("batch_size: 16", "batch_size: 0", "greater than or equal to 1"),
        ("name: adamw", "name: lion", "'adam', 'adamw' or 'sgd'"),
        ("zoom: [0.8187308, 1.2214028]", "zoom: [1.2, 0.8]", "[lowest, highest]"),
        ("learning_rate: 2.0e-3", "learning_rate: .inf", "finite number"),
        ("suspicion_classes: [benign, malignant]", "suspicion_classes: [cancer]", "some, not all, of normal, benign, malignant"),
        ("name: adamw", "name: adam", "weight_decay needs adamw or sgd"),
        ("family: dog-fpn", "family: simple", "belong together"),
        ("class_weights: sqrt", "class_weights: {normal: 1}", "name every label"),
    ],
)
def test_a_wrong_value_is_refused_in_words(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = (SHIPPED / "dog-fpn-film.yaml").read_text()
    assert old in text
    found = refusal(tmp_path, text.replace(old, new))
    assert expected in found
    assert found.startswith("tried.yaml cannot be used")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "must be a mapping"),
        ("seed: 1\nseed: 2\n", "tried.yaml:2: 'seed' is written twice"),
        ("seed: [1\n", "tried.yaml:2"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("extends: nowhere\n", "nowhere.yaml cannot be read"),
        ("extends: tried\n", "in a circle"),
        ("x: &x [1,1,1,1,1,1,1,1,1,1]\ny: &y [*x,*x,*x,*x,*x,*x,*x,*x,*x,*x]\nz: &z [*y,*y,*y,*y,*y,*y,*y,*y,*y,*y]\n"
         "w: [*z,*z,*z,*z,*z,*z,*z,*z,*z,*z]\n", "unfolds"),
        ("? [a, b]\n: 1\n", "a key must be a word"),
        ("x: &x [*x]\n", "tried.yaml"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_an_unset_variable_says_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(ConfigRefused, match=r"data\.path needs \$\{DATA\}.*--data PATH"):
        config_read(config_path("dog-fpn-film"))
    monkeypatch.setenv("DATA", "from-outside")
    assert config_read(config_path("dog-fpn-film")).data.path == "from-outside"


def test_a_child_changes_its_parent_field_by_field_and_another_loss_replaces_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "child.yaml").write_text(f"extends: {SHIPPED / 'clahe-cnn.yaml'}\nbatch_size: 5\nloss: {{kind: focal}}\n")
    child, parent = config_read(tmp_path / "child.yaml", variables=PLACES), shipped("clahe-cnn")
    assert (child.batch_size, child.loss.kind) == (5, "focal")
    assert child.augmentation == parent.augmentation
    assert child.digest != parent.digest


def test_the_digest_ignores_places_and_words_and_nothing_else() -> None:
    config = config_of()
    assert config_of(data={"path": "elsewhere"}, output={"title": "Another"}).digest == config.digest
    changed: list[dict[str, Any]] = [
        {"seed": 1},
        {"batch_size": 5},
        {"data": {"exclude_images": ["a"]}},
        {"output": {"suspicion_classes": ["benign"]}},
        {"augmentation": {"noise": 0.1}},
    ]
    assert len({config.digest, *(config_of(**change).digest for change in changed)}) == 6


def test_configurations_are_read_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in config_names():
            assert yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
            assert shipped(name).digest.startswith("sha256:")
