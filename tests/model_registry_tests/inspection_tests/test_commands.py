"""`verify` and `show`: what they say, and what they leave undone when an earlier step failed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model_registry.cli import main
from model_registry.inspection.advice import ADVICE
from model_registry.inspection.findings import CODES
from model_registry.packaging import Package
from model_registry.packaging.signature import key_pair_write, package_sign, private_key_read
from tests.model_registry_tests.inspection_tests.bad_packages import SIDE, WEIGHTS, external, package_make, sound_model

ROOT = Path(__file__).resolve().parents[3]


def golden_files(*, shift: float = 0.0, rows: int = SIDE) -> dict[str, bytes]:
    """An image of the model's own size, so that preprocessing changes nothing, and the answers by hand."""
    levels = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) * 4
    image = np.kron(levels, np.ones((16, 16), np.uint8))
    values = levels.astype(np.float32) / 255
    logits = values.reshape(-1) @ WEIGHTS + shift
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    expected = io.BytesIO()
    np.savez(expected, logits=logits, probabilities=probabilities, heatmaps=np.resize(values, (1, rows, SIDE)))
    return {"golden/view.png": bytes(cv2.imencode(".png", image)[1]), "golden/view.npz": expected.getvalue()}


def package(folder: Path, *, model: Any = None, **golden: Any) -> Package:
    return package_make(folder, model=(model or sound_model()).SerializeToString(), files=golden_files(**golden))


def verified(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    status = main(["verify", *map(str, arguments), "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, answer


def outcomes(answer: dict[str, Any]) -> list[str]:
    return [step["outcome"] for step in answer["steps"]]


def codes(answer: dict[str, Any]) -> set[str]:
    return {finding["code"] for step in answer["steps"] for finding in step["findings"]}


def test_a_good_package_passes_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = package(tmp_path / "good")
    key_pair_write(private=tmp_path / "lab.key", public=tmp_path / "lab.pem")
    package_sign(made.folder, private_key_read(tmp_path / "lab.key"))
    status, answer = verified(capsys, made.folder, "--trusted-keys", tmp_path / "lab.pem")
    assert (status, answer["passed"], answer["digest"]) == (0, True, made.digest)
    assert [step["name"] for step in answer["steps"]] == ["files", "signature", "inspection", "golden"]
    assert outcomes(answer) == ["passed"] * 4
    assert answer["steps"][1]["detail"] == "signed by lab"
    assert answer["steps"][3]["detail"].startswith("1 golden inputs reproduced")


def test_without_trusted_keys_the_signature_is_left_open_and_the_rest_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answer = verified(capsys, package(tmp_path / "good").folder)
    assert (status, outcomes(answer)) == (0, ["passed", "skipped", "passed", "passed"])


def test_nothing_is_tried_after_an_altered_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = package(tmp_path / "altered")
    made.card_path.write_bytes(b"# sonnd\n")
    status, answer = verified(capsys, made.folder)
    assert (status, outcomes(answer), codes(answer)) == (
        1,
        ["failed", "skipped", "skipped", "skipped"],
        {"model:digest_mismatch"},
    )


def test_an_unsigned_package_is_refused_where_keys_are_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_pair_write(private=tmp_path / "lab.key", public=tmp_path / "lab.pem")
    status, answer = verified(capsys, package(tmp_path / "unsigned").folder, "--trusted-keys", tmp_path / "lab.pem")
    assert (status, outcomes(answer)) == (1, ["passed", "failed", "skipped", "skipped"])
    assert codes(answer) == {"model:signature_missing"}


def test_an_unsound_model_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = package(tmp_path / "unsound", model=sound_model(weights=external(location="../secret")))
    status, answer = verified(capsys, made.folder)
    assert (status, outcomes(answer)) == (1, ["passed", "skipped", "failed", "skipped"])
    assert codes(answer) == {"model:external_data_outside"}


@pytest.mark.parametrize(("golden", "words"), [({"shift": 0.1}, "differs"), ({"rows": 9}, "has shape (1, 9, 8)")])
def test_a_model_that_answers_otherwise_is_a_golden_mismatch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], golden: dict[str, Any], words: str
) -> None:
    status, answer = verified(capsys, package(tmp_path / "other", **golden).folder)
    assert (status, codes(answer)) == (1, {"model:golden_mismatch"})
    assert words in answer["steps"][3]["findings"][0]["detail"]


def test_the_table_marks_each_step_and_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(package(tmp_path / "good").folder), "--no-golden"]) == 0
    assert "✓ good can be installed." in capsys.readouterr().out
    assert main(["verify", str(package(tmp_path / "other", shift=0.1).folder)]) == 1
    text = capsys.readouterr().out
    assert "✗ other is refused." in text
    assert "What to do (model:golden_mismatch)" in text
    assert main(["verify", str(tmp_path), "--trusted-keys", str(tmp_path / "none.pem")]) == 2


def test_every_refusal_has_advice() -> None:
    assert set(CODES) <= set(ADVICE)


def test_show_says_what_a_package_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = package(tmp_path / "good")
    assert main(["show", str(made.folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["digest"], answer["manifest"]["classes"]) == (made.digest, ["normal", "malignant"])
    assert answer["model"]["operators"]["MatMul"] == 1
    assert main(["show", str(made.folder)]) == 0
    text = capsys.readouterr().out
    for words in ("0 normal, 1 malignant", "2. resize: size_hw 8 x 8", "image N x 8 x 8 x 1", "ai.onnx 17"):
        assert words in text
    assert main(["show", str(tmp_path / "nowhere")]) == 1


def test_a_title_cannot_rewrite_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = sound_model().SerializeToString()
    folder = package_make(tmp_path / "odd", model=model, title="\x1b[2J[red]erased\x1b]0;owned\x07").folder
    assert main(["show", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[red]erased" in text


def test_verifying_loads_no_engine_in_this_process(tmp_path: Path) -> None:
    folder = package(tmp_path / "good").folder
    code = (
        "import sys; sys.modules['onnxruntime'] = None; sys.modules['tensorflow'] = None\n"
        "from model_registry.cli import main\n"
        f"sys.exit(main(['verify', {str(folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
