"""A validation: a sound package passes, and each fault is found by its item and its code.

Items that only look at answers are carried out in the test's own process; what concerns the child process runs in one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference_worker.checks import validation
from inference_worker.checks.child_process import CheckAbandoned
from inference_worker.checks.validation import validation_run
from inference_worker.contract.checks import VALIDATION_ITEMS, CheckOrder, CheckReport, CheckTask
from inference_worker.contract.failures import CATALOGUE, CodedError
from model_registry.packaging import Package
from tests.inference_worker_tests.checks_tests.packages import changed_package, items_of, output_becomes, sound_package
from tests.inference_worker_tests.factories import Bench, package_key


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return sound_package(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Callable[..., CheckReport]]:
    """Validates a package on a bench of its own."""
    benches: list[Bench] = []

    def run(package: Package, *, bench: dict[str, Any] | None = None, **more: Any) -> CheckReport:
        benches.append(Bench(tmp_path / f"bench-{len(benches)}", **(bench or {})))
        benches[-1].package_store(package)
        return validation_run(order_of(package), packages=benches[-1].packages, settings=benches[-1].settings, **more)

    yield run
    for one in benches:
        one.close()


def items_here(package: Package, folder: Path) -> CheckReport:
    items = tuple(items_of(package, folder))
    return CheckReport(passed=all(item.verdict != "failed" for item in items), items=items, provider="cpu", software={})


def order_of(package: Package) -> CheckOrder:
    return CheckOrder("check-1", 1, CheckTask.VALIDATE, 60, package_digest=package.digest, package_key=package_key(package))


def failures(report: CheckReport) -> dict[str, str | None]:
    return {item.name: item.code for item in report.items if item.verdict == "failed"}


def test_a_sound_package_passes_every_item(sound: Package, judge: Callable[..., CheckReport]) -> None:
    told: list[tuple[str, int, int]] = []
    report = judge(sound, progress=lambda *step: told.append(step), orders_active=lambda: 3)
    assert report.passed, [item for item in report.items if item.verdict == "failed"]
    assert [item.name for item in report.items] == list(VALIDATION_ITEMS)
    assert {item.verdict for item in report.items} == {"passed"}
    assert report.provider == "cpu"
    assert [row["batch_size"] for row in report.performance or []] == [1, 2, 4, 8]
    assert all(row["median_seconds"] > 0 and row["peak_memory_bytes"] > 0 for row in report.performance or [])
    figures = {item.name: item.figures or {} for item in report.items}
    assert figures["performance"]["orders_beside"] == 3
    assert figures["heatmap_gradients"]["largest_difference"] < 0.01
    assert {step for step, _, _ in told} == set(VALIDATION_ITEMS)
    assert told[-1][2] == len(VALIDATION_ITEMS)
    assert CheckReport.from_wire(report.to_wire()) == report


def _scaled(name: str, factor: float) -> Callable[[onnx.ModelProto], None]:
    return output_becomes(
        name, helper.make_node("Mul", [f"{name}/before", "factor"], [name]), constants={"factor": np.asarray(factor)}
    )


def _noisy(model: onnx.ModelProto) -> None:
    """Probabilities' logits that change from run to run."""
    output_becomes(
        "heatmaps",
        helper.make_node("RandomUniformLike", ["heatmaps/before"], ["chance"], low=0.0, high=1.0),
        helper.make_node("Mul", ["chance", "little"], ["small"]),
        helper.make_node("Add", ["heatmaps/before", "small"], ["heatmaps"]),
        constants={"little": np.asarray(1e-3)},
    )(model)


def _batch_norm(model: onnx.ModelProto) -> None:
    """The input has the batch's mean taken away, as a normalisation left in training mode does."""
    (image,) = [value.name for value in model.graph.input]
    for node in model.graph.node:
        for index, source in enumerate(node.input):
            if source == image:
                node.input[index] = "centred"
    model.graph.node.insert(0, helper.make_node("ReduceMean", [image], ["mean"], axes=[0], keepdims=1))
    model.graph.node.insert(1, helper.make_node("Mul", ["mean", "share"], ["part"]))
    model.graph.node.insert(2, helper.make_node("Sub", [image, "part"], ["centred"]))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(0.3, np.float32), "share"))


