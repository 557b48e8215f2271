"""Losses, schedule, averaging and the loop, with TensorFlow, on drawn samples; and the way from samples to a verified package."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from model_registry.evaluation.figures import auc  # noqa: E402
from model_registry.evaluation.report import predict  # noqa: E402
from model_registry.packaging import package_verify  # noqa: E402
from model_registry.training.assembly import out_of_fold, package_assemble  # noqa: E402
from model_registry.training.command import main  # noqa: E402
from model_registry.training.cross_validation import part_build, part_split, part_train, parts_of  # noqa: E402
from model_registry.training.loop import WeightAverage, learning_rate_at, train  # noqa: E402
from model_registry.training.loss import cell_loss, class_weights, image_loss  # noqa: E402
from model_registry.training.recipe import Augmentation, Recipe  # noqa: E402
from model_registry.training.samples import Sample  # noqa: E402
from tests.model_registry_tests.training_tests.drawn import drawn_sample  # noqa: E402

SMALL = Recipe(epochs=2, batch_size=4, width=4)


def drawn_collection(*, folds: int = 2, each: int = 4) -> list[Sample]:
    return [
        drawn_sample(
            label=index % 3, seed=fold * each + index, fold=fold, lesion=(30.0 + 6 * index, 50.0, 12.0) if index % 3 else None
        )
        for fold in range(folds)
        for index in range(each)
    ]


def test_rarer_classes_weigh_more_by_the_square_root() -> None:
    weights = class_weights(np.repeat([0, 1, 2], [207, 63, 52]), classes=3)
    np.testing.assert_allclose(weights, np.sqrt(322 / (3 * np.array([207, 63, 52]))), rtol=1e-6)


def test_the_image_loss_matches_its_formula() -> None:
    logits, labels, weights = np.array([[0.0, 1.0, -1.0], [0.0, 0.5, 2.0]]), np.array([0, 2]), np.array([0.7, 1.3, 1.5])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    smooth = np.eye(3)[labels] * 0.95 + 0.05 / 3
    expected = (-(smooth * log_p).sum(axis=1) * weights[labels]).mean()
    single = [tf.constant(value, tf.float32) for value in (logits, weights)]
    found = image_loss(logits=single[0], labels=tf.constant(labels), weights=single[1], smoothing=0.05)
    assert float(found) == pytest.approx(expected)


def test_ignored_cells_do_not_count_and_certain_ones_hardly() -> None:
    cells = np.zeros((1, 1, 3, 2), dtype=np.float32)
    cells[0, 0, 0] = [9.0, 0.0]  # certain and right
    cells[0, 0, 1] = [0.0, 0.0]  # undecided
    cells[0, 0, 2] = [0.0, 50.0]  # wrong, but ignored
    labels, weights = np.array([[[1, 0, 0]]]), np.array([[[30.0, 1.0, 0.0]]], dtype=np.float32)
    certain = np.exp(9.0) / (np.exp(9.0) + 2)
    expected = (30 * (1 - certain) * -np.log(certain) + (2 / 3) * np.log(3)) / 31
    assert float(cell_loss(cells=tf.constant(cells), labels=tf.constant(labels), weights=tf.constant(weights))) == pytest.approx(
        expected
    )
    nothing = cell_loss(cells=tf.constant(cells), labels=tf.constant(labels), weights=tf.zeros((1, 1, 3)))
    assert float(nothing) == 0.0


def test_the_learning_rate_rises_for_a_fifth_and_falls_to_almost_nothing() -> None:
    rates = [learning_rate_at(step, steps=100, recipe=Recipe()) for step in range(100)]
    assert rates[0] == pytest.approx(2e-3 / 25)
    assert int(np.argmax(rates)) == 20
    assert rates[20] == pytest.approx(2e-3)
    assert rates[99] < 2e-6
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_the_average_follows_slowly_and_early_weights_are_forgotten() -> None:
    import keras

    variable = keras.Variable(100.0)
    average = WeightAverage([variable], ceiling=0.99)
    average.update()
    expected = 100.0
    for step in range(1, 30):
        variable.assign(float(step))
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        average.update()
    average.apply()
    assert float(variable.value) == pytest.approx(expected, rel=1e-5)


def test_no_woman_is_on_both_sides_of_a_split() -> None:
    samples = drawn_collection()
    training, held_out = part_split(samples, "fold-1")
    assert ({s.fold for s in training}, {s.fold for s in held_out}) == ({0}, {1})
    assert parts_of(samples) == ("fold-0", "fold-1", "final")
    torn = [*samples, dataclasses.replace(samples[0], fold=1)]
    with pytest.raises(ValueError, match="both sides"):
        part_split(torn, "fold-1")


def test_training_learns_a_bright_spot_and_repeats_with_its_seed() -> None:
    samples = [
        drawn_sample(label=2 * (index % 2), seed=index, lesion=(30.0 + index, 40.0 + 2 * index, 12.0) if index % 2 else None)
        for index in range(16)
    ]
    recipe = dataclasses.replace(SMALL, epochs=12, batch_size=8, augmentation=Augmentation(rotation_degrees=5, log_gamma=0.1))
    losses: list[float] = []
    trained = train(
        build=part_build(recipe, samples), samples=samples, recipe=recipe, seed=3, report=lambda p: losses.append(p.cell_loss)
    )
    assert losses[-1] < 0.6 * losses[0]
    short = dataclasses.replace(recipe, epochs=1)
    twice = [train(build=part_build(short, samples), samples=samples, recipe=short, seed=3) for _ in range(2)]
    for first, second in zip(twice[0].keras_model.get_weights(), twice[1].keras_model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-4)
    from model_registry.export.onnx_export import keras_to_onnx

    logits = predict(model=keras_to_onnx(zoo_model=trained).explained, samples=samples).logits
    assert auc(logits[:, 2], np.array([s.label == 2 for s in samples])) > 0.8


def test_an_infinite_loss_stops_training() -> None:
    broken = [dataclasses.replace(s, tensor=np.full_like(s.tensor, np.nan)) for s in drawn_collection()]
    with pytest.raises(FloatingPointError, match="not finite"):
        train(build=part_build(SMALL, broken), samples=broken, recipe=SMALL, seed=0)


def test_an_error_while_making_batches_reaches_the_caller() -> None:
    broken = [dataclasses.replace(s, tensor=s.tensor[:, :7]) for s in drawn_collection()]
    with pytest.raises(ValueError, match="reshape"):
        train(build=part_build(SMALL, drawn_collection()), samples=broken, recipe=SMALL, seed=0)


def test_from_samples_to_a_verified_package(tmp_path: Path) -> None:
    # the shipped profile makes 384x256 tensors, and golden inputs go through it: so must the samples here
    samples = [dataclasses.replace(s, tensor=np.tile(s.tensor, (3, 3, 1))[:384, :256]) for s in drawn_collection(folds=2, each=6)]
    recipe = dataclasses.replace(SMALL, epochs=1)
    for part in parts_of(samples):
        path = part_train(samples=samples, part=part, recipe=recipe, seed=0, folder=tmp_path / "weights")
        stamp = path.stat().st_mtime_ns
        assert part_train(samples=samples, part=part, recipe=recipe, seed=0, folder=tmp_path / "weights") == path
        assert path.stat().st_mtime_ns == stamp, "a finished part is not trained again"
    judged, predictions = out_of_fold(samples=samples, weights=tmp_path / "weights", recipe=recipe)
    assert [s.image_id for s in judged] == [s.image_id for s in samples]
    package, evaluation = package_assemble(
        samples=samples,
        recipe=recipe,
        seed=0,
        weights=tmp_path / "weights",
        packages=tmp_path / "packages",
        version="0.1.0",
        command="the command",
    )
    manifest = package_verify(package.folder).manifest
    assert manifest.classes == ("normal", "benign", "malignant")
    assert manifest.explanation.targets == ("normal", "benign", "malignant", "suspicion")
    assert manifest.metrics == evaluation.metrics
    assert {metric.name for metric in manifest.metrics} >= {"AUC abnormal against normal", "Pointing game, suspicion Grad-CAM"}
    assert predictions.heatmaps.shape == (12, 4, 48, 32)
    card = package.card_path.read_text()
    assert "the command" in card
    assert "10.17863/CAM.105113" in card
    assert f"{evaluation.metrics[0].value:.3f}" in card


def test_the_command_says_which_folder_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    assert "lesions.csv" in capsys.readouterr().out
