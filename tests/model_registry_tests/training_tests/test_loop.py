"""The loop: bit for bit repeatable, broken off or not; early stopping, plateaus, frozen bases and undefined losses."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from model_registry.training.config import TrainingConfig  # noqa: E402
from model_registry.training.errors import DataRefused, Interrupted, LossNotFinite, RunRefused  # noqa: E402
from model_registry.training.loop import Fit, Progress, network_fit  # noqa: E402
from model_registry.training.networks import network_build, optimizer_make, phase_trainable  # noqa: E402
from model_registry.training.samples import Sample  # noqa: E402
from model_registry.training.state import STATE, folder_lock, state_read  # noqa: E402
from tests.model_registry_tests.training_tests.drawn import config_of, film_config, films, given_of, pictures  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SIMPLE: dict[str, Any] = {"model": {"family": "simple"}}
AUGMENTED = {"rotation_degrees": 10, "noise": 0.05, "horizontal_flip": 0.5}


def fit(
    folder: Path,
    samples: list[Sample],
    config: TrainingConfig,
    *,
    watched: Sequence[Sample] = (),
    has_mask: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    path = network_fit(
        config=config,
        given=given_of(samples, has_mask=has_mask),
        training=samples,
        watched=watched,
        folder=folder,
        report=report,
        stop=stop,
    )
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert set(first) == set(second)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_the_same_command_twice_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    config = config_of(augmentation=AUGMENTED, optimizer={"average_decay": 0.9})
    first, again = (fit(tmp_path / name, samples, config) for name in ("first", "again"))
    assert_same(first, again)
    other = fit(tmp_path / "other", samples, config.model_copy(update={"seed": 1}))
    assert any(np.abs(first[name] - other[name]).max() > 1e-4 for name in first)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    samples = pictures(tmp_path, count=16)
    config = config_of(
        augmentation=AUGMENTED,
        optimizer={"average_decay": 0.9, "name": "adamw", "weight_decay": 0.01},
        phases=[{"epochs": 1, "learning_rate": 1e-3}, {"epochs": 2, "learning_rate": 1e-4}],
        schedule={"kind": "one-cycle"},
        early_stopping={"monitor": "val_loss"},
    )
    learning, watched = samples[:12], samples[12:]
    whole = fit(tmp_path / "whole", learning, config, watched=watched)
    seen: list[int] = []
    with pytest.raises(Interrupted, match="its state is kept"):
        fit(
            tmp_path / "parts",
            learning,
            config,
            watched=watched,
            report=lambda p: seen.append(p.epoch),
            stop=lambda: seen[-1] == 2,  # within the second phase
        )
    assert_same(whole, fit(tmp_path / "parts", learning, config, watched=watched))
    assert seen == [1, 2]
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("whole", "parts")]
    assert histories[0] == histories[1]
    rows = list(csv.DictReader(histories[0].splitlines()))
    assert [row["phase"] for row in rows] == ["1", "2", "2"]
    assert float(rows[-1]["val_loss"]) > 0


KILLED = """
import sys
from pathlib import Path
from tests.model_registry_tests.training_tests.drawn import config_of, given_of, pictures
from model_registry.training.loop import network_fit
samples = pictures(Path(sys.argv[1]), count=16)
config = config_of(phases=[{"epochs": 4, "learning_rate": 1e-3}], augmentation={"noise": 0.05, "rotation_degrees": 10})
folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
def report(progress):
    print("epoch", progress.epoch, flush=True)
    if len(sys.argv) > 3 and progress.epoch == 1:
        sys.stdin.read()
network_fit(config=config, given=given_of(samples), training=samples, watched=(), folder=folder, report=report)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_a_state_that_ends_in_the_same_weights(tmp_path: Path) -> None:
    def start(name: str, *more: str) -> subprocess.Popen[str]:
        (tmp_path / "data").mkdir(exist_ok=True)
        command = [sys.executable, "-c", KILLED, str(tmp_path / "data"), str(tmp_path / name), *more]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    process = start("killed", "waiting")
    assert process.stdout is not None
    assert process.stdout.readline() == "epoch 1\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    found = state_read(tmp_path / "killed")
    assert found is not None
    assert found[0].epoch == 1
    words = [start(name).communicate(timeout=120)[0].split("\n")[:-1] for name in ("killed", "whole")]
    assert words == [[f"epoch {n}" for n in (2, 3, 4)], [f"epoch {n}" for n in (1, 2, 3, 4)]]
    killed, whole = (dict(np.load(tmp_path / name / "weights.npz")) for name in ("killed", "whole"))
    assert_same(killed, whole)


