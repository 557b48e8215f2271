"""Batches from manifest to results, through the API, with real files, the real loop and workers' reports."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from batches.models import Batch, BatchEvent, BatchItem
from jobs.models import Job
from jobs.services import job_cancel, job_retry
from studies.models import Study
from tests.platform_tests.batches_tests.conftest import counted
from transfers.models import Upload, UploadKind, UploadState
from transfers.spool import spool_path

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _parts(deployment: Any, redis_broker: Any) -> None:
    """Every test here submits."""


def lines_of(api: APIClient, batch_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/api/v1/batches/{batch_id}/results{query}")
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.getvalue().splitlines()]


def create(api: APIClient, **manifest: Any) -> dict[str, Any]:
    answer = api.post("/api/v1/batches", manifest)
    assert answer.status_code == 202, answer.json()
    return answer.json()


def test_a_batch_goes_from_manifest_to_results_with_a_reason_for_what_failed(
    api, upload_of, mammograms, pictures, finish
) -> None:
    uploads = [upload_of(mammograms(1)), upload_of(b"no image at all"), upload_of(pictures(3)), upload_of(mammograms(4))]
    items = [{"custom_id": f"case-{at}", "external_id": f"ACC-{at}", "uploads": [pk]} for at, pk in enumerate(uploads)]
    batch = create(api, name="week 12", items=items, auto_start=True, metadata={"ward": "7"})

    finish(fail=("case-3",))

    found = api.get(batch["url"]).json()
    assert found["state"] == "completed"
    assert found["request_counts"] == {
        "total": 4, "pending": 0, "queued": 0, "running": 0, "succeeded": 2, "failed": 1, "cancelled": 0, "quarantined": 1,
    }  # fmt: skip
    lines = lines_of(api, batch["id"])
    assert [(line["custom_id"], line["status"]) for line in lines] == [
        ("case-0", "succeeded"),
        ("case-1", "quarantined"),
        ("case-2", "succeeded"),
        ("case-3", "failed"),
    ]
    assert [line["failure"] and line["failure"]["code"] for line in lines] == [
        None,
        "input:not_an_image",
        None,
        "input:pixel_data_corrupt",
    ]
    assert lines[1]["failure"]["files"] == [
        {"index": 0, "code": "input:not_an_image", "message": "The file is neither DICOM, PNG nor JPEG."}
    ]
    assert lines[0]["result"]["study"]["external_id"] == "ACC-0"
    assert lines[0]["result"]["study"]["suspicion"] == 0.75
    states = list(BatchEvent.objects.filter(batch_id=batch["id"]).order_by("id").values_list("to_state", flat=True))
    assert states == ["open", "validating", "in_progress", "finalizing", "completed"]
    assert all(found[f"{state}_at"] for state in states[1:])


def test_the_hospitals_own_identifiers_come_back_and_only_where_they_are_asked_for(api, upload_of, mammograms, finish) -> None:
    batch = create(api, items=[{"custom_id": "a", "uploads": [upload_of(mammograms(7))]}], auto_start=True)
    finish()

    [line] = lines_of(api, batch["id"])
    [without] = lines_of(api, batch["id"], "?identifiers=false")

    [image] = line["identifiers"].pop("images")
    assert line["identifiers"] == {
        "study_instance_uid": "1.2.826.0.1.3680043.10.99.7.2",
        "patient_id": "MRN-00007",
        "accession_number": "A00007",
    }
    assert (image["position"], image["sop_instance_uid"]) == (0, "1.2.826.0.1.3680043.10.99.7.1")
    assert without["identifiers"] is None


def test_csv_has_a_row_for_every_item_and_no_formula(api, upload_of, mammograms, finish) -> None:
    uploads = [upload_of(mammograms(1, PatientID="=cmd|x")), upload_of(b"")]
    items = [{"custom_id": f"case-{at}", "uploads": [pk]} for at, pk in enumerate(uploads)]
    batch = create(api, items=items, auto_start=True)
    finish()

    answer = api.get(f"{batch['url']}/results", headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["status"] for row in rows] == ["succeeded", "quarantined"]
    assert (rows[0]["patient_id"], rows[0]["suspicion"], rows[0]["above_threshold"]) == ("'=cmd|x", "0.75", "true")
    assert (rows[1]["failure_code"], rows[1]["suspicion"]) == ("input:empty_file", "")
    assert {row["use"] for row in rows} == {"research only, not for diagnosis"}
    assert api.get(f"{batch['url']}/results?format=xml").json()["code"] == "input:invalid_field"


def test_results_can_be_read_before_the_end(api, upload_of, mammograms, turn) -> None:
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in (1, 2)]
    batch = create(api, items=items)

    assert [line["status"] for line in lines_of(api, batch["id"])] == ["pending", "pending"]
    api.post(f"{batch['url']}/close")
    turn()
    assert [(line["status"], line["result"], line["failure"]) for line in lines_of(api, batch["id"])] == [
        ("queued", None, None)
    ] * 2
    assert [line["custom_id"] for line in lines_of(api, batch["id"], "?status=succeeded&status=failed")] == []


def test_an_archive_becomes_an_item_for_each_study_and_its_bad_entries_are_told(
    api, upload_of, mammograms, finish, settings
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in (1, 2, 3):
            archive.writestr(f"DOE^JANE/{number}/a.dcm", mammograms(number))
            archive.writestr(
                f"DOE^JANE/{number}/b.dcm", mammograms(number, SOPInstanceUID=f"1.2.3.{number}", ImageLaterality="L")
            )
        archive.writestr("../../escape.dcm", mammograms(9))
        archive.writestr("DICOMDIR", b"x" * 200)
    upload = upload_of(buffer.getvalue(), kind=UploadKind.ARCHIVE)
    batch = create(api, archives=[upload], auto_start=True)

    finish()

    lines = lines_of(api, batch["id"])
    assert sorted(line["status"] for line in lines) == ["quarantined", "succeeded", "succeeded", "succeeded"]
    uids = {line["identifiers"]["study_instance_uid"] for line in lines if line["identifiers"]}
    assert uids == {f"1.2.826.0.1.3680043.10.99.{number}.2" for number in (1, 2, 3)}
    assert [len(line["result"]["images"]) for line in lines if line["result"]] == [2, 2, 2]
    [refused] = [line for line in lines if line["failure"]]
    assert refused["failure"]["code"] == "input:entry_unsafe_name"
    assert all("DOE" not in json.dumps({**line, "identifiers": None}) for line in lines)
    assert api.get(batch["url"]).json()["sources"] == [{"archive": upload, "prefix": None, "state": "expanded", "items": 3}]


def test_a_place_of_the_object_store_becomes_items(api, site, mammograms, finish, settings, tmp_path) -> None:
    settings.IMPORT_PREFIXES = {site.slug: [f"file://{tmp_path}/inbox"]}
    for number in (1, 2):
        folder = tmp_path / "inbox" / f"case-{number}"
        folder.mkdir(parents=True)
        (folder / "a.dcm").write_bytes(mammograms(number))
    whole = create(api, prefixes=[f"file://{tmp_path}/inbox"], auto_start=True)
    single = create(
        api,
        items=[
            {"custom_id": "one", "prefix": f"file://{tmp_path}/inbox/case-1"},
            {"custom_id": "elsewhere", "prefix": f"file://{tmp_path}/secret"},
        ],
        duplicates="rerun",
        auto_start=True,
    )

    finish()

    assert counted(whole["id"]) == {"succeeded": 2}
    lines = lines_of(api, single["id"])
    assert [line["status"] for line in lines] == ["succeeded", "quarantined"]
    assert lines[1]["failure"]["code"] == "input:prefix_not_allowed"


def test_files_that_named_batch_and_custom_id_find_their_item(api, upload_of, mammograms, finish) -> None:
    batch = create(api, items=[{"custom_id": "listed"}, {"custom_id": "forgotten"}])
    for custom_id, number in (("listed", 1), ("new", 2), ("", 3)):
        upload_of(mammograms(number), batch_id=batch["id"], custom_id=custom_id)
    api.post(f"{batch['url']}/close")

    finish()

    lines = {line["custom_id"]: line for line in lines_of(api, batch["id"])}
    assert {name: line["status"] for name, line in lines.items() if not name.startswith("upload-")} == {
        "listed": "succeeded",
        "forgotten": "quarantined",
        "new": "succeeded",
    }
    assert lines["forgotten"]["failure"]["code"] == "input:no_files"
    assert counted(batch["id"]) == {"succeeded": 3, "quarantined": 1}


@pytest.mark.django_db(transaction=True)  # files go when the transaction commits
def test_an_item_waits_for_files_that_are_on_their_way(api, upload_of, mammograms, turn, moving_clock, finish) -> None:
    data = mammograms(1)
    upload = upload_of(data, state=UploadState.RECEIVING, offset=5)
    batch = create(api, items=[{"custom_id": "slow", "uploads": [upload]}], auto_start=True)
    turn()
    assert counted(batch["id"]) == {"pending": 1}

    Upload.objects.filter(pk=upload).update(state=UploadState.FINISHED, offset=len(data))
    moving_clock.advance(90)
    finish()

    assert counted(batch["id"]) == {"succeeded": 1}
    assert not spool_path(Upload.objects.get(pk=upload).pk).exists()


def test_items_over_the_sites_quota_wait_for_their_turn(api, site, upload_of, mammograms, turn, moving_clock, finish) -> None:
    site.max_studies_per_day = 1
    site.save()
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in (1, 2)]
    batch = create(api, items=items, auto_start=True)
    finish()
    assert counted(batch["id"]) == {"succeeded": 1, "pending": 1}

    moving_clock.advance(24 * 3600)
    finish()

    assert counted(batch["id"]) == {"succeeded": 2}


def test_an_upload_that_is_gone_is_a_coded_failure(api, upload_of, mammograms, finish) -> None:
    upload = upload_of(mammograms(1))
    batch = create(api, items=[{"custom_id": "gone", "uploads": [upload]}])
    Upload.objects.filter(pk=upload).update(state=UploadState.EXPIRED)
    api.post(f"{batch['url']}/close")
    finish()

    [line] = lines_of(api, batch["id"])
    assert line["failure"]["code"] == "input:upload_gone"


@pytest.mark.parametrize(
    ("duplicates", "jobs", "status"), [("reuse", 1, "succeeded"), ("rerun", 2, "succeeded"), ("refuse", 1, "quarantined")]
)
def test_the_same_study_again_is_the_callers_choice(api, upload_of, mammograms, finish, duplicates, jobs, status) -> None:
    first = create(api, items=[{"custom_id": "first", "uploads": [upload_of(mammograms(1))]}], auto_start=True)
    finish()
    again = create(
        api,
        items=[{"custom_id": "again", "uploads": [upload_of(mammograms(1))]}],
        duplicates=duplicates,
        auto_start=True,
    )
    finish()

    [before], [line] = lines_of(api, first["id"]), lines_of(api, again["id"])
    assert (Job.objects.count(), line["status"], line["reused"]) == (jobs, status, duplicates == "reuse")
    assert (line["job"] == before["job"]) is (duplicates == "reuse")
    if duplicates == "refuse":
        assert line["failure"]["code"] == "input:duplicate_study"


def test_another_sites_result_is_never_reused(api, other_api, other_site, upload_of, mammograms, finish) -> None:
    create(api, items=[{"custom_id": "ours", "uploads": [upload_of(mammograms(1))]}], auto_start=True)
    finish()
    theirs = create(
        other_api, items=[{"custom_id": "theirs", "uploads": [upload_of(mammograms(1), at=other_site)]}], auto_start=True
    )
    finish()

    [line] = lines_of(other_api, theirs["id"])
    assert (line["reused"], line["status"], Job.objects.count()) == (False, "succeeded", 2)


def test_cancelling_keeps_what_is_done_and_retrying_brings_back_the_rest(
    api, upload_of, mammograms, turn, work, finish, settings
) -> None:
    settings.BATCH_WINDOW = 1
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in range(3)]
    batch = create(api, items=items, auto_start=True)
    turn()
    assert counted(batch["id"]) == {"queued": 1, "pending": 2}  # the window
    work()
    turn()
    answer = api.post(f"{batch['url']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    turn()

    assert api.get(batch["url"]).json()["state"] == "cancelled"
    assert counted(batch["id"]) == {"succeeded": 1, "cancelled": 2}
    codes = [line["failure"] and line["failure"]["code"] for line in lines_of(api, batch["id"])]
    assert codes == [None, "input:cancelled", "input:cancelled"]
    assert api.post(f"{batch['url']}/cancel").status_code == 202  # cancelling again changes nothing
    assert api.post(f"{batch['url']}/retry").json()["code"] == "batch:nothing_to_retry"

    again = api.post(f"{batch['url']}/retry", {"statuses": ["failed", "cancelled"]})
    assert again.json()["state"] == "in_progress"
    finish()
    assert api.get(batch["url"]).json()["state"] == "completed"
    assert counted(batch["id"]) == {"succeeded": 3}
    assert Study.objects.count() == 3


def test_only_what_failed_is_retried(api, upload_of, mammograms, finish) -> None:
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in range(3)]
    batch = create(api, items=items, auto_start=True)
    finish(fail=("case-1",))
    assert counted(batch["id"]) == {"succeeded": 2, "failed": 1}

    assert api.post(f"{batch['url']}/retry").json()["state"] == "in_progress"
    finish()

    assert counted(batch["id"]) == {"succeeded": 3}
    assert sorted(Job.objects.values_list("attempt", flat=True)) == [1, 1, 2]


def test_expiry_keeps_what_is_done(api, upload_of, mammograms, turn, work, moving_clock, settings) -> None:
    settings.BATCH_WINDOW = 1
    items = [{"custom_id": f"case-{at}", "uploads": [upload_of(mammograms(at))]} for at in range(2)]
    batch = create(api, items=items, auto_start=True, expires_after_seconds=600)
    turn()
    work()
    moving_clock.advance(601)
    turn()

    assert api.get(batch["url"]).json()["state"] == "expired"
    assert [line["failure"] and line["failure"]["code"] for line in lines_of(api, batch["id"])] == [None, "input:batch_expired"]


def test_a_batch_without_items_fails_and_says_why(api, turn) -> None:
    batch = create(api, auto_start=True)
    turn()

    found = api.get(batch["url"]).json()
    assert (found["state"], found["failure"]["code"]) == ("failed", "input:batch_empty")
    assert api.post(f"{batch['url']}/close").json()["code"] == "batch:not_open"


def test_a_job_that_is_retried_by_itself_reopens_its_batch(api, upload_of, mammograms, finish, turn, submitter) -> None:
    batch = create(api, items=[{"custom_id": "a", "uploads": [upload_of(mammograms(1))]}], auto_start=True)
    finish(fail=("a",))
    assert api.get(batch["url"]).json()["state"] == "completed"

    job = Job.objects.get()
    job_retry(job_id=job.pk, retried_by=submitter)
    assert counted(batch["id"]) == {"queued": 1}
    turn()
    assert api.get(batch["url"]).json()["state"] == "in_progress"
    job_cancel(job_id=job.pk, cancelled_by=submitter)
    turn()
    assert api.get(batch["url"]).json()["state"] == "completed"
    assert counted(batch["id"]) == {"cancelled": 1}


def test_polling_is_cheap_and_says_when_to_come_again(api, upload_of, mammograms, turn, finish) -> None:
    batch = create(api, items=[{"custom_id": "a", "uploads": [upload_of(mammograms(1))]}], auto_start=True)
    turn()
    first = api.get(batch["url"])
    assert 1 <= int(first["Retry-After"]) <= 30
    assert api.get(batch["url"], headers={"if-none-match": first["ETag"]}).status_code == 304
    assert first.json()["queue_position"] == 1

    finish()
    last = api.get(batch["url"], headers={"if-none-match": first["ETag"]})
    assert last.status_code == 200
    assert "Retry-After" not in last
    assert last.json()["queue_position"] is None


def test_another_sites_batch_does_not_exist(api, other_api, upload_of, mammograms, finish) -> None:
    batch = create(api, items=[{"custom_id": "a", "uploads": [upload_of(b"bad")]}], auto_start=True)
    finish()
    held = api.get("/api/v1/quarantine").json()["results"][0]

    for address in ("", "/items", "/results", "/heatmaps"):
        assert other_api.get(batch["url"] + address).status_code == 404
    for address in ("/items", "/close", "/cancel", "/retry"):
        assert other_api.post(batch["url"] + address, {}).status_code == 404
    assert other_api.get(held["url"]).status_code == 404
    assert other_api.post(f"{held['url']}/release", {}).status_code == 404
    assert other_api.get("/api/v1/batches").json()["results"] == []
    assert other_api.get("/api/v1/quarantine").json()["results"] == []


def test_a_reader_follows_and_does_not_submit(reader, client_of: Callable[..., APIClient], api) -> None:
    batch = create(api)
    client = client_of(reader)

    assert client.get(batch["url"]).status_code == 200
    assert client.post("/api/v1/batches", {}).status_code == 403
    assert client.post(f"{batch['url']}/cancel").status_code == 403


def test_the_same_key_makes_one_batch(api, upload_of, mammograms) -> None:
    manifest = {"items": [{"custom_id": "a", "uploads": [upload_of(mammograms(1))]}]}
    first = api.post("/api/v1/batches", manifest, headers={"idempotency-key": "k-1"})
    second = api.post("/api/v1/batches", manifest, headers={"idempotency-key": "k-1"})

    assert first.json() == second.json()
    assert (Batch.objects.count(), BatchItem.objects.count()) == (1, 1)
    assert api.post("/api/v1/batches", {}, headers={"idempotency-key": "k-1"}).status_code == 422


def test_heatmaps_come_as_a_zip_with_an_index(api, store, upload_of, mammograms, finish) -> None:
    items = [
        {"custom_id": "ward/7:a", "uploads": [upload_of(mammograms(1))]},
        {"custom_id": "b", "uploads": [upload_of(mammograms(2))]},
    ]
    batch = create(api, items=items, auto_start=True)
    finish()
    job = BatchItem.objects.get(custom_id="ward/7:a").job
    assert job is not None
    overlay = job.result.payload["images"][0]["heatmaps"][0]
    store.put_bytes(overlay["overlay_key"], b"\x89PNG overlay")

    answer = api.get(f"{batch['url']}/heatmaps")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))

    name = "00000-ward_7_a/R-MLO-0/overlay-suspicion.png"
    assert archive.testzip() is None
    assert archive.read(name) == b"\x89PNG overlay"
    rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
    assert [(row["custom_id"], row["file"]) for row in rows] == [
        ("ward/7:a", "R-MLO-0/overlay-suspicion.png"),
        ("b", "R-MLO-0/overlay-suspicion.png (missing)"),
    ]


def test_items_are_listed_in_order_by_pages_and_filtered(api, upload_of, mammograms, finish) -> None:
    uploads = [upload_of(mammograms(1)), upload_of(b"bad"), upload_of(b"worse")]
    items = [{"custom_id": f"case-{at}", "uploads": [pk]} for at, pk in enumerate(uploads)]
    batch = create(api, items=items, auto_start=True)
    finish()

    page = api.get(f"{batch['url']}/items?page_size=2").json()
    rest = api.get(page["next"]).json()
    assert [item["custom_id"] for item in page["results"] + rest["results"]] == ["case-0", "case-1", "case-2"]
    bad = api.get(f"{batch['url']}/items?failure_code=input:not_an_image&page_size=1").json()
    assert [item["custom_id"] for item in bad["results"]] == ["case-1"]
    assert bad["results"][0]["quarantine_url"].startswith("/api/v1/quarantine/")
    assert [item["custom_id"] for item in api.get(f"{batch['url']}/items?status=succeeded").json()["results"]] == ["case-0"]
    assert api.get(f"{batch['url']}/items?cursor=cD14").status_code == 404
