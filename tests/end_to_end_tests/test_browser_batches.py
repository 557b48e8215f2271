"""Work in bulk through the pages, in headless Chromium against the real processes: a folder sent with a pause, a batch followed
to its end and its quarantine, a webhook from its secret to a message sent again."""

from __future__ import annotations

import csv
import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from playwright.sync_api import Page, Request, expect
from standardwebhooks import Webhook

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import PhantomView
from tests.end_to_end_tests.browsing import RESULT_LIMIT_MS, Watched
from tests.end_to_end_tests.page_tour import post
from tests.end_to_end_tests.schema_check.ground import upload_send
from tests.end_to_end_tests.stack import Stack
from tests.end_to_end_tests.test_batch import mammogram
from tests.platform_tests.notifications_tests.receiver import answered, receiving

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

SLOW_BYTES_PER_SECOND = 3_000_000


@pytest.fixture(scope="module")
def watched(signed_in: Watched) -> Watched:
    return signed_in


def toast_said(page: Page, words: str) -> None:
    expect(page.locator(".toast", has_text=words).last).to_be_visible()


def rows_of(stack: Stack, question: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3", timeout=30)) as database:
        return database.execute(question, values).fetchall()


# ── A folder ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path, phantom: list[PhantomView]) -> Path:
    """Two studies of four views, each in a folder of its own."""
    for number, study in enumerate(("first", "second")):
        place = tmp_path / "round" / study
        place.mkdir(parents=True)
        for view_number, view in enumerate(phantom):
            uid = 7100 + 10 * number + view_number
            study_uid = {"StudyInstanceUID": f"1.2.826.0.1.3680043.10.98.71.{number}", "PatientID": f"MRN-71{number}"}
            (place / f"{view_number}.dcm").write_bytes(mammogram(view.to_dicom_bytes(), uid, **study_uid))
    return tmp_path / "round"


class Pieces:
    """Where each piece of a file that the page sends begins."""

    def __init__(self, page: Page) -> None:
        self.offsets: list[int] = []
        page.on("request", self._see)

    def _see(self, request: Request) -> None:
        if request.method == "PATCH" and "/api/v1/uploads/" in request.url:
            self.offsets.append(int(request.headers["upload-offset"]))


def pixels_of(paths: list[Path]) -> list[str]:
    return sorted(hashlib.sha256(pydicom.dcmread(path).PixelData).hexdigest() for path in paths)


def test_a_folder_sent_with_a_pause_goes_on_where_it_was_and_arrives_whole_and_once(
    page: Page, stack: Stack, folder: Path
) -> None:
    files = list(folder.rglob("*.dcm"))
    pieces = Pieces(page)
    page.goto("/upload")
    page.locator("#folder-picker").set_input_files(str(folder))
    groups = page.locator("#studies .study-group")
    expect(groups).to_have_count(2)
    expect(page.locator("#studies .file-list > li")).to_have_count(len(files))
    for number, study in enumerate(("folder-first", "folder-second")):
        groups.nth(number).locator("[name=external_id]").fill(study)

    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_SECOND}
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", slow)
    page.locator("#submit").click()
    expect(page.locator("#progress-text")).to_have_text(re.compile(r"^[1-9]"))  # some of it is on its way
    page.locator("#pause").click()
    expect(page.locator("#progress-text")).to_have_text(re.compile(r"^Paused\. [\d.]+ [kM]B of "))
    expect(page.locator("#pause")).to_have_text("Go on")
    held = float(page.locator("#progress-bar").evaluate("bar => bar.value"))
    assert 0 < held < 1
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    sent_before = len(pieces.offsets)
    assert rows_of(stack, "select count(*) from studies_study where external_id like 'folder-%'") == [(0,)]
    assert float(page.locator("#progress-bar").evaluate("bar => bar.value")) == held

    page.locator("#pause").click()
    expect(page.locator("#upload-done")).to_contain_text("2 studies accepted")
    assert len(pieces.offsets) > sent_before
    assert any(offset > 0 for offset in pieces.offsets[sent_before:]), "it began anew"
    expect(groups.locator("a", has_text="Open")).to_have_count(2)

    # What is kept has a header without the patient in it, so the pixels are compared.
    stored = rows_of(
        stack,
        "select study.external_id, stored.object_key from studies_image image"
        " join studies_study study on study.id = image.study_id"
        " join studies_storedobject stored on stored.id = image.stored_object_id where study.external_id like 'folder-%'",
    )
    for study in ("first", "second"):
        kept = [stack.data_dir / "objects" / key for owner, key in stored if owner == f"folder-{study}"]
        assert pixels_of(kept) == pixels_of(list((folder / study).iterdir()))
    page.get_by_role("link", name="Open the worklist").click()
    for study in ("folder-first", "folder-second"):
        expect(page.locator("#rows tr", has_text=study)).to_have_count(1)


