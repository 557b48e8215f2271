"""`python -m model_registry phantom` and the dispatcher it is reached through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from model_registry.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_writes_a_readable_study(tmp_path: Path) -> None:
    words = ["phantom", "--out", str(tmp_path), "--seed", "3", "--size", "256x208", "--transfer-syntax", "jpeg-lossless"]
    assert main([*words, "--photometric", "MONOCHROME1", "--lesion", "none"]) == 0
    files = sorted((tmp_path / "seed-3").iterdir())
    assert [file.name for file in files] == ["L-CC.dcm", "L-MLO.dcm", "R-CC.dcm", "R-MLO.dcm"]
    dataset = pydicom.dcmread(files[0])
    assert (dataset.Rows, dataset.Columns, dataset.PhotometricInterpretation) == (256, 208, "MONOCHROME1")


def test_the_command_writes_png_for_several_seeds(tmp_path: Path) -> None:
    assert main(["phantom", "--out", str(tmp_path), "--studies", "2", "--size", "256x208", "--format", "png"]) == 0
    assert len(list(tmp_path.glob("seed-*/*.png"))) == 8


def test_an_unknown_command_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    complaint = capsys.readouterr().err
    assert all(name in complaint for name in COMMANDS)


def test_listing_the_commands_loads_none_of_their_rooms() -> None:
    code = "import sys, model_registry.cli as c; c.main(['--help']); print('numpy' in sys.modules, 'tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False False"
