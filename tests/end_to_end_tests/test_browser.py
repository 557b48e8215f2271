"""A person's way through the pages, in headless Chromium against the real processes: sign in, upload, watch, read, sign out.

Skips, and says so, where the machine has no Chromium. Any message of the page's security policy fails the test.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from inference_worker.contract.failures import CATALOGUE
from tests.end_to_end_tests.browsing import (
    RESULT_LIMIT_MS,
    Watched,
    colour_on,
    sign_in,
    slice_refused,
    still,
    until,
    upload,
    wait_for,
)
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]


def test_a_person_signs_in_uploads_four_views_and_reads_the_result(
    watched: Watched, stack: Stack, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack, address="/upload")
    upload(page, four_views, external_id="browser-four-views")

    # It ends by itself, without a reload.
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    expect(page.locator(".hanging__cell .view")).to_have_count(4)
    expect(page.get_by_text("Research use only").first).to_be_visible()
    job_id = page.url.rpartition("/")[2]
    result = stack.client.get(f"/api/v1/jobs/{job_id}/result").json()
    side = page.locator(".result__side")
    for label in result["classes"]:
        expect(side.get_by_text(re.compile(label, re.I)).first).to_be_visible()
    expect(side).to_contain_text(result["package"]["version"])

    wait_for(page, "[...document.querySelectorAll('.stage__picture')].every(canvas => canvas.dataset.drawn !== 'nothing')")
    until(page, lambda: colour_on(page) > 0, "the map lies on the views")
    assert watched.complaints == []
    assert watched.foreign == []


def test_the_opacity_slider_fades_and_the_switch_removes_the_heatmap(
    watched: Watched, stack: Stack, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views, external_id="browser-heatmap")
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    wait_for(page, "[...document.querySelectorAll('.stage__picture')].every(canvas => canvas.dataset.drawn === 'full')")
    slider = page.locator("#heatmap-opacity")
    until(page, lambda: colour_on(page) > 0, "the map lies on the views")
    slider.fill("100")
    still(page)
    strong = colour_on(page)
    slider.fill("25")
    until(page, lambda: 0 < colour_on(page) < strong, "the map is fainter")
    page.locator("#heatmap-on").uncheck()
    until(page, lambda: colour_on(page) == 0, "the map is gone")
    expect(slider).to_be_disabled()
    page.locator("#heatmap-on").check()
    until(page, lambda: colour_on(page) > 0, "the map is back")
    page.locator("input[name=heatmap-target]").last.check(force=True)
    assert watched.complaints == []


def test_the_worklist_shows_the_job_and_a_refused_file_shows_the_servers_reason(
    watched: Watched, stack: Stack, tmp_path: Path, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views[:1], external_id="browser-worklist")
    page.goto("/")
    expect(page.get_by_text("browser-worklist").first).to_be_visible()

    problem = slice_refused(page, four_views[0], tmp_path / "slice.dcm")
    expect(problem).to_contain_text(CATALOGUE["input:not_mammography"].message)
    expect(problem).to_contain_text(CATALOGUE["input:not_mammography"].action)
    # The browser itself reports the 4xx; the pages add nothing of their own.
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []


def test_first_steps_lead_from_an_empty_site_to_a_sample_its_result_and_a_token(watched: Watched, stack: Stack) -> None:
    page = watched.page
    # The stack is shared, so its site has studies: this one answer is as on the first day.
    empty: dict[str, Any] = {"next": None, "previous": None, "results": []}
    page.route("**/api/v1/studies?page_size=1", lambda route: route.fulfill(json=empty))
    sign_in(watched, stack)
    page.locator("[data-step=study] button").click()
    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    expect(page.locator(".sample-note")).to_contain_text("no patient")
    expect(page.locator(".result")).to_be_visible(timeout=RESULT_LIMIT_MS)
    page.unroute("**/api/v1/studies?page_size=1")
    page.goto("/")
    expect(page.locator("#rows tr", has_text="SYNTHETIC-SAMPLE").locator(".sample-badge")).to_be_visible()
    expect(page.locator("#first-steps")).to_be_hidden()  # sent, opened, and the launcher has made a token

    page.goto("/tokens?new")
    page.locator("dialog input[name=name]").fill("first steps")
    page.context.clear_cookies(name="sessionid")  # the session ends while a form is being filled
    page.locator("dialog button[type=submit]").click()
    page.locator("#renewal-password").fill(stack.access["password"])
    page.locator("#renewal-password").press("Enter")
    expect(page.locator("#renewal-password")).to_have_count(0)
    expect(page.locator("dialog input[name=name]")).to_have_value("first steps")
    page.locator("dialog button[type=submit]").click()
    command = page.locator("#secret-example").input_value()
    assert command.startswith('curl -H "Authorization: Bearer ms_')
    assert command.endswith(f' "{stack.url}/api/v1/jobs?page_size=5"')
    page.locator("dialog button[value=kept]").click()

    page.goto("/operations")
    expect(page.locator(".chart").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("Not running")
    page.locator("input[name=window][value='1h']").check()
    expect(page).to_have_url(re.compile(r"/operations\?window=1h$"))
    expect(page.locator("main")).to_contain_text("last hour")
    answer = page.goto("/no-such-page")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_have_text("There is no such page")
    assert stack.client.delete("/api/v1/sample-study").status_code == 204
    expected = ("401 (Unauthorized)", "404 (Not Found)")
    assert [line for line in watched.complaints if not any(words in line for words in expected)] == []
    assert watched.foreign == []


def test_the_worklist_is_sorted_kept_as_a_view_read_and_exported(
    watched: Watched, stack: Stack, tmp_path: Path, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views[:1], external_id="browser-reading")
    stack.wait_ended(page.url.rpartition("/")[2])
    page.goto("/")
    row = page.locator("#rows tr", has_text="browser-reading")
    # it may have been opened already, while it ended under our eyes
    row.locator(".worklist__select").check()
    page.locator("#bulk-unread").click()
    expect(row.get_by_text("Unread")).to_be_visible()

    heading = page.get_by_role("columnheader", name="Suspicion")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(page).to_have_url(re.compile("sort=most_suspicious"))
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")

    page.get_by_role("link", name="Needs reading").click()
    expect(page).to_have_url(re.compile("reading=unread"))
    page.locator("#search").fill("browser-reading")
    expect(page.locator("#rows tr[data-id]")).to_have_count(1)
    page.locator("#view-save").click()
    page.locator("dialog [name=name]").fill("My unread")
    page.locator("dialog [type=submit]").click()
    view = page.get_by_role("link", name="My unread")
    expect(view).to_have_attribute("aria-current", "true")

    with page.expect_download() as download:
        page.locator("#export").click()
        expect(page.locator("dialog h2")).to_have_text("Export 1 study")
        page.locator("dialog [type=submit]").click()
    download.value.save_as(tmp_path / "worklist.csv")
    with (tmp_path / "worklist.csv").open(newline="") as file:
        assert [line["external_id"] for line in csv.DictReader(file)] == ["browser-reading"]

    row.get_by_role("link").click()
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    page.goto("/")
    page.get_by_role("link", name="My unread").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()

    page.locator("#views-manage").click()
    page.get_by_role("button", name="Delete “My unread”").click()
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_text("No saved views.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(view).to_have_count(0)
    assert watched.complaints == []


def test_a_wrong_password_is_refused_and_signing_out_closes_the_door(watched: Watched, stack: Stack) -> None:
    page = watched.page
    page.goto("/login")
    page.locator("#username").fill("nobody-of-this-name")
    page.locator("#password").fill("not the password")
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_be_visible()
    expect(page).to_have_url(re.compile("/login"))

    sign_in(watched, stack)
    page.locator("#account-toggle").click()
    page.locator("#sign-out").click()
    expect(page).to_have_url(re.compile("/login"))
    page.goto("/upload")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []
