"""The integrator's guide in headless Chromium: read without signing in, with this server's address, each failure at its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end_tests.browsing import STEP_LIMIT_MS, Watched
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def visitor(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Somebody who is not signed in. Nothing may go wrong on their page, and nothing be asked of another host."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, locale="en")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(context, stack)
    yield watched.page
    context.close()
    assert (watched.complaints, watched.foreign) == ([], [])


def test_a_visitor_copies_an_example_that_names_this_server_and_signs_in_from_there(visitor: Page, stack: Stack) -> None:
    visitor.goto("/guide")

    example = visitor.locator(".guide__code").filter(has_text="export MAMMOSERVE_URL").first
    expect(example.locator("code")).to_contain_text(f"export MAMMOSERVE_URL={stack.url}\n")
    example.get_by_role("button", name="Copy the example").click()
    expect(visitor.locator("#announce")).to_have_text("Copied.")
    assert visitor.evaluate("navigator.clipboard.readText()") == example.locator("code").text_content()

    visitor.get_by_role("link", name="Sign in").click()
    visitor.locator("#username").fill(stack.access["username"])
    visitor.locator("#password").fill(stack.access["password"])
    visitor.locator("#login-submit").click()
    expect(visitor).to_have_url(f"{stack.url}/guide", timeout=STEP_LIMIT_MS)
    expect(visitor.locator("#account-toggle")).to_be_visible()
    expect(visitor.locator("#sign-in")).to_be_hidden()


def test_a_failure_code_has_an_address_and_the_contents_say_where_one_is(visitor: Page) -> None:
    visitor.goto("/guide#input-not_mammography")

    row = visitor.locator("#input-not_mammography")
    expect(row).to_be_in_viewport()
    expect(row).to_contain_text("The DICOM object is not a mammography image.")
    expect(visitor.locator("#contents [aria-current]")).to_have_text(re.compile("^input"))
    visitor.locator("#contents").get_by_role("link", name="Quarantine").click()
    expect(visitor.locator("#batches-quarantine")).to_be_in_viewport()
    expect(visitor.locator("#contents [aria-current]")).to_have_text("Quarantine")
