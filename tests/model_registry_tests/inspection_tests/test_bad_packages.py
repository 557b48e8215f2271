"""Every way in which a package may be bad has its code, and is found out where no session can exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_worker.contract.failures import CATALOGUE
from model_registry.inspection import CODES, InspectionLimits, model_inspect, package_inspect
from tests.model_registry_tests.inspection_tests.bad_packages import (
    BAD_PACKAGES,
    LINKED,
    BadPackage,
    manifest_fields,
    package_make,
    sound_model,
)

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("bad-packages")
    for bad in (*BAD_PACKAGES, LINKED):
        bad.make(folder / bad.name)
    package_make(folder / "sound", model=sound_model().SerializeToString())
    command = [sys.executable, str(HERE / "inspect_without_engine.py"), str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return answers


def test_a_sound_package_has_no_findings(found: dict[str, list[dict[str, Any]]]) -> None:
    assert found["sound"] == []


@pytest.mark.parametrize("bad", [*BAD_PACKAGES, LINKED], ids=lambda bad: bad.name)
def test_a_bad_package_has_its_code_and_no_other(bad: BadPackage, found: dict[str, list[dict[str, Any]]]) -> None:
    errors = [finding for finding in found[bad.name] if finding["severity"] == "error"]
    assert {finding["code"] for finding in errors} == {bad.code}, errors
    assert any(bad.mentions in " ".join((finding["detail"], finding["node"], finding["tensor"])) for finding in errors), errors


def test_a_finding_names_the_node_and_the_tensor(found: dict[str, list[dict[str, Any]]]) -> None:
    assert found["custom-operator"][0]["node"] == "classify"
    assert found["nan-weights"][0]["tensor"] == "weights"
    assert found["data-above"][0]["tensor"] == "weights"


def test_all_that_is_wrong_is_found_not_just_the_first(tmp_path: Path) -> None:
    model = sound_model()
    model.graph.initializer[0].raw_data = b"\x00\x00\xc0\x7f" * 128
    model.graph.output.pop()
    folder = package_make(
        tmp_path / "many", model=model.SerializeToString(), input_shape=(9, 9, 1), classes=("normal", "benign", "malignant")
    ).folder
    codes = {finding.code for finding in package_inspect(folder)}
    assert codes == {"model:weights_not_finite", "model:shape_mismatch", "model:label_count_mismatch"}


def test_three_gigabytes_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = package_make(tmp_path / "large", model=b"x").folder
    size = 3 * 1024**3
    with (folder / "model.onnx").open("r+b") as stream:
        stream.truncate(size)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    next(entry for entry in manifest["files"] if entry["path"] == "model.onnx")["size_bytes"] = size
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (finding,) = package_inspect(folder)
    assert (finding.code, str(size) in finding.detail) == ("model:too_large", True)
    monkeypatch.setattr(Path, "open", None)  # no byte of the bare file is read either
    (finding,) = model_inspect(folder / "model.onnx")
    assert finding.code == "model:too_large"


def test_the_size_limit_can_be_lowered(tmp_path: Path) -> None:
    folder = package_make(tmp_path / "sound", model=sound_model().SerializeToString()).folder
    assert package_inspect(folder) == ()
    assert [finding.code for finding in package_inspect(folder, limits=InspectionLimits(model_bytes=100))] == ["model:too_large"]


def test_a_model_without_a_manifest_is_judged_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(sound_model().SerializeToString())
    assert model_inspect(path) == ()
    assert [finding.code for finding in model_inspect(tmp_path / "none.onnx")] == ["model:corrupt_onnx"]


def test_every_code_has_its_words_in_the_catalogue() -> None:
    assert set(CODES) <= set(CATALOGUE)
    assert {bad.code for bad in BAD_PACKAGES} == set(CODES)
    assert manifest_fields()["classes"] == ("normal", "malignant")
