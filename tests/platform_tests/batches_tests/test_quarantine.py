"""What was kept aside: told with its reason, released after a fix, discarded, given up by age."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry
from batches.models import BatchItem
from batches.quarantine import quarantine_purge
from batches.signals import items_quarantined
from jobs.models import Job
from tests.platform_tests.batches_tests.conftest import counted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _parts(deployment: Any, redis_broker: Any) -> None:
    """Every test here submits."""


@pytest.fixture
def held(api, upload_of, mammograms, finish) -> dict[str, Any]:
    """A completed batch of a good and a bad item; the bad one's entry."""
    items = [{"custom_id": "good", "uploads": [upload_of(mammograms(1))]}, {"custom_id": "bad", "uploads": [upload_of(b"")]}]
    api.post("/api/v1/batches", {"items": items, "auto_start": True})
    finish()
    [entry] = api.get("/api/v1/quarantine").json()["results"]
    return entry


def test_an_entry_says_what_is_wrong_and_what_to_do(api, held) -> None:
    assert (held["custom_id"], held["state"], held["failure"]["code"]) == ("bad", "held", "input:empty_file")
    assert held["failure"]["action"] == "Export the image again and resend it."
    assert held["failure"]["files"][0]["index"] == 0
    assert held["quarantined_at"] < held["purged_at"]
    assert api.get(held["url"]).json() == held
    assert api.get(f"/api/v1/quarantine?code=input:empty_file&batch={held['batch']}").json()["results"] == [held]
    assert api.get("/api/v1/quarantine?code=input:no_files").json()["results"] == []


def test_a_replaced_file_brings_the_item_to_its_result(api, held, upload_of, mammograms, finish, submitter) -> None:
    answer = api.post(f"{held['url']}/release", {"uploads": [upload_of(mammograms(2))]})
    assert (answer.status_code, answer.json()["state"], answer.json()["failure"]) == (202, "released", None)
    batch = api.get(f"/api/v1/batches/{held['batch']}").json()
    assert (batch["state"], batch["request_counts"]["pending"]) == ("in_progress", 1)

    finish()

    assert api.get(f"/api/v1/batches/{held['batch']}").json()["state"] == "completed"
    assert counted(held["batch"]) == {"succeeded": 2}
    assert api.post(f"{held['url']}/release", {}).json()["code"] == "quarantine:not_held"
    assert list(AuditEntry.objects.filter(action="quarantine.release").values_list("subject", "actor")) == [
        (held["id"], submitter.pk)
    ]


def test_releasing_the_same_again_ends_in_quarantine_again(api, held, finish) -> None:
    api.post(f"{held['url']}/release", {})
    finish()

    assert api.get(held["url"]).json()["state"] == "held"
    assert counted(held["batch"]) == {"succeeded": 1, "quarantined": 1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"uploads": ["8c1f0c59-9f3e-4c3c-8f6c-0a3c8f5d2f10"]}, "unknown_upload"),
        ({"deployment": "nowhere"}, "unknown_deployment"),
        ({"duplicates": "maybe"}, "invalid"),
        ({"custom_id": "new"}, "unknown"),
        ({"prefix": ""}, "invalid"),
        ([], "invalid"),
    ],
)
def test_a_release_that_mends_nothing_is_refused(api, held, body, code) -> None:
    answer = api.post(f"{held['url']}/release", body)

    assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (400, [code])
    assert api.get(held["url"]).json() == held


def test_a_discarded_item_has_failed_and_is_not_retried(api, held) -> None:
    answer = api.post(f"{held['url']}/discard")

    assert (answer.status_code, answer.json()["state"], answer.json()["failure"]["code"]) == (
        202,
        "discarded",
        "input:empty_file",
    )
    assert counted(held["batch"]) == {"succeeded": 1, "failed": 1}
    assert api.post(f"/api/v1/batches/{held['batch']}/retry").json()["code"] == "batch:nothing_to_retry"
    assert api.get("/api/v1/quarantine").json()["results"] == []
    assert [entry["id"] for entry in api.get("/api/v1/quarantine?state=discarded").json()["results"]] == [held["id"]]


def test_what_nobody_releases_is_given_up(held, moving_clock, settings) -> None:
    moving_clock.advance(settings.QUARANTINE_KEPT_DAYS * 86_400 - 60)
    assert quarantine_purge() == 0
    moving_clock.advance(120)
    assert quarantine_purge() == 1

    assert counted(held["batch"]) == {"succeeded": 1, "failed": 1}
    assert BatchItem.objects.get(custom_id="bad").quarantine == "discarded"


def test_whoever_listens_hears_of_it_in_the_transaction(api, upload_of, turn) -> None:
    heard: list[str] = []

    def listen(items: Any, **_: Any) -> None:
        heard.extend(item.failure_code for item in items)

    items_quarantined.connect(listen)
    try:
        api.post("/api/v1/batches", {"items": [{"custom_id": "bad", "uploads": [upload_of(b"x")]}], "auto_start": True})
        turn()
    finally:
        items_quarantined.disconnect(listen)
    assert heard == ["input:not_an_image"]


def test_a_refused_duplicate_is_released_by_asking_for_a_rerun(api, upload_of, mammograms, finish, held) -> None:
    items = [{"custom_id": "again", "uploads": [upload_of(mammograms(1))]}]
    batch = api.post("/api/v1/batches", {"items": items, "auto_start": True, "duplicates": "refuse"}).json()
    finish()
    [entry] = api.get(f"/api/v1/quarantine?batch={batch['id']}").json()["results"]
    assert entry["failure"]["code"] == "input:duplicate_study"

    api.post(f"{entry['url']}/release", {"duplicates": "rerun"})
    finish()

    assert counted(batch["id"]) == {"succeeded": 1}
    assert Job.objects.count() == 2