# ── A batch ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_is_followed_to_its_end_and_what_it_kept_aside_is_decided(
    page: Page, stack: Stack, tmp_path: Path, phantom: list[PhantomView]
) -> None:
    files = {f"good-{number}": mammogram(phantom[0].to_dicom_bytes(), 7200 + number) for number in range(3)}
    files |= {"a-slice": mammogram(phantom[0].to_dicom_bytes(), 7210, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")}
    files |= {"a-letter": b"%PDF-1.7 Dear colleague", "a-report": b"%PDF-1.7 The report"}
    items = [{"custom_id": name, "uploads": [upload_send(stack.client, data)]} for name, data in files.items()]
    batch = post(stack, "batches", {"name": "browser batch", "items": items})["id"]

    page.goto("/batches")
    page.get_by_role("link", name="browser batch").click()
    expect(page.locator("#title")).to_have_text("browser batch")
    expect(page.locator("#title-badge")).to_have_text("Open")
    page.get_by_role("button", name="Start it").click()
    # Followed without a reload.
    expect(page.locator("#title-badge")).to_have_text("Completed", timeout=RESULT_LIMIT_MS)
    expect(page.locator(".batch__words")).to_have_text("6 of 6 items have ended")
    expect(page.locator(".counts-legend__item")).to_have_text([re.compile("With a result.*3"), re.compile("Kept aside.*3")])

    failures = page.locator(".batch__failures > li")
    for place, (code, number) in enumerate((("input:not_an_image", "2 items"), ("input:not_mammography", "1 item"))):
        failure = failures.nth(place)
        expect(failure).to_contain_text(number)
        for words in (CATALOGUE[code].title, CATALOGUE[code].message, CATALOGUE[code].action, code):
            expect(failure).to_contain_text(words)
    rows = page.locator("#items tbody tr")
    expect(rows).to_have_count(6)
    failures.nth(1).get_by_role("button", name="Show them").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("a-slice")
    page.get_by_role("button", name="Show all items").click()
    expect(rows).to_have_count(6)

    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    download.value.save_as(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        told = {line["custom_id"]: (line["status"], line["failure_code"]) for line in csv.DictReader(file)}
    assert told == {
        **dict.fromkeys(("good-0", "good-1", "good-2"), ("succeeded", "")),
        "a-slice": ("quarantined", "input:not_mammography"),
        **dict.fromkeys(("a-letter", "a-report"), ("quarantined", "input:not_an_image")),
    }

    page.get_by_role("link", name="Look at them").click()
    expect(page).to_have_url(re.compile(rf"/quarantine\?batch={batch}$"))
    held = page.locator(".batch-list tbody tr")
    expect(held).to_have_count(3)
    expect(held.filter(has_text="a-slice")).to_contain_text(CATALOGUE["input:not_mammography"].action)
    page.get_by_role("button", name="Give a-letter up").click()
    page.keyboard.press("Escape")  # second thoughts
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(held).to_have_count(3)
    page.get_by_role("button", name="Give a-letter up").click()
    page.locator("dialog[open]").get_by_role("button", name="Give up").click()
    toast_said(page, "It counts as failed now")
    expect(held).to_have_count(2)
    # Tried again as it is, it is no better, and comes back with its reason.
    page.get_by_role("button", name="Try a-slice again").click()
    toast_said(page, "It is tried again")
    page.goto(f"/batches/{batch}")
    expect(page.locator("#title-badge")).to_have_text("Completed", timeout=RESULT_LIMIT_MS)
    wanted = [re.compile("With a result.*3"), re.compile("Kept aside.*2"), re.compile("Failed.*1")]
    expect(page.locator(".counts-legend__item")).to_have_text(wanted)


# ── A webhook ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_webhook_is_added_tested_read_sent_again_and_removed(page: Page) -> None:
    with receiving(answered(200, b"thanks")) as receiver:
        address = receiver.url(path="/ris")
        page.goto("/webhooks")
        page.locator("#actions").get_by_role("button", name="Add a webhook").click()
        page.get_by_label("Address").fill(address)
        page.get_by_label("job.succeeded").check()
        page.locator("dialog[open]").get_by_role("button", name="Add a webhook").click()
        secret = page.locator("#secret-value")
        expect(secret).to_have_value(re.compile(r"^whsec_"))
        page.keyboard.press("Escape")  # it is shown once: Escape by habit must not lose it
        expect(secret).to_be_visible()
        signer = Webhook(secret.input_value())
        page.locator("dialog button[value=kept]").click()
        page.get_by_role("link", name=address).click()

        page.get_by_role("button", name="Send a test").click()
        delivery = page.locator(".delivery").last
        expect(delivery).to_contain_text("Delivered")
        expect(delivery).to_contain_text("Answered 200")
        delivery.locator("summary").click()
        expect(delivery.locator(".delivery__payload")).to_contain_text('"type"')
        expect(delivery).to_contain_text("thanks")

        receiver.answer = answered(503, b"come back later")
        delivery.get_by_role("button", name=re.compile(r"^Send .* again$")).click()
        toast_said(page, "It is sent again")
        again = page.locator(".delivery", has_text="sent again")
        expect(again).to_contain_text("Answered 503")
        expect(again).to_contain_text("next attempt")
        page.reload()
        expect(page.locator("#title-badge")).to_have_text("Failing")
        first, second = receiver.got[:2]
        assert (second.path, second.headers["webhook-id"], second.body) == ("/ris", first.headers["webhook-id"], first.body)
        for got in (first, second):
            signer.verify(got.body, got.headers)

        page.get_by_role("button", name="Remove").click()
        page.locator("dialog[open]").get_by_role("button", name="Remove").click()
        expect(page).to_have_url(re.compile("/webhooks$"))
        expect(page.get_by_role("link", name=address)).to_have_count(0)
