"""Smaller ways through the pages, in headless Chromium against the real processes: filters, many jobs at once, files let go over
the page, a lost network and a lost session, the theme, the hanging, the audit."""

from __future__ import annotations

import base64
import csv
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import PhantomView
from tests.end_to_end_tests.browsing import RESULT_LIMIT_MS, Watched, sign_in, still
from tests.end_to_end_tests.schema_check.ground import unreadable
from tests.end_to_end_tests.stack import Stack, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name));
  }
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    document.getElementById('dropzone').dispatchEvent(
      new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }),
    );
  }
}"""


@pytest.fixture(scope="module")
def watched(signed_in: Watched) -> Watched:
    return signed_in


@contextmanager
def worker_held(stack: Stack) -> Iterator[None]:
    """The inference worker does nothing meanwhile, so that what is sent waits."""
    worker = psutil.Process(stack.pids()["worker"])
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def sent(stack: Stack, name: str, data: bytes, **fields: str) -> str:
    answer = stack.submit([("view", data)], external_id=name, **fields)
    answer.raise_for_status()
    return str(answer.json()["job"]["id"])


def row_of(page: Page, job: str) -> Locator:
    return page.locator(f'#rows tr[data-id="{job}"]')


def bulk_do(page: Page, button: str, *, confirm: str) -> None:
    page.locator(button).click()
    page.locator("dialog[open]").get_by_role("button", name=confirm).click()
    expect(page.locator("dialog[open]")).to_have_count(0)


# ── The worklist ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_narrow_the_list_stay_in_the_address_and_are_taken_away(
    page: Page, stack: Stack, phantom: list[PhantomView]
) -> None:
    name = f"flow-{secrets.token_hex(3)}"
    soon = sent(stack, f"{name}-soon", phantom[0].to_png_bytes(), priority="stat")
    later = sent(stack, f"{name}-later", phantom[0].to_png_bytes(), priority="routine")
    suspicion = stack.wait_ended(soon)["outcome"]["suspicion"]
    stack.wait_ended(later)
    page.goto(f"/?search={name}")
    expect(page.locator("#rows tr[data-id]")).to_have_count(2)

    page.get_by_label("Priority", exact=True).select_option("stat")
    expect(page.locator("#rows tr[data-id]")).to_have_count(1)
    expect(row_of(page, soon)).to_be_visible()
    expect(page).to_have_url(re.compile("priority=stat"))
    page.locator("#filters-more summary").click()
    above = suspicion >= stack.client.get(f"/api/v1/jobs/{soon}/result").json()["suspicion"]["threshold"]
    page.locator("#side").select_option("below" if above else "above")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.locator("#side").select_option("above" if above else "below")
    expect(row_of(page, soon)).to_be_visible()
    page.locator("#until").fill("2020-01-31")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.locator("#filters-clear").click()
    expect(page).to_have_url(re.compile(r"/$"))
    expect(row_of(page, soon)).to_be_visible()
    expect(row_of(page, later)).to_be_visible()


def test_what_waits_says_its_place_is_cancelled_with_others_and_retried(
    page: Page, stack: Stack, phantom: list[PhantomView]
) -> None:
    name = f"flow-{secrets.token_hex(3)}"
    with worker_held(stack):
        jobs = [sent(stack, f"{name}-{number}", phantom[0].to_png_bytes()) for number in range(2)]
        page.goto(f"/?search={name}")
        for job in jobs:
            expect(row_of(page, job).locator(".worklist__status")).to_have_text("Queued")
        expect(row_of(page, jobs[1]).locator(".worklist__progress")).to_have_text(re.compile(r"\d"))
        row_of(page, jobs[0]).locator(".worklist__select").check()
        page.locator("#bulk-all").click()
        expect(page.locator("#bulk-count")).to_have_text("2 studies selected")
        bulk_do(page, "#bulk-cancel", confirm="Cancel them")
        for job in jobs:
            expect(row_of(page, job).locator(".worklist__status")).to_have_text("Cancelled")
    row_of(page, jobs[0]).locator(".worklist__select").check()
    bulk_do(page, "#bulk-retry", confirm="Retry them")
    expect(row_of(page, jobs[0]).locator(".worklist__status")).to_have_text("Done", timeout=RESULT_LIMIT_MS)
    expect(row_of(page, jobs[1]).locator(".worklist__status")).to_have_text("Cancelled")


def test_a_failure_says_what_happened_and_what_to_do(page: Page, stack: Stack, phantom: list[PhantomView]) -> None:
    job = sent(stack, f"flow-{secrets.token_hex(3)}", unreadable(phantom[1]))
    failure = stack.wait_ended(job)["failure"]
    assert failure["code"].startswith("input:")
    page.goto(f"/jobs/{job}")
    for words in (CATALOGUE[failure["code"]].title, CATALOGUE[failure["code"]].action, failure["code"]):
        expect(page.locator("#job-state")).to_contain_text(words)


# ── A study ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_let_go_over_the_page_are_looked_at_before_they_are_sent(page: Page, phantom: list[PhantomView]) -> None:
    files = {"first.dcm": phantom[0].to_dicom_bytes(), "letter.pdf": b"%PDF-1.7 Dear colleague", "nothing.dcm": b""}
    page.goto("/upload")
    expect(page.locator("#pick")).to_be_enabled()
    page.evaluate(DROP, [[name, base64.b64encode(data).decode()] for name, data in files.items()])
    cards = page.locator("#studies .file-list > li")
    expect(cards).to_have_count(3)
    expect(cards.filter(has_text="first.dcm").locator("canvas")).to_be_visible()
    expect(cards.filter(has_text="letter.pdf")).to_contain_text("neither DICOM, PNG nor JPEG")
    expect(cards.filter(has_text="nothing.dcm")).to_contain_text("empty")
    expect(page.locator("#submit")).to_be_disabled()
    for name in ("letter.pdf", "nothing.dcm"):
        page.get_by_role("button", name=f"Remove {name}").click()
    expect(cards).to_have_count(1)
    expect(page.locator("#submit")).to_be_enabled()


def test_views_hang_with_their_chest_walls_together_and_the_link_is_copied(
    page: Page, stack: Stack, phantom: list[PhantomView]
) -> None:
    files = [(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(phantom)]
    job = str(stack.submit(files, external_id="flow-hanging").raise_for_status().json()["job"]["id"])
    stack.wait_ended(job)
    page.goto(f"/jobs/{job}")
    expect(page.locator(".stage")).to_have_count(4)
    still(page)
    boxes = {}
    for view in ("RCC", "LCC", "RMLO", "LMLO"):
        boxes[view] = page.locator(f".stage[data-view={view}]").bounding_box()
    assert all(boxes.values())
    for above, below in (("RCC", "RMLO"), ("LCC", "LMLO")):
        assert boxes[above]["y"] < boxes[below]["y"]  # type: ignore[index]
    for right, left in (("RCC", "LCC"), ("RMLO", "LMLO")):  # as one looks at the woman
        edge = boxes[right]["x"] + boxes[right]["width"]  # type: ignore[index]
        assert 0 <= boxes[left]["x"] - edge <= 2  # type: ignore[index]

    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".toast, #announce", has_text="Copied").first).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == f"{stack.url}/jobs/{job}"


def test_the_printed_report_begins_with_the_judgement_in_dark_on_white_and_keeps_the_shape_of_pictures(
    page: Page, finished_job: str
) -> None:
    page.goto(f"/jobs/{finished_job}")
    expect(page.locator(".stage").first).to_be_visible()
    still(page)
    page.locator("html").evaluate("root => { root.dataset.bsTheme = 'dark'; }")
    shape = "node => node.clientWidth / node.clientHeight"
    seen = page.locator(".stage").first.evaluate(shape)
    page.emulate_media(media="print")
    try:
        summary, viewer = page.locator(".summary").bounding_box(), page.locator(".viewer").bounding_box()
        assert summary is not None
        assert viewer is not None
        assert summary["y"] + summary["height"] <= viewer["y"]
        expect(page.locator(".ring__value").first).to_have_css("fill", "rgb(0, 0, 0)")
        expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
        assert page.locator(".stage").first.evaluate(shape) == pytest.approx(seen, rel=0.02)
        expect(page.locator(".provenance")).to_contain_text(finished_job)
    finally:
        page.emulate_media(media="screen")


# ── The frame ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lost_network_is_said_and_gone_when_it_is_back(watched: Watched, stack: Stack) -> None:
    page = watched.page
    page.goto("/")
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "live")
    page.context.set_offline(True)
    expect(page.locator("#connection-banner")).to_contain_text("offline")
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()  # what was there stays
    page.context.set_offline(False)
    expect(page.locator("#connection-banner")).to_be_hidden()
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "live")
    assert [line for line in watched.complaints if "ERR_INTERNET_DISCONNECTED" not in line] == []


def test_the_theme_is_switched_and_kept(page: Page) -> None:
    page.goto("/")
    root = page.locator("html")
    first = root.get_attribute("data-bs-theme")
    assert first in ("dark", "light")
    other = {"dark": "light", "light": "dark"}[first]
    page.locator("#theme-switch").click()
    expect(root).to_have_attribute("data-bs-theme", other)
    page.goto("/batches")
    expect(root).to_have_attribute("data-bs-theme", other)
    page.locator("#theme-switch").click()
    expect(root).to_have_attribute("data-bs-theme", first)


def test_a_session_that_has_ended_leads_to_the_login_and_back(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    watched = Watched(context, stack)
    page = sign_in(watched, stack, address="/batches")
    expect(page.locator("#account-toggle")).to_be_visible()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("link", name="Quarantine").click()
    expect(page).to_have_url(re.compile(r"/login\?"))
    page.locator("#username").fill(stack.access["username"])
    page.locator("#password").fill(stack.access["password"])
    page.locator("#login-submit").click()
    expect(page).to_have_url(re.compile(r"/quarantine$"))
    context.close()
    assert watched.foreign == []


def test_the_audit_is_filtered_and_taken_away_as_a_table(page: Page, stack: Stack, tmp_path: Path) -> None:
    name = f"flow-{secrets.token_hex(3)}"
    webhook = {"url": "http://127.0.0.1:9/flow", "description": name, "event_types": ["alert.raised"]}
    made = stack.client.post("/api/v1/webhooks", json=webhook)
    made.raise_for_status()
    stack.client.delete(f"/api/v1/webhooks/{made.json()['id']}").raise_for_status()
    page.goto("/audit")
    page.get_by_label("What", exact=True).select_option(label="Webhook removed")
    expect(page).to_have_url(re.compile("action=webhook"))
    rows = page.locator(".audit tbody tr")
    expect(rows.first).to_contain_text("Webhook removed")
    page.get_by_label("Who", exact=True).fill("nobody-of-this-name")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_label("Who", exact=True).fill(stack.access["username"])
    page.keyboard.press("Enter")
    expect(rows.first).to_contain_text("Webhook removed")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    download.value.save_as(tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["action"] for line in lines} == {"webhook.delete"}
    assert {line["actor"] for line in lines} == {stack.access["username"]}


def test_a_result_is_run_again_with_a_package(page: Page, stack: Stack, phantom: list[PhantomView]) -> None:
    """The last one, because the package has to be proven by then."""
    name = f"flow-{secrets.token_hex(3)}"
    job = sent(stack, name, phantom[0].to_png_bytes())
    stack.wait_ended(job)
    package = stack.client.get(f"/api/v1/jobs/{job}/result").json()["package"]["digest"]
    wait_until(
        lambda: stack.client.get(f"/api/v1/packages/{package}").json()["validation_state"] == "PASSED",
        limit_seconds=120,
        what="the package is proven, a while after the start",
        every_seconds=0.2,
    )
    page.goto(f"/?search={name}")
    row_of(page, job).locator(".worklist__select").check()
    page.locator("#bulk-rerun").click()
    page.locator("dialog [name=package]").select_option(package)
    page.locator("dialog").get_by_label("Reason").fill("because of tests")
    page.locator("dialog [type=submit]").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#rows tr[data-id]")).to_have_count(2)
    again = page.locator("#rows tr[data-id]", has_text="re-run")
    expect(again.locator(".worklist__status")).to_have_text("Done", timeout=RESULT_LIMIT_MS)
