"""A model is taken apart in a process of its own; whatever happens to that process, the caller gets an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.inspection import InspectionLimits, model_report
from model_registry.inspection.isolation import child_environment, model_checks_isolated
from tests.model_registry_tests.inspection_tests.bad_packages import package_make, sound_model

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
DYING = "tests.model_registry_tests.inspection_tests.dying_child"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(sound_model().SerializeToString())
    return path


def test_the_facts_come_back_from_the_other_process(path: Path) -> None:
    inspection = model_report(path)
    assert inspection.is_sound
    assert inspection.facts is not None
    assert inspection.facts.opsets == {"ai.onnx": 17}
    assert inspection.facts.operators == {"Abs": 1, "MatMul": 1, "Reshape": 1, "Softmax": 1, "Transpose": 1}
    assert (inspection.facts.inputs, inspection.facts.parameters) == ({"image": ["N", 8, 8, 1]}, 128)


@pytest.mark.parametrize(("way", "words"), [("crash", "SIGSEGV"), ("raise", "RuntimeError: odd"), ("memory", "MemoryError")])
def test_a_child_that_dies_is_a_refusal_and_what_it_found_is_kept(path: Path, way: str, words: str) -> None:
    limits = InspectionLimits(memory_bytes=3 * 1024**3)
    inspection = model_checks_isolated(path.with_name(way), manifest=None, limits=limits, module=DYING)
    assert [finding.code for finding in inspection.findings] == ["model:weights_not_finite", "model:corrupt_onnx"]
    assert words in inspection.findings[1].detail


def test_a_child_that_never_ends_is_ended(path: Path) -> None:
    limits = InspectionLimits(seconds=2)
    inspection = model_checks_isolated(path.with_name("hang"), manifest=None, limits=limits, module=DYING)
    assert [finding.code for finding in inspection.findings] == ["model:weights_not_finite", "model:corrupt_onnx"]
    assert "longer than 2 s" in inspection.findings[1].detail


def test_the_child_is_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROKER_URL", "AWS_SECRET_ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in child_environment().values()
    assert child_environment()["PATH"] == os.environ["PATH"]


def test_hundreds_of_damaged_models_are_judged_without_an_unforeseen_error(tmp_path: Path) -> None:
    folder = package_make(tmp_path / "sound", model=sound_model().SerializeToString()).folder
    command = [sys.executable, str(HERE / "fuzz_child.py"), str(folder), "20261124", "600"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 500  # the rest are models with other names or other weights
