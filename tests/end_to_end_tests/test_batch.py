"""A hospital's folder of 500 studies against real processes that are killed under it, the hospital's own client included: every
good study one result, every bad one its reason, nothing twice."""

from __future__ import annotations

import csv
import io
import os
import signal
import sqlite3
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import phantom_study
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]

GOOD, BAD = 450, 50
SOME_FAILED = 3
IMPATIENT = {"JOB_LEASE_SECONDS": "6", "REAPER_INTERVAL_SECONDS": "1", "ORDER_LOST_AFTER_SECONDS": "5", "BATCH_WINDOW": "40"}


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Stack]:
    with Stack(data_dir=tmp_path / "data", **IMPATIENT) as running:
        yield running


def mammogram(original: bytes, number: int, **changes: Any) -> bytes:
    """The view as the mammogram of case `number`; keywords set or (None) delete attributes."""
    dataset = pydicom.dcmread(io.BytesIO(original))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.3680043.10.98.{number}.1")
    dataset.StudyInstanceUID = f"1.2.826.0.1.3680043.10.98.{number}.2"
    dataset.PatientID = f"MRN-{number:05d}"
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def bad_files(original: bytes) -> dict[str, tuple[str, bytes]]:
    """Twenty ways to be no mammogram: kind → the code it must get, the file."""
    whole = mammogram(original, 900)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 200, 200, 8, 0, 0, 0, 0)
    ct = {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}
    colour, palette = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, {"PhotometricInterpretation": "PALETTE COLOR"}
    return {
        "empty": ("input:empty_file", b""),
        "one-byte": ("input:not_an_image", b"x"),
        "report": ("input:not_an_image", b"%PDF-1.7 a report"),
        "text": ("input:not_an_image", b"Dear colleague, please find enclosed " * 20),
        "archive": ("input:not_an_image", b"PK\x03\x04" + b"\0" * 200),
        "picture": ("", png),  # ends after its header: which of two codes is the walker's concern
        "pixels-cut": ("input:pixel_data_truncated", whole[:-5000]),
        "header-cut": ("input:file_truncated", whole[:700]),
        "ct": ("input:not_mammography", mammogram(original, 901, **ct)),
        "raw": ("input:for_processing", mammogram(original, 902, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1")),
        "tomosynthesis": ("input:tomosynthesis", mammogram(original, 903, SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3")),
        "burned-in": ("input:burned_in_annotation", mammogram(original, 904, BurnedInAnnotation="YES")),
        "frames": ("input:multi_frame", mammogram(original, 905, NumberOfFrames=3)),
        "no-pixels": ("input:no_pixel_data", mammogram(original, 906, PixelData=None)),
        "colour": ("input:unsupported_photometric_interpretation", mammogram(original, 907, **colour)),
        "huge": ("input:dimensions_too_large", mammogram(original, 908, Rows=60_000, Columns=60_000)),
        "tiny": ("input:dimensions_too_small", mammogram(original, 909, Rows=4, Columns=4, PixelData=b"\0" * 32)),
        "no-rows": ("", mammogram(original, 910, Rows=None)),
        "palette": (
            "input:unsupported_photometric_interpretation",
            mammogram(original, 911, **palette),
        ),
        "bits": ("", mammogram(original, 912, BitsAllocated=32)),
    }


def folder_fill(folder: Path, original: bytes) -> dict[str, str]:
    """500 studies, the bad ones scattered among the good; returns the code that each bad file's folder must get (or "")."""
    kinds = bad_files(original)
    assert len(kinds) == 20
    codes: dict[str, str] = {}
    for number in range(GOOD + BAD):
        place = folder / f"{number:03d}"
        place.mkdir(parents=True)
        if number % 10 == 9:
            kind = list(kinds)[number // 10 % len(kinds)]
            codes[place.name], data = kinds[kind]
            if data.startswith(b"\0" * 128):  # a readable header: a study of its own each time
                data = mammogram_again(data, 5000 + number)
            (place / "view.dcm").write_bytes(data)
        else:
            (place / "view.dcm").write_bytes(mammogram(original, number))
    return codes


def mammogram_again(data: bytes, number: int) -> bytes:
    """The same bad file under a study's UID of the same length, byte for byte otherwise."""
    start = data.find(b"1.2.826.0.1.3680043.10.98.9")
    if start < 0:
        return data
    old = data[start : start + 29]
    return data.replace(old, old[:26] + f"{number % 1000:03d}".encode())


def client_start(stack: Stack, folder: Path, out: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "MAMMOSERVE_URL": stack.url,
        "MAMMOSERVE_TOKEN": stack.access["token"],
        "PYTHONPATH": str(ROOT / "platform" / "client" / "src"),
    }
    command = [sys.executable, "-m", "mammoserve_client.cli", "submit", str(folder), "--wait", "--out", str(out)]
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen([*command, "--duplicates", "rerun"], env=environment, stdout=log, stderr=log)


def row_count(stack: Stack, table: str, condition: str = "1") -> int:
    with closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3")) as database:
        return int(database.execute(f"select count(*) from {table} where {condition}").fetchone()[0])  # noqa: S608 our words


def rows_wait(stack: Stack, table: str, count: int) -> None:
    wait_until(lambda: row_count(stack, table) >= count, limit_seconds=120, what=f"{count} rows of {table}")


@pytest.mark.slow
def test_a_folder_of_500_outlives_its_client_and_every_process(impatient: Stack, tmp_path: Path) -> None:
    original = phantom_study(seed=11, size_hw=(256, 208))[0].to_dicom_bytes()
    codes = folder_fill(tmp_path / "studies", original)
    out = tmp_path / "results.csv"

    client = client_start(impatient, tmp_path / "studies", out)
    for uploads in (60, 300):  # killed while it sends the first batch, and while it sends the second
        rows_wait(impatient, "transfers_upload", uploads)
        client.send_signal(signal.SIGKILL)
        client.wait()
        client = client_start(impatient, tmp_path / "studies", out)
    for reached, victim in ((40, "worker"), (120, "batches"), (160, "worker"), (200, "web")):
        rows_wait(impatient, "jobs_result", reached)
        old_pid = impatient.kill(victim)
        impatient.wait_restarted(victim, old_pid=old_pid)
    status = client.wait(timeout=200)

    assert status == SOME_FAILED, out.with_suffix(".log").read_text()[-3000:]
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["status"] for row in rows) == {"succeeded": GOOD, "quarantined": BAD}
    assert Counter(Counter(row["source"] for row in rows).values()) == {1: GOOD + BAD}
    good = [row for row in rows if row["status"] == "succeeded"]
    assert {row["patient_id"] for row in good} == {f"MRN-{number:05d}" for number in range(500) if number % 10 != 9}
    assert len({row["job"] for row in good}) == GOOD
    told = {row["source"]: row["failure_code"] for row in rows if row["status"] != "succeeded"}
    assert all(code in CATALOGUE and code.startswith("input:") for code in told.values())
    assert {source: code for source, code in told.items() if codes[source]} == {s: c for s, c in codes.items() if c}
    assert [row_count(impatient, table) for table in ("jobs_job", "jobs_result", "studies_study")] == [GOOD] * 3
    with closing(sqlite3.connect(impatient.data_dir / "mammoserve.sqlite3")) as database:
        ends = "select job_id from jobs_jobevent where to_status = 'SUCCEEDED'"
        assert set(Counter(database.execute(ends).fetchall()).values()) == {1}
    assert not list(tmp_path.glob("results.csv.journal*"))
