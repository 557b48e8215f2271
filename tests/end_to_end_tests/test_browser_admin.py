"""Administration through the pages, in headless Chromium against the real processes: a person is let in and out again, a token is
made, used and revoked, a site is added, limited and closed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end_tests.browsing import Watched
from tests.end_to_end_tests.gallery import Person, session_open
from tests.end_to_end_tests.page_tour import platform_administrator
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

USERNAME = "browser-administrator"
PASSWORD = "a sentence that only tests would think of"


@pytest.fixture(scope="module")
def watched(browser: Browser, stack: Stack) -> Iterator[Watched]:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    session_open(context, Person(USERNAME, platform_administrator(stack, USERNAME)))
    yield Watched(context, stack)
    context.close()


def secret_taken(page: Page) -> str:
    """What is shown once, from the dialog that shows it."""
    secret = page.locator("#secret-value").input_value()
    page.locator("dialog button[value=kept]").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    return secret


def dialog_press(page: Page, name: str) -> None:
    page.locator("dialog[open]").get_by_role("button", name=name).click()


def test_a_person_is_added_chooses_a_password_and_is_let_out(page: Page, browser: Browser, stack: Stack) -> None:
    name = "browser-newcomer"
    page.goto("/people")
    page.locator("#actions").get_by_role("button", name="Add a person").click()
    page.get_by_label("Sign-in name").fill(name)
    page.get_by_role("radio", name=re.compile("^Submitter")).check()
    dialog_press(page, "Add a person")
    temporary = secret_taken(page)
    row = page.locator(".admin-list tbody tr", has_text=name)
    expect(row).to_contain_text("Submitter")
    expect(row).to_contain_text("Temporary password")

    context = browser.new_context(base_url=stack.url)
    theirs = context.new_page()
    theirs.goto("/login")
    theirs.locator("#username").fill(name)
    theirs.locator("#password").fill(temporary)
    theirs.locator("#login-submit").click()
    expect(theirs).to_have_url(re.compile(r"/password\?.*required"))  # wherever they wanted to go
    theirs.locator("[name=current]").fill(temporary)
    theirs.locator("[name=wanted]").fill(PASSWORD)
    theirs.locator("[name=again]").fill(PASSWORD)
    theirs.get_by_role("button", name="Change password").click()
    expect(theirs.get_by_role("heading", level=1)).to_contain_text("Worklist")
    expect(theirs.get_by_role("link", name="Administration")).to_have_count(0)

    page.reload()
    expect(row).to_contain_text("Active")
    page.get_by_role("button", name=f"Deactivate {name}").click()
    dialog_press(page, "Deactivate")
    expect(row).to_contain_text("Deactivated")
    theirs.goto("/upload")
    expect(theirs).to_have_url(re.compile(r"/login\?next="))  # at once, and not when the session would have ended
    context.close()


def test_a_token_that_may_only_read_reads_until_it_is_revoked(page: Page, stack: Stack) -> None:
    page.goto("/tokens")
    page.locator("#actions").get_by_role("button", name="Make a token").click()
    page.locator("dialog").get_by_label("Name").fill("browser dashboard")
    page.get_by_role("radio", name=re.compile("^Read only")).check()
    dialog_press(page, "Make a token")
    expect(page.locator("#secret-value")).to_have_value(re.compile("^ms_"))
    token = secret_taken(page)

    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as program:
        assert program.get("/api/v1/jobs").status_code == 200
        assert program.post("/api/v1/batches", json={"name": "not allowed"}).status_code == 403
        page.get_by_role("button", name="Revoke browser dashboard").click()
        dialog_press(page, "Revoke")
        row = page.locator(".admin-list tbody tr", has_text="browser dashboard")
        expect(row).to_contain_text("Revoked")
        expect(row.get_by_role("button")).to_have_count(0)
        assert program.get("/api/v1/jobs").status_code == 401


def test_a_site_is_added_limited_and_closed(page: Page, stack: Stack) -> None:
    page.goto("/sites")
    page.locator("#actions").get_by_role("button", name="Add a site").click()
    page.locator("dialog").get_by_label("Name", exact=True).fill("Browser clinic")
    page.locator("dialog").get_by_label("Short name").fill("browser-clinic")
    dialog_press(page, "Add a site")
    row = page.locator(".admin-list tbody tr", has_text="browser-clinic")
    expect(row).to_contain_text("Open")

    page.get_by_role("button", name="Change Browser clinic").click()
    page.get_by_label("Studies a day at most").fill("250")
    page.get_by_label("Storage at most, in GB").fill("1.5")
    dialog_press(page, "Save")
    expect(row).to_contain_text("250")
    expect(row).to_contain_text("1.5 GB")
    page.get_by_role("button", name="Close Browser clinic").click()
    dialog_press(page, "Close")
    expect(row).to_contain_text("Closed")