def test_dense_supervision_learns_where_the_spot_is(tmp_path: Path) -> None:
    samples = [sample for sample in films(tmp_path, count=24) if sample.label != 1]
    config = film_config(batch_size=8, phases=[{"epochs": 12, "learning_rate": 4e-3}], schedule={"kind": "one-cycle"})
    losses: list[float] = []
    fit(tmp_path / "run", samples, config, has_mask=True, report=lambda p: losses.append(p.figures["cells"]))
    assert losses[-1] < 0.6 * losses[0]


def test_early_stopping_waits_as_long_as_asked_and_restores_the_best(tmp_path: Path) -> None:
    samples = pictures(tmp_path, count=16)
    # an area cannot rise above 1, where these pictures bring it at once
    stopping = {"monitor": "val_auc", "patience": 2}
    config = config_of(**SIMPLE, phases=[{"epochs": 12, "learning_rate": 1e-3}], early_stopping=stopping)
    seen: list[dict[str, float]] = []
    states: list[dict[str, np.ndarray]] = []

    def report(progress: Progress) -> None:
        seen.append(progress.figures)
        found = state_read(tmp_path / "run")
        assert found is not None
        states.append({str(index): value for index, value in enumerate(found[1].model)})

    weights = fit(tmp_path / "run", samples[:12], config, watched=samples[12:], report=report)
    areas = [figures["val_auc"] for figures in seen]
    best = int(np.argmax(areas))
    assert len(areas) == best + 3 < 12
    assert {"val_loss", "val_pr_auc", "learning_rate", "loss"} <= set(seen[0])
    assert not list((tmp_path / "run").glob("best-*"))
    kept = {value.tobytes() for value in weights.values()}
    assert kept <= {value.tobytes() for value in states[best].values()}
    assert not kept <= {value.tobytes() for value in states[-1].values()}


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    samples = pictures(tmp_path, count=16)
    # an area cannot rise above 1, where these pictures bring it at once
    schedule = {"kind": "reduce-on-plateau", "monitor": "val_auc", "factor": 0.5, "patience": 1, "minimum": 2e-4}
    config = config_of(**SIMPLE, phases=[{"epochs": 6, "learning_rate": 1e-3}], schedule=schedule)
    rates: list[float] = []
    areas: list[float] = []

    def report(progress: Progress) -> None:
        rates.append(progress.figures["learning_rate"])
        areas.append(progress.figures["val_auc"])

    fit(tmp_path / "run", samples[:12], config, watched=samples[12:], report=report)
    expected, best = [1e-3], areas[0]
    for area in areas[1:]:
        expected.append(max(expected[-1] * (1 if area > best else 0.5), 2e-4))
        best = max(best, area)
    # the rate changes in the epoch after the judgement
    np.testing.assert_allclose(rates, expected[:1] + expected[:-1], rtol=1e-6)
    assert rates[-1] == pytest.approx(2e-4)


