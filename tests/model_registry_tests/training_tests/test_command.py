"""`train` as a person uses it: from a folder of images to a verified package, refusals, breaking off, going on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from model_registry.packaging import package_verify
from model_registry.training.command import main
from tests.model_registry_tests.training_tests.drawn import collection_write, config_write

ROOT = Path(__file__).resolve().parents[3]
SIMPLE: dict[str, Any] = {"model": {"family": "simple"}, "phases": [{"epochs": 2, "learning_rate": 1e-3}]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in `out`, with its configuration and collection beside it."""
    folder = tmp_path_factory.mktemp("trained")
    collection_write(folder / "data")
    config_write(folder, **SIMPLE)
    assert train(folder) == 0
    return folder


def train(folder: Path, *more: str) -> int:
    return main([str(folder / "small.yaml"), "--data", str(folder / "data"), "--out", str(folder / "out"), *more])


def test_a_package_comes_out_with_figures_card_and_the_command_that_made_it(trained: Path) -> None:
    package = package_verify(trained / "out" / "drawn" / "packages" / "drawn-0.1.0")
    manifest = package.manifest
    assert manifest.classes == ("benign", "malignant")
    assert manifest.provenance.training_command == "python -m model_registry train small.yaml --data PATH"
    assert manifest.provenance.training_data.endswith("24 images of 12 patients, 12 benign, 12 malignant")
    assert manifest.metrics
    assert all(metric.method.startswith("2-fold cross-validation by patient") for metric in manifest.metrics)
    card = package.card_path.read_text()
    assert manifest.provenance.training_command in card
    for heading in ("By class", "Confusion matrix", "Calibration of suspicion", "Make it again"):
        assert f"## {heading}\n" in card
    listed = {entry.path for entry in manifest.files}
    assert {"training/config.json", "training/weights.npz", "training/history-fold-0.csv", "training/history-final.csv"} <= listed
    plots = {f"plots/{name}.svg" for name in ("roc", "pr", "confusion", "reliability", "scores")}
    assert plots <= listed
    assert all(f"({plot})" in card for plot in plots)
    assert str(trained) not in card
    assert str(trained) not in "".join(path.read_text() for path in (package.folder / "training").glob("*.[jc]s*"))
    assert len((trained / "out" / "drawn" / "out_of_fold.csv").read_text().splitlines()) == 25


def test_a_finished_run_is_not_trained_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = sorted((trained / "out").rglob("weights.npz"))
    stamps = [path.stat().st_mtime_ns for path in weights if "packages" not in path.parts]
    shutil.rmtree(trained / "out" / "drawn" / "packages")
    assert train(trained, "--resume") == 0
    assert [path.stat().st_mtime_ns for path in weights if "packages" not in path.parts] == stamps
    assert "going on with the run" in capsys.readouterr().out


@pytest.mark.parametrize(("more", "expected"), [(("--seed", "5"), "another config"), (("--epochs", "9"), "another config")])
def test_a_run_is_not_continued_with_another_configuration(
    trained: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], expected: str
) -> None:
    assert train(trained, *more) == 1
    assert f"training:run_folder: the run in {trained / 'out' / 'drawn'} was started with {expected}" in _words(capsys)


def test_nor_with_another_collection(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    collection_write(tmp_path / "copy" / "data", patients=14)
    assert train(tmp_path / "copy") == 1
    assert "another collection" in _words(capsys)


def test_parts_are_trained_apart_and_put_together_when_all_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection_write(tmp_path / "data")
    config_write(tmp_path, **SIMPLE, output={"final": "best-fold"})
    assert train(tmp_path, "--epochs", "1", "--folds", "1") == 0
    assert "once fold-0 are there" in _words(capsys)
    assert train(tmp_path, "--epochs", "1", "--folds", "7") == 1
    assert "there are fold-0, fold-1" in _words(capsys)
    assert train(tmp_path, "--epochs", "1") == 0
    command = package_verify(tmp_path / "out" / "drawn" / "packages" / "drawn-0.1.0").manifest.provenance.training_command
    assert command.endswith("--data PATH --epochs 1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.yaml"], "no configuration of that name ships: baseline"),
        (["dog-fpn-film"], "data.path needs ${DATA}"),
        (["dog-fpn-film", "--data", "nowhere"], "dataset:folder_missing"),
        (["efficientnet-b0", "--data", "nowhere"], "--weights none to train from scratch"),
        (["dog-fpn-film", "--data", "nowhere", "--epochs", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA", raising=False)
    monkeypatch.delenv("WEIGHTS", raising=False)
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert expected in _words(capsys)


def test_resuming_what_was_never_begun_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection_write(tmp_path / "data")
    config_write(tmp_path, **SIMPLE)
    assert train(tmp_path, "--resume") == 1
    assert "no run in" in _words(capsys)


def test_the_shipped_configurations_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("dog-fpn-film ") and line.endswith("Film MLO abnormality, dog-fpn") for line in lines)
    assert not any(line.startswith("_") for line in lines)


@pytest.mark.slow
def test_an_interrupt_keeps_the_epoch_and_says_how_to_go_on(tmp_path: Path) -> None:
    collection_write(tmp_path / "data")
    config_write(tmp_path, **{**SIMPLE, "phases": [{"epochs": 400, "learning_rate": 1e-3}]})
    command = [sys.executable, "-m", "model_registry", "train", str(tmp_path / "small.yaml")]
    command += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "400"}) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "fold-0: epoch 1/400" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert "its state is kept. Go on with: python -m model_registry train" in lines[-1]
    assert lines[-1].endswith("--resume\n")
    with np.load(tmp_path / "out" / "drawn" / "fold-0" / "state.npz", allow_pickle=False) as stored:
        assert '"epoch": ' in str(stored["facts"])


def _words(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out
