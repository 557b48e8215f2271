"""A hospital's batch against real processes that are killed under it: every good study one result, every bad one its reason."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import phantom_study
from tests.end_to_end_tests.stack import Stack, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]

GOOD = 108
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


def bad_files(original: bytes) -> dict[str, bytes]:
    """Twelve ways to be no mammogram, by the code that each must get."""
    whole = mammogram(original, 900)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 200, 200, 8, 0, 0, 0, 0)
    return {
        "input:not_an_image": b"%PDF-1.7 a report",
        "input:pixel_data_truncated": whole[:-5000],
        "input:file_truncated": whole[:700],
        "input:not_mammography": mammogram(original, 901, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
        "input:for_processing": mammogram(original, 902, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1"),
        "input:tomosynthesis": mammogram(original, 903, SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3"),
        "input:burned_in_annotation": mammogram(original, 904, BurnedInAnnotation="YES"),
        "input:multi_frame": mammogram(original, 905, NumberOfFrames=3),
        "input:no_pixel_data": mammogram(original, 906, PixelData=None),
        "input:unsupported_photometric_interpretation": mammogram(
            original, 907, PhotometricInterpretation="RGB", SamplesPerPixel=3
        ),
        "input:dimensions_too_large": mammogram(original, 908, Rows=60_000, Columns=60_000),
        "input:png": png,
    }


def upload(stack: Stack, data: bytes, **fields: str) -> str:
    """The file as one resumable upload; returns its id."""
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(data)),
        "Upload-Metadata": metadata,
        "Content-Type": "application/offset+octet-stream",
    }
    answer = stack.client.post("/api/v1/uploads", content=data, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].rstrip("/").rpartition("/")[2]


def batch_at(stack: Stack, address: str) -> dict[str, Any]:
    return dict(stack.client.get(address).json())


def lines_of(stack: Stack, batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.client.get(batch["results_url"]).text.splitlines()]


def test_a_batch_outlives_its_processes_and_nothing_is_lost_or_doubled(impatient: Stack) -> None:
    original = phantom_study(seed=11, size_hw=(256, 208))[0].to_dicom_bytes()
    bad = bad_files(original)
    files = {f"case-{number:03d}": mammogram(original, number) for number in range(GOOD)}
    files |= {f"bad-{code.partition(':')[2]}": data for code, data in bad.items()}
    assert len(files) == 120
    body = {"name": "chaos", "items": [{"custom_id": custom_id} for custom_id in files], "duplicates": "rerun"}
    key = {"Idempotency-Key": "chaos-1"}
    batch = impatient.client.post("/api/v1/batches", json=body, headers=key).json()
    # A client that was killed before it read the answer asks again.
    assert impatient.client.post("/api/v1/batches", json=body, headers=key).json()["id"] == batch["id"]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda item: upload(impatient, item[1], batch=batch["id"], custom_id=item[0]), files.items()))
    assert impatient.client.post(f"{batch['url']}/close").status_code == 202

    def results(number: int) -> Callable[[], bool]:
        return lambda: bool(batch_at(impatient, batch["url"])["request_counts"]["succeeded"] >= number)

    for reached, victim in ((4, "worker"), (20, "batches"), (30, "worker")):
        wait_until(results(reached), limit_seconds=60, what=f"{reached} results", every_seconds=0.05)
        old_pid = impatient.kill(victim)
        impatient.wait_restarted(victim, old_pid=old_pid)
    old_web = impatient.kill("web")
    impatient.wait_restarted("web", old_pid=old_web)
    wait_until(lambda: _answers(impatient), limit_seconds=60, what="the web process answers", every_seconds=0.2)
    wait_until(
        lambda: batch_at(impatient, batch["url"])["state"] == "completed",
        limit_seconds=180,
        what="the batch ends",
        every_seconds=0.3,
    )

    counts = {name: number for name, number in batch_at(impatient, batch["url"])["request_counts"].items() if number}
    lines = lines_of(impatient, batch)
    assert counts == {"total": 120, "succeeded": GOOD, "quarantined": 12}, [line["failure"] for line in lines if line["failure"]]
    assert [line["custom_id"] for line in lines] == list(files)
    good, failed = lines[:GOOD], lines[GOOD:]
    assert {line["identifiers"]["patient_id"] for line in good} == {f"MRN-{number:05d}" for number in range(GOOD)}
    assert all(line["result"]["job"] == line["job"] and line["result"]["images"][0]["heatmaps"] for line in good)
    assert all(line["failure"]["code"] in CATALOGUE and line["failure"]["action"] for line in failed)
    told = {f"input:{line['custom_id'].removeprefix('bad-')}": line["failure"]["code"] for line in failed}
    del told["input:png"]  # a picture that ends after its header: which of two codes is the walker's concern
    assert told == {code: code for code in told}
    with closing(sqlite3.connect(impatient.data_dir / "mammoserve.sqlite3")) as database:
        for question in (
            "select count(*) from jobs_job",
            "select count(*) from jobs_result",
            "select count(*) from studies_study",
        ):
            assert database.execute(question).fetchone() == (GOOD,), question
        ends = "select job_id from jobs_jobevent where to_status = 'SUCCEEDED'"
        assert set(Counter(database.execute(ends).fetchall()).values()) == {1}
    assert list((impatient.data_dir / "transfers").glob("*")) == [] or _held_only(impatient)


def _answers(stack: Stack) -> bool:
    try:
        return bool(stack.client.get("/healthz").status_code == 200)
    except Exception:  # noqa: BLE001 - it is being started
        time.sleep(0.1)
        return False


def _held_only(stack: Stack) -> bool:
    """What is left of uploads is what quarantine holds, to be released or given up."""
    return len([path for path in (stack.data_dir / "transfers").glob("*") if path.is_file()]) == 12