def test_a_monitor_without_both_kinds_says_what_to_do(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    config = config_of(**SIMPLE, early_stopping={"monitor": "val_auc"})
    with pytest.raises(DataRefused, match="monitor_fraction"):
        fit(tmp_path / "run", samples, config, watched=[sample for sample in samples if sample.label == 0])


def test_an_undefined_loss_stops_with_advice_and_keeps_the_state_of_the_epoch_before(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    seen: list[int] = []

    def spoil(progress: Progress) -> None:
        seen.append(progress.epoch)
        np.save(samples[0].tensor_path, np.full((32, 32, 1), np.nan, np.float32))

    with pytest.raises(LossNotFinite, match=r"epoch 2, step \d.*clip_norm") as refused:
        fit(tmp_path / "run", samples, config_of(phases=[{"epochs": 3, "learning_rate": 1e-3}]), report=spoil)
    assert refused.value.code == "training:loss_not_finite"
    found = state_read(tmp_path / "run")
    assert found is not None
    assert found[0].epoch == 1
    assert all(np.isfinite(value).all() for value in found[1].model)


def test_an_error_while_making_batches_reaches_the_caller(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    samples[3].tensor_path.unlink()
    with pytest.raises(FileNotFoundError):
        fit(tmp_path / "run", samples, config_of())


def test_a_damaged_state_and_one_of_another_network_are_refused(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", samples, config_of(**SIMPLE), stop=lambda: True)
    with np.load(tmp_path / "run" / STATE, allow_pickle=False) as stored:
        assert json.loads(str(stored["facts"])).items() >= {"format": 1, "epoch": 1}.items()
    shutil.copytree(tmp_path / "run", tmp_path / "torn")
    data = (tmp_path / "torn" / STATE).read_bytes()
    (tmp_path / "torn" / STATE).write_bytes(data[: len(data) // 2])
    with pytest.raises(RunRefused, match=r"damaged.*--fresh"):
        fit(tmp_path / "torn", samples, config_of(**SIMPLE))
    with pytest.raises(RunRefused, match="another network"):
        fit(tmp_path / "run", samples, config_of(model={"family": "baseline"}))


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    code = f"from pathlib import Path\nfrom model_registry.training.state import folder_lock\nimport sys\nwith folder_lock(Path({str(tmp_path)!r})):\n    print('in', flush=True)\n    sys.stdin.read()\n"  # noqa: E501
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(RunRefused, match="another process"), folder_lock(tmp_path):
            pass
        other.communicate()
    with folder_lock(tmp_path):
        pass


@pytest.mark.parametrize(("trainable", "learning"), [("all", None), ("head", 0), ({"last": 5}, 5), ({"fraction": 1.0}, None)])
def test_a_phase_freezes_what_it_says(tmp_path: Path, trainable: Any, learning: int | None) -> None:
    config = config_of(
        model={"family": "mobilenetv2"}, phases=[{"epochs": 1, "learning_rate": 1e-3, "trainable": trainable}], batch_size=2
    )
    zoo_model = network_build(config, input_shape=(32, 32, 1))
    phase_trainable(zoo_model, config.phases[0])
    layers = [zoo_model.keras_model.get_layer(name) for name in zoo_model.base_layers]
    free = [layer for layer in layers if layer.trainable]
    assert set(free) <= set(layers[-learning:] if learning else layers if learning is None else [])
    assert bool(free) == (learning != 0)
    normalised = [layer for layer in free if "BatchNormalization" in type(layer).__name__]
    assert bool(normalised) == (trainable == "all"), "a fine-tuned base keeps its statistics"
    head = [v.path for v in zoo_model.keras_model.trainable_variables if v.path.startswith("logit/")]
    assert len(head) == 2


def test_weight_decay_shrinks_kernels_alone() -> None:
    config = config_of(model={"family": "baseline"}, optimizer={"name": "adamw", "weight_decay": 0.1})
    model = network_build(config, input_shape=(32, 32, 1)).keras_model
    optimizer = optimizer_make(config.optimizer, learning_rate=0.5, variables=model.trainable_variables)
    before = {v.path: np.asarray(v.value) for v in model.trainable_variables}
    optimizer.apply([tf.zeros_like(v.value) for v in model.trainable_variables], model.trainable_variables)
    for variable in model.trainable_variables:
        shrunk = before[variable.path] * (1 - 0.5 * 0.1 if variable.path.endswith("kernel") else 1)
        np.testing.assert_allclose(np.asarray(variable.value), shrunk, rtol=1e-5, err_msg=variable.path)


def test_half_precision_trains_and_keeps_full_precision_weights(tmp_path: Path) -> None:
    weights = fit(tmp_path / "run", pictures(tmp_path), config_of(precision="mixed_bfloat16"))
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}


def test_class_weights_and_balanced_sampling_come_from_the_training_images(tmp_path: Path) -> None:
    samples = pictures(tmp_path, count=12)
    few = [sample for sample in samples if sample.label == 0] + [sample for sample in samples if sample.label == 1][:2]
    config = config_of(class_weights="balanced", sampling="balanced")
    (tmp_path / "run").mkdir()
    found = Fit(config=config, given=given_of(few), training=few, watched=(), folder=tmp_path / "run", steps=1)
    np.testing.assert_allclose(found.weights, [8 / 12, 8 / 4], rtol=1e-6)
    from model_registry.training.batches import epoch_batches

    shares = [
        batch["label"]
        for epoch in range(30)
        for batch in epoch_batches(few, config=config, plug=found.plug, epoch=epoch, steps=2, has_mask=False, full_scale=1.0)
    ]
    assert 0.4 < np.concatenate(shares).mean() < 0.6
