"""Whoever is killed in the middle of a batch loses nothing and doubles nothing."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from batches import expansion, rounds, sources
from batches.expansion import TRIES_MAXIMUM
from batches.loop import BatchLoop
from batches.models import Batch, BatchItem
from jobs.models import Job, OutboxMessage
from studies.models import Study
from tests.platform_tests.batches_tests.conftest import counted
from transfers.models import UploadKind

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """What no handler catches, as a SIGKILL would not be."""


@pytest.fixture(autouse=True)
def _parts(deployment: Any, redis_broker: Any) -> None:
    """Every test here submits."""


def dying(original: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """The function, which kills its caller before or after its work, once."""
    state = {"left": 1}

    def call(*args: Any, **kwargs: Any) -> Any:
        if after:
            answer = original(*args, **kwargs)
        if state["left"]:
            state["left"] -= 1
            raise Killed
        return answer if after else original(*args, **kwargs)

    return call


POINTS = [
    (expansion, "deployment_resolve", True),
    (expansion, "study_receive", False),
    (expansion, "study_receive", True),
    (expansion, "uploads_consume", True),
    (expansion, "study_create", True),
    (expansion, "job_submit", True),
    (expansion, "item_moved", True),
    (sources, "items_insert", True),
    (rounds, "source_expand", True),
    (rounds, "batch_transition", True),
    (rounds, "counts_add", True),
]


@pytest.mark.parametrize(("module", "name", "after"), POINTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_killed_anywhere_a_batch_comes_to_the_same_end(
    api, upload_of, mammograms, loop, finish, moving_clock, monkeypatch, module, name, after
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in (1, 2):
            archive.writestr(f"{number}.dcm", mammograms(number))
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in (3, 4)]
    items.append({"custom_id": "bad", "uploads": [upload_of(b"bad")]})
    archives = [upload_of(buffer.getvalue(), kind=UploadKind.ARCHIVE)]
    batch = api.post("/api/v1/batches", {"items": items, "archives": archives, "auto_start": True}).json()
    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying(getattr(module, name), after=after))
        died = 0
        for _ in range(4):
            try:
                loop.turn()
            except Killed:
                died += 1
                break
        if name == "counts_add":  # a batch whose counts are right never comes here
            assert died == 0
        else:
            assert died == 1

    for _ in range(2):
        moving_clock.advance(61)
        finish()

    assert api.get(batch["url"]).json()["state"] == "completed"
    assert counted(batch["id"]) == {"succeeded": 4, "quarantined": 1}
    assert Study.objects.count() == Job.objects.count() == 4
    assert OutboxMessage.objects.count() == 4


def test_a_study_that_kills_whoever_touches_it_is_kept_aside(
    api, upload_of, mammograms, loop, turn, moving_clock, monkeypatch
) -> None:
    def kill(**_: Any) -> None:
        raise Killed

    monkeypatch.setattr(expansion, "study_receive", kill)
    batch = api.post(
        "/api/v1/batches", {"items": [{"custom_id": "deadly", "uploads": [upload_of(mammograms(1))]}], "auto_start": True}
    )
    for _ in range(TRIES_MAXIMUM):
        with pytest.raises(Killed):
            turn()
        # The claim outlives its process, as it does when nobody could give it back.
        BatchItem.objects.update(tries=BatchItem.objects.get().tries + 1)
        moving_clock.advance(61)
        if BatchItem.objects.get().tries >= TRIES_MAXIMUM:
            break
    turn()

    item = BatchItem.objects.get()
    assert (item.status, item.failure_code) == ("quarantined", "system:unexpected")
    assert api.get(batch.json()["url"]).json()["state"] == "completed"


def test_a_fault_of_ours_stops_nobody_else(api, upload_of, mammograms, finish, moving_clock, monkeypatch, caplog) -> None:
    original = expansion.study_receive

    def receive(**kwargs: Any) -> Any:
        received = original(**kwargs)
        if received.originals.patient_id == "MRN-00001":
            raise RuntimeError("MRN-00001 broke it")
        return received

    monkeypatch.setattr(expansion, "study_receive", receive)
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in (1, 2)]
    batch = api.post("/api/v1/batches", {"items": items, "auto_start": True}).json()
    for _ in range(TRIES_MAXIMUM + 1):
        finish()
        moving_clock.advance(61)
    finish()

    assert counted(batch["id"]) == {"succeeded": 1, "quarantined": 1}
    assert BatchItem.objects.get(custom_id="case-1").failure_code == "system:unexpected"


@pytest.mark.django_db(transaction=True)
def test_two_processes_take_every_item_once(api, upload_of, mammograms, store, spool) -> None:
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in range(12)]
    batch = api.post("/api/v1/batches", {"items": items, "auto_start": True}).json()
    faults: list[BaseException] = []

    def run() -> None:
        loop = BatchLoop(stop=threading.Event())
        try:
            for _ in range(200):
                loop.turn()
                if not Batch.objects.get().pending_count and Batch.objects.get().state == "in_progress":
                    return
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert faults == []
    assert counted(batch["id"]) == {"queued": 12}
    assert Study.objects.count() == Job.objects.count() == 12
    assert connection.vendor in ("sqlite", "postgresql")