def _root_of_brightness(model: onnx.ModelProto) -> None:
    """NaN for every image brighter than any golden one."""
    (image,) = [value.name for value in model.graph.input]
    output_becomes(
        "logits",
        helper.make_node("ReduceMax", [image], ["brightest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["ceiling", "brightest"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["zero"]),
        helper.make_node("Unsqueeze", ["zero", "axis"], ["column"]),
        helper.make_node("Add", ["logits/before", "column"], ["logits"]),
        constants={"ceiling": np.asarray(1.2), "nothing": np.asarray(0.0)},
    )(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([1], np.int64), "axis"))


def _flat(model: onnx.ModelProto) -> None:
    output_becomes(
        "heatmaps",
        helper.make_node("ReduceMean", ["heatmaps/before"], ["level"], axes=[2, 3], keepdims=1),
        helper.make_node("Shape", ["heatmaps/before"], ["sizes"]),
        helper.make_node("Add", ["level", "something"], ["raised"]),
        helper.make_node("Expand", ["raised", "sizes"], ["heatmaps"]),
        constants={"something": np.asarray(0.5)},
    )(model)


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        (_scaled("probabilities", 0.9), {"probabilities": "model:probabilities_wrong"}),
        (_noisy, {"determinism": "model:not_deterministic"}),
        (_batch_norm, {"batch_independence": "model:batch_dependent"}),
        (_root_of_brightness, {"finite": "model:not_finite"}),
        (_scaled("heatmaps", 2.0), {"heatmap_gradients": "model:heatmap_wrong"}),
        (_flat, {"heatmaps": "model:heatmap_flat", "heatmap_gradients": "model:heatmap_wrong"}),
        (_scaled("heatmaps", -1.0), {"heatmaps": "model:heatmap_flat", "heatmap_gradients": "model:heatmap_wrong"}),
    ],
)
def test_a_faulty_graph_fails_at_its_item(
    sound: Package,
    tmp_path: Path,
    graph: Callable[[onnx.ModelProto], None],
    found: dict[str, str],
) -> None:
    report = items_here(changed_package(sound, tmp_path / "faulty", graph=graph), tmp_path)
    noise = {"golden", "batch_independence", "heatmap_gradients"} if graph is _noisy else set()
    assert {name: code for name, code in failures(report).items() if name not in noise} == found
    assert not report.passed
    assert set(failures(report).values()) <= set(CATALOGUE)


def test_wrong_golden_answers_fail_the_golden_item_alone(sound: Package, tmp_path: Path) -> None:
    report = items_here(changed_package(sound, tmp_path / "shifted", graph=shifted_bias, regolden=False), tmp_path)
    assert failures(report) == {"golden": "model:golden_mismatch"}
    assert "logits differs by" in next(item.detail for item in report.items if item.name == "golden")


def shifted_bias(model: onnx.ModelProto) -> None:
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "b3"]
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.array([0.5, 0, 0], np.float32), "b3"))


@pytest.mark.parametrize("method", ["hires-cam", "layer-cam"])
def test_maps_of_other_methods_are_held_against_differences_too(tmp_path: Path, method: str) -> None:
    package = sound_package(tmp_path / "made", method=method)
    report = items_here(package, tmp_path)
    item = report.items[-1]
    assert (item.verdict, failures(report)) == ("passed", {}), item
    wrong = changed_package(package, tmp_path / "wrong", graph=_scaled("heatmaps", 1.5))
    assert failures(items_here(wrong, tmp_path)) == {"heatmap_gradients": "model:heatmap_wrong"}


def test_a_cam_layer_that_is_none_is_found(sound: Package, tmp_path: Path) -> None:
    explanation = sound.manifest.explanation.model_dump(mode="json") | {"cam_layer": "nowhere"}
    report = items_here(changed_package(sound, tmp_path / "lost", explanation=explanation), tmp_path)
    assert failures(report) == {"heatmap_gradients": "model:heatmap_wrong"}
    assert "no tensor 'nowhere'" in report.items[-1].detail


def test_an_altered_file_fails_before_anything_runs(sound: Package, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "own")
    bench.package_store(sound)
    bench.store.write(key=f"{package_key(sound)}/model.onnx", data=b"another model")
    report = validation_run(order_of(sound), packages=bench.packages, settings=bench.settings)
    bench.close()
    assert failures(report) == {"files": "model:digest_mismatch"}
    assert {item.verdict for item in report.items[1:]} == {"skipped"}
    assert report.provider == ""


