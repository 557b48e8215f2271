"""The same study again while its first run is still on its way: one inference, whoever sent it, unless the caller wants more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from batches.expansion import item_take_in
from batches.models import Batch, BatchItem
from batches.rounds import batch_advance, items_claimed
from jobs.ledger import events_apply
from jobs.models import Job, JobStatus
from jobs.services import job_cancel, job_retry
from tests.platform_tests.batches_tests.conftest import counted
from tests.platform_tests.batches_tests.test_batches import create, lines_of
from tests.platform_tests.jobs_tests.factories import event
from transfers.models import Upload, UploadState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("deployment", "redis_broker")]


def ended(job: Job, kind: str, **fields: Any) -> None:
    events_apply([event("started", job), event(kind, job, **fields)])


@pytest.fixture
def send(api, upload_of, mammograms, turn):
    """A started batch of the same study under each of these custom ids, taken in; returns its document."""

    def make(*custom_ids: str, **fields: Any) -> dict[str, Any]:
        items = [{"custom_id": custom_id, "uploads": [upload_of(mammograms(1))]} for custom_id in custom_ids]
        batch = create(api, items=items, auto_start=True, **fields)
        turn()
        return batch

    return make


def statuses(api, batch: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {line["custom_id"]: (line["status"], line["reused"]) for line in lines_of(api, batch["id"])}


def test_one_run_serves_the_same_study_twice_in_a_batch_and_in_another(api, send, turn) -> None:
    first, second = send("one", "two"), send("three")
    job = Job.objects.get()
    assert statuses(api, first) == {"one": ("queued", False), "two": ("queued", True)}
    assert statuses(api, second) == {"three": ("queued", True)}

    events_apply([event("started", job)])
    assert counted(first["id"]) == {"running": 2}
    assert Upload.objects.filter(state=UploadState.FINISHED).count() == 2  # in case the shared run is cancelled
    events_apply([event("succeeded", job)])
    turn()
    for batch, number in ((first, 2), (second, 1)):
        assert counted(batch["id"]) == {"succeeded": number}
        assert api.get(batch["url"]).json()["state"] == "completed"
        assert all(line["result"]["study"]["suspicion"] == 0.75 for line in lines_of(api, batch["id"]))
    assert Job.objects.count() == 1
    assert not Upload.objects.filter(state=UploadState.FINISHED).exists()


def test_rerun_runs_and_refuse_refuses_what_is_on_its_way(api, send) -> None:
    send("first")
    again = send("again", duplicates="rerun")
    assert (statuses(api, again), Job.objects.count()) == ({"again": ("queued", False)}, 2)
    refused = send("no", duplicates="refuse")
    [line] = lines_of(api, refused["id"])
    assert (line["status"], line["failure"]["code"], Job.objects.count()) == ("quarantined", "input:duplicate_study", 2)


def test_an_urgent_item_does_not_wait_behind_a_less_urgent_job(api, send) -> None:
    send("later", priority="backfill")
    urgent = send("now", priority="stat")
    assert statuses(api, urgent) == {"now": ("queued", False)}
    third = send("also-now", priority="stat")
    assert statuses(api, third) == {"also-now": ("queued", True)}
    assert sorted(Job.objects.values_list("priority", flat=True)) == ["backfill", "stat"]


def test_a_shared_run_that_fails_is_told_and_a_retry_runs_the_item_by_itself(api, send, turn) -> None:
    send("first")
    second = send("second")
    shared = Job.objects.get()
    ended(shared, "failed", failure_code="input:pixel_data_corrupt")
    turn()
    [line] = lines_of(api, second["id"])
    assert (line["status"], line["failure"]["code"], line["job"]) == ("failed", "input:pixel_data_corrupt", str(shared.pk))
    assert api.post(f"{second['url']}/retry").status_code == 202
    turn()
    assert statuses(api, second) == {"second": ("queued", False)}
    shared.refresh_from_db()
    assert (shared.status, Job.objects.count()) == (JobStatus.FAILED, 2)


def test_an_item_follows_the_shared_job_when_its_owner_retries_it(api, send, turn) -> None:
    send("first")
    second = send("second")
    job = Job.objects.get()
    ended(job, "failed", failure_code="input:pixel_data_corrupt")
    turn()
    job_retry(job_id=job.pk, retried_by=None)
    turn()
    assert api.get(second["url"]).json()["state"] == "in_progress"
    ended(Job.objects.get(), "succeeded")
    turn()
    assert (counted(second["id"]), api.get(second["url"]).json()["state"]) == ({"succeeded": 1}, "completed")


def test_cancelling_the_first_gives_the_second_a_run_of_its_own(api, send, turn) -> None:
    first, second = send("first"), send("second")
    shared = Job.objects.get()
    assert api.post(f"{first['url']}/cancel").status_code == 202
    turn()
    assert (statuses(api, first), statuses(api, second)) == ({"first": ("cancelled", False)}, {"second": ("queued", False)})
    own = Job.objects.exclude(pk=shared.pk).get()
    ended(own, "succeeded")
    turn()
    assert counted(second["id"]) == {"succeeded": 1}


def test_cancelling_the_second_leaves_the_first_alone_and_can_be_undone(api, send, turn) -> None:
    first, second = send("first"), send("second")
    assert api.post(f"{second['url']}/cancel").status_code == 202
    turn()
    assert (counted(second["id"]), api.get(second["url"]).json()["state"]) == ({"cancelled": 1}, "cancelled")
    job = Job.objects.get()
    assert job.status == JobStatus.QUEUED
    ended(job, "succeeded")
    assert (counted(first["id"]), counted(second["id"])) == ({"succeeded": 1}, {"cancelled": 1})
    api.post(f"{second['url']}/retry", {"statuses": ["cancelled"]})
    turn()
    assert (statuses(api, second), Job.objects.count()) == ({"second": ("succeeded", True)}, 1)


def test_a_shared_job_that_is_cancelled_by_itself_is_run_again_for_the_item(api, send, turn) -> None:
    send("first")
    second = send("second")
    job_cancel(job_id=Job.objects.get().pk, cancelled_by=None)
    assert counted(second["id"]) == {"pending": 1}
    turn()
    assert statuses(api, second) == {"second": ("queued", False)}


@pytest.mark.django_db(transaction=True)
def test_processes_that_take_the_same_study_in_at_once_run_it_once(api, upload_of, mammograms, store) -> None:
    items = [{"custom_id": name, "uploads": [upload_of(mammograms(1))]} for name in "abcd"]
    batch = Batch.objects.get(pk=create(api, items=items, auto_start=True)["id"])
    batch_advance(batch_id=batch.pk, state=batch.state)
    keys = items_claimed(batch_id=batch.pk)
    assert len(keys) == 4
    start = threading.Barrier(len(keys))

    def take(key: Any) -> None:
        try:
            start.wait(timeout=30)
            item_take_in(key)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(take, keys))
    assert Job.objects.count() == 1
    assert sorted(BatchItem.objects.values_list("status", "reused")) == [("queued", False), *[("queued", True)] * 3]
