"""`dataset inspect`: what a person and a program read, leaks that only pixels show, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_registry.cli import main
from tests.model_registry_tests.datasets_tests.trees import picture, put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        picture(tmp_path / ("cyst" if number % 2 else "tumour") / f"{number}.png", seed=number, size=(9, 7))
    put(tmp_path / "patients.csv", "file,patient_id\ncyst/1.png,w1\ncyst/3.png,w1\ntumour/0.png,w2\ntumour/2.png,w3\n")
    return tmp_path


def inspect(*arguments: str) -> int:
    return main(["dataset", "inspect", *arguments])


def test_a_person_reads_classes_patients_and_that_nothing_leaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(folder)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "recognised by 2 folders of images: cyst, tumour" in shown
    assert "4 images of 3 patients (2 with 1, 1 with 2 images each)" in shown
    assert "cyst 2 1 0 0 2" in shown
    assert "no problems" in shown
    assert "w1" not in shown


def test_a_program_reads_the_same_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(folder), "--json", "--deep") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["kind"], summary["grouping"], summary["images"], summary["patients"]) == ("class-folders", "patient", 4, 3)
    assert summary["classes"][0] == {"name": "cyst", "images": 2, "patients": 1, "not_located": 2, "lesions": 0, "masks": 0}
    assert (summary["sizes"], summary["bits_stored"], summary["problems"]) == ({"9 x 7": 4}, {"8": 4}, [])


def test_pixels_show_a_picture_under_two_labels_and_a_broken_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # the same pixels in another file: bytes differ, the picture does not
    picture(folder / "cyst" / "again.png", seed=0, size=(9, 7))
    data = (folder / "cyst" / "again.png").read_bytes()
    put(folder / "cyst" / "again.png", data[:-12] + b"\0\0\0\4tEXta\0bc\x0e\x1f\x8b\x08" + data[-12:])
    put(folder / "tumour" / "broken.png", (folder / "tumour" / "0.png").read_bytes()[:60])
    assert inspect(str(folder), "--json") == 0
    assert {entry["code"] for entry in json.loads(capsys.readouterr().out)["problems"]} == {"dataset:patient_missing"}
    assert inspect(str(folder), "--json", "--deep", "--strict") == 1
    found = {entry["code"]: entry for entry in json.loads(capsys.readouterr().out)["problems"]}
    assert set(found) == {
        "dataset:patient_missing",
        "dataset:duplicate_across_labels",
        "dataset:duplicate_across_patients",
        "dataset:image_unreadable",
    }
    assert found["dataset:image_unreadable"]["examples"][0].startswith("tumour/broken.png")
    assert inspect(str(folder), "--deep") == 0
    shown = capsys.readouterr().out
    assert "dataset:duplicate_across_labels 1" in shown
    assert "no leak" not in shown


def test_a_refused_folder_gives_code_and_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(tmp_path)) == 2
    assert "dataset:not_recognised" in capsys.readouterr().err
    assert inspect(str(tmp_path), "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dataset:not_recognised"