def test_an_unsound_structure_is_never_given_to_the_engine(
    sound: Package, judge: Callable[..., CheckReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "child_run", lambda **_: pytest.fail("the engine was started"))

    def unknown_operator(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Conjure", ["logits"], ["magic"], domain="com.stranger"))

    report = judge(changed_package(sound, tmp_path / "odd", graph=unknown_operator, regolden=False))
    assert failures(report) == {"structure": "model:unsupported_operator"}


def test_a_model_above_the_worker_memory_is_refused(sound: Package, judge: Callable[..., CheckReport], tmp_path: Path) -> None:
    def ballast(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(20 * 2**18, np.float32), "ballast"))

    report = judge(changed_package(sound, tmp_path / "big", graph=ballast), bench={"SESSION_MEMORY_LIMIT_MB": "16"})
    assert failures(report) == {"size": "model:out_of_memory"}


def endless(model: onnx.ModelProto) -> None:
    """A loop of 2^62 rounds between the logits and their output."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["carried", "carried"], ["doubled"]),
            helper.make_node("Mul", ["doubled", "half"], ["kept"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, [None, None]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("kept", TensorProto.FLOAT, [None, None]),
        ],
    )
    output_becomes(
        "logits",
        helper.make_node("Loop", ["rounds", "true", "logits/before"], ["logits"], body=body),
        constants={"half": np.asarray(0.5)},
    )(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(2**62, np.int64), "rounds"))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(True), "true"))


def greedy(model: onnx.ModelProto) -> None:
    """A tensor of gigabytes whose size depends on the image's values, so that no inspection can know it."""
    (image,) = [value.name for value in model.graph.input]
    output_becomes(
        "logits",
        helper.make_node("ReduceMax", [image], ["brightest"], keepdims=0),
        helper.make_node("Add", ["brightest", "one"], ["at_least_one"]),
        helper.make_node("Cast", ["at_least_one"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "times"], ["wanted"]),
        helper.make_node("ConstantOfShape", ["wanted"], ["heap"]),
        helper.make_node("ReduceMax", ["heap"], ["nothing_much"], keepdims=0),
        helper.make_node("Add", ["logits/before", "nothing_much"], ["logits"]),
        constants={"one": np.asarray(1.0)},
    )(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([1_000_000_000], np.int64), "times"))


@pytest.mark.parametrize(
    ("graph", "limits", "code"),
    [
        (endless, {"VALIDATION_SECONDS": "4"}, "model:too_slow"),
        (greedy, {"SESSION_MEMORY_LIMIT_MB": "16"}, "model:out_of_memory"),
    ],
)
def test_a_hostile_model_takes_nothing_but_its_own_process_down(
    sound: Package,
    judge: Callable[..., CheckReport],
    tmp_path: Path,
    graph: Callable[[onnx.ModelProto], None],
    limits: dict[str, str],
    code: str,
) -> None:
    started = time.monotonic()
    report = judge(changed_package(sound, tmp_path / "hostile", graph=graph, regolden=False), bench=limits)
    assert code in failures(report).values(), report.items
    assert time.monotonic() - started < 60
    assert _children() == []


def _children() -> list[str]:
    return [child.name() for child in psutil.Process(os.getpid()).children() if child.status() != psutil.STATUS_ZOMBIE]


def test_a_worker_that_ends_gives_the_check_up(sound: Package, judge: Callable[..., CheckReport], tmp_path: Path) -> None:
    ending = threading.Event()
    with pytest.raises(CheckAbandoned):
        judge(
            changed_package(sound, tmp_path / "endless", graph=endless, regolden=False),
            progress=lambda step, *_: ending.set() if step == "session" else None,
            is_cancelled=ending.is_set,
        )
    assert _children() == []


def test_a_store_that_is_away_says_nothing_about_the_package(sound: Package, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "packages").symlink_to(tmp_path / "store" / "packages")  # every look at it is an I/O error
    with pytest.raises(CodedError) as failure:
        validation_run(order_of(sound), packages=bench.packages, settings=bench.settings)
    bench.close()
    assert failure.value.code == "system:storage_unavailable"
