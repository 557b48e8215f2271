"""Bad input never brings a 5xx or a dead worker: a result, a coded failure or a coded refusal, for every stress file at hand.

The files of pydicom's own test set come with the installed package; the larger set lies beside a development checkout and is
skipped, and says so, where it is not.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as MAMMOGRAM

from inference_worker.contract.failures import CATALOGUE
from tests.end_to_end_tests.stack import ROOT, Stack

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
STRESS = ROOT.parent / "shared" / "data" / "dicom"
LARGEST_BYTES = 40 * 2**20


def stress_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        pytest.skip(f"no stress files: {folder.name} is not beside this checkout")
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= LARGEST_BYTES)
    assert len(found) > 50
    return found


def disguised(path: Path) -> bytes | None:
    """The object with the header of a mammogram, so that it reaches the decoders; None where it cannot be written at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            dataset.SOPClassUID = MAMMOGRAM
            dataset.Modality = "MG"
            dataset.PresentationIntentType = "FOR PRESENTATION"
            dataset.file_meta.MediaStorageSOPClassUID = MAMMOGRAM
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=False)
    except Exception:  # noqa: BLE001 the file is broken on purpose, in any way; unwritable ones are covered as they are
        return None
    return buffer.getvalue()


def outcome(stack: Stack, answer: httpx.Response) -> str:
    """What became of one submission. Fails on anything that is neither a result nor coded."""
    if answer.status_code != 202:
        assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text[:500]}"
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] in CATALOGUE
        assert problem["code"].startswith("input:")
        assert problem["title"]
        assert problem["action"]
        return str(problem["code"])
    job = stack.wait_ended(answer.json()["job"]["id"])
    if job["status"] == "SUCCEEDED":
        return "result"
    failure: dict[str, Any] = job["failure"]
    # Neither the model nor the system is to blame for what somebody sends.
    assert failure["code"].startswith("input:"), failure
    assert failure["code"] in CATALOGUE
    return str(failure["code"])


def outcomes(stack: Stack, files: list[tuple[str, bytes]]) -> dict[str, str]:
    """Submit each file as a study of its own, all at once, then see what became of them; the same processes must be alive."""
    before = stack.pids()
    answers = [(name, stack.submit([("file.dcm", data)], priority="backfill")) for name, data in files]
    found = {name: outcome(stack, answer) for name, answer in answers}
    assert stack.pids() == before
    assert stack.client.get("/readyz").status_code == 200
    return found


@pytest.mark.parametrize("folder", [BUNDLED, STRESS], ids=["bundled with pydicom", "stress set"])
def test_every_file_as_it_is_gets_a_result_or_a_coded_answer(stack: Stack, folder: Path) -> None:
    found = outcomes(stack, [(path.name, path.read_bytes()) for path in stress_files(folder)])
    assert "input:not_mammography" in found.values()


@pytest.mark.parametrize("folder", [BUNDLED, STRESS], ids=["bundled with pydicom", "stress set"])
def test_every_file_disguised_as_a_mammogram_gets_a_result_or_a_coded_answer(stack: Stack, folder: Path) -> None:
    made = [(path.name, disguised(path)) for path in stress_files(folder)]
    found = outcomes(stack, [(name, data) for name, data in made if data is not None])
    assert "result" in found.values()
    assert len(set(found.values())) >= 5  # the refusals tell one fault from another


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("empty.dcm", b"", "input:empty_file"),
        ("words.png", b"not an image at all, whatever its name says", "input:not_an_image"),
        (
            "cut.png",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00\x00\x00\x02\x00\x08\x00\x00\x00\x00",
            "input:file_truncated",
        ),
    ],
)
def test_a_broken_file_is_refused_by_name(stack: Stack, name: str, data: bytes, code: str) -> None:
    answer = stack.submit([(name, data)])
    assert answer.status_code == 422 or answer.status_code == 400
    assert answer.json()["code"] == code
