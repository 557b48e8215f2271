"""Hostile and odd files: whatever comes, intake answers with a study or with a code from the catalogue."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import studies.intake
from inference_worker.contract.failures import CATALOGUE, CodedError

_REPOSITORY = Path(__file__).resolve().parents[3]
_SHARED = _REPOSITORY.parent / "shared" / "data" / "dicom"
_PYDICOM = Path(pydicom.data.__file__).parent
_EVERY_EXAMPLE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _outcome(receive, data: bytes) -> str:
    code = "received"
    try:
        receive(data)
    except CodedError as error:
        code = error.code
    assert code == "received" or (code in CATALOGUE and code.startswith("input:"))
    return code


@pytest.mark.parametrize("folder", [pytest.param(_PYDICOM, id="pydicom"), pytest.param(_SHARED, id="shared")])
def test_every_test_file_is_refused_as_what_it_is(receive, folder: Path) -> None:
    """They are no mammograms: none may pass, none may fail without a code."""
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not on this machine")

    outcomes = Counter(_outcome(receive, path.read_bytes()) for path in _files(folder))

    assert "received" not in outcomes
    assert outcomes["input:not_mammography"] > 50


@pytest.mark.parametrize("folder", [pytest.param(_PYDICOM, id="pydicom"), pytest.param(_SHARED, id="shared")])
def test_with_the_mammography_rule_off_every_decodable_grey_file_keeps_its_pixels(receive, store, folder, monkeypatch) -> None:
    """The rest of intake, on every encoding that the test files offer."""
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not on this machine")
    monkeypatch.setattr(studies.intake, "mammography_check", lambda header: None)
    compared = 0
    for path in _files(folder):
        try:
            image = receive(path.read_bytes()).images[0]
        except CodedError:
            continue
        if image.media_type != "application/dicom":
            continue
        original = pydicom.dcmread(path, force=True)
        if not image.transfer_syntax_uid.startswith("1.2.840.10008.1.2.4"):  # JPEG is the worker's to decode, and slow
            stored = pydicom.dcmread(io.BytesIO(store.get_bytes(image.object_key)))
            assert np.array_equal(stored.pixel_array, original.pixel_array), path.name
            compared += 1
    assert compared >= 5


@_EVERY_EXAMPLE
@given(data=st.data())
def test_a_mammogram_with_bytes_changed_never_escapes_the_codes(receive, mammogram, data) -> None:
    file = bytearray(mammogram())
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(128, 700))] = data.draw(st.integers(0, 255))

    _outcome(receive, bytes(file))


@_EVERY_EXAMPLE
@given(data=st.data())
def test_a_picture_with_bytes_changed_never_escapes_the_codes(receive, png_bytes, jpeg_bytes, data) -> None:
    file = bytearray(data.draw(st.sampled_from([png_bytes(), jpeg_bytes()])))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, min(700, len(file) - 1)))] = data.draw(st.integers(0, 255))

    _outcome(receive, bytes(file))


_SIGNATURES = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0" * 128 + b"DICM", b"\x08\0\x05\0"]


@_EVERY_EXAMPLE
@given(tail=st.binary(max_size=400), head=st.sampled_from(_SIGNATURES))
def test_a_right_signature_before_noise_never_escapes_the_codes(receive, head: bytes, tail: bytes) -> None:
    assert _outcome(receive, head + tail) != "received"
