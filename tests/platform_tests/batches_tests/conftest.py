"""Fixtures of the batches tests: finished uploads of real files, the loop turned by hand, workers' reports."""

from __future__ import annotations

import datetime
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Site
from batches.loop import BatchLoop
from batches.models import Batch, BatchItem
from batches.states import ItemStatus
from jobs.ledger import events_apply
from jobs.models import Job
from tests.platform_tests.jobs_tests.conftest import (  # noqa: F401  fixtures by their names
    _nothing_remembered,
    deployment,
    moving_clock,
    redis_broker,
    redis_server,
)
from tests.platform_tests.jobs_tests.factories import event
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from transfers.models import Upload, UploadKind, UploadState
from transfers.spool import spool_path


@pytest.fixture
def spool(settings: Any, tmp_path: Path) -> Path:
    """An empty spool of the test's own."""
    settings.UPLOAD_SPOOL_DIR = str(tmp_path / "transfers")
    settings.UPLOAD_MIN_FREE_BYTES = 0
    (tmp_path / "transfers").mkdir()
    return tmp_path / "transfers"


@pytest.fixture
def upload_of(spool: Path, site: Site) -> Callable[..., str]:
    """A finished upload of these bytes; returns its id."""

    def make(data: bytes, *, at: Site = site, kind: str = UploadKind.FILE, **fields: Any) -> str:
        upload = Upload.objects.create(
            site=at,
            kind=kind,
            length=len(data),
            **{
                "offset": len(data),
                "state": UploadState.FINISHED,
                "finished_at": timezone.now(),
                "expires_at": timezone.now() + datetime.timedelta(hours=24),
                **fields,
            },
        )
        spool_path(upload.pk).write_bytes(data)
        return str(upload.pk)

    return make


@pytest.fixture
def mammograms() -> Callable[..., bytes]:
    """The mammogram of case `number`: its own UIDs, patient and pixels."""

    def make(number: int, **changes: Any) -> bytes:
        return mammogram_make(
            **{
                "SOPInstanceUID": f"1.2.826.0.1.3680043.10.99.{number}.1",
                "StudyInstanceUID": f"1.2.826.0.1.3680043.10.99.{number}.2",
                "PatientID": f"MRN-{number:05d}",
                "AccessionNumber": f"A{number:05d}",
                "PatientName": f"Planted^Name{number}",
                "Exposure": number,
                **changes,
            }
        )

    return make


@pytest.fixture
def pictures() -> Callable[[int], bytes]:
    """A PNG of its own for every number."""
    return lambda number: png_make(size=(80, 96 + number))


@pytest.fixture
def loop(store: Any, spool: Path) -> BatchLoop:
    return BatchLoop(stop=threading.Event())


@pytest.fixture
def turn(loop: BatchLoop) -> Callable[[], None]:
    """The loop turned until it has nothing to do for the moment."""

    def run(rounds: int = 12) -> None:
        for _ in range(rounds):
            loop._due.clear()
            before = list(Batch.objects.order_by("pk").values_list("pk", "revision"))
            pause = loop.turn()
            if pause and before == list(Batch.objects.order_by("pk").values_list("pk", "revision")):
                return

    return run


@pytest.fixture
def work() -> Callable[..., None]:
    """Workers that finish every queued or running job of batches; `fail` names custom ids whose jobs fail."""

    def run(*, fail: tuple[str, ...] = (), code: str = "input:pixel_data_corrupt") -> None:
        items = BatchItem.objects.filter(status__in=[ItemStatus.QUEUED, ItemStatus.RUNNING]).select_related("job__study")
        for item in items:
            job = item.job
            assert job is not None
            ended = event("failed", job, failure_code=code) if item.custom_id in fail else event("succeeded", job)
            events_apply([event("started", job), ended])

    return run


@pytest.fixture
def finish(turn: Callable[[], None], work: Callable[..., None]) -> Callable[..., None]:
    """Loop and workers until everything has ended."""

    def run(**outcome: Any) -> None:
        for _ in range(6):
            turn()
            work(**outcome)
        turn()

    return run


def counted(batch_id: str | uuid.UUID) -> dict[str, int]:
    """Counts kept on the batch, without zeros; they must be what a count of the rows gives."""
    batch = Batch.objects.get(pk=batch_id)
    kept = {status.value: getattr(batch, f"{status.value}_count") for status in ItemStatus}
    statuses = list(BatchItem.objects.filter(batch=batch).values_list("status", flat=True))
    assert kept == {status.value: statuses.count(status.value) for status in ItemStatus}
    assert batch.total_count == len(statuses)
    assert batch.live_count == kept["pending"] + kept["queued"] + kept["running"]
    return {status: number for status, number in kept.items() if number}


def jobs_count() -> int:
    return Job.objects.count()
