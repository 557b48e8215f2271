"""Every page that the site has, in headless Chromium against the real processes: held against axe-core in both themes, and no
wider than the window it is shown in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.axe import needs_axe, violations_in_both_themes
from tests.end_to_end_tests.browsing import Watched
from tests.end_to_end_tests.gallery import Person, session_open
from tests.end_to_end_tests.page_states import STATES, state_shown
from tests.end_to_end_tests.page_tour import STOPS, Things, page_names, page_visit, platform_administrator, things_make
from tests.end_to_end_tests.stack import Stack
from tests.platform_tests.notifications_tests.receiver import receiving

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

WIDTHS = (1440, 1024, 390)
SPANISH = "webhook"
#: So that two processes can share them.
PARTS = 3


@pytest.fixture(scope="module")
def things(stack: Stack, phantom: list[PhantomView]) -> Iterator[Things]:
    with receiving() as receiver:
        made = things_make(stack, phantom, webhook_url=receiver.url())
        yield made
        stack.client.delete(f"/api/v1/webhooks/{made.webhook}").raise_for_status()


@pytest.fixture(scope="module")
def watched(browser: Browser, stack: Stack) -> Iterator[Watched]:
    """Without reduced motion: that would make a transition, however short, of every colour when the theme changes."""
    username = f"browser-tour-{secrets.token_hex(8)}"  # long, and these tests may come in two turns
    person = Person(username, platform_administrator(stack, username))
    context: BrowserContext = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, bypass_csp=True)
    session_open(context, person)
    yield Watched(context, stack)
    context.close()


def too_wide(page: Page) -> list[int]:
    """Widths of the window at which the page has to be pushed sideways."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(width)
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


def test_the_tour_passes_every_page_of_the_list() -> None:
    assert sorted(STOPS) == sorted(page_names())


@needs_axe
@pytest.mark.parametrize("part", range(PARTS))
def test_no_page_has_a_violation_that_axe_can_find_or_is_wider_than_the_window(
    watched: Watched, things: Things, part: int
) -> None:
    page = watched.page
    watched.complaints.clear()
    violations, wide = {}, {}
    for name in page_names()[part::PARTS]:
        page_visit(page, name, things)
        wide[name] = too_wide(page)
        violations[name] = violations_in_both_themes(page)
    for name in list(STATES)[part::PARTS]:
        with state_shown(page, name, things):
            opened = page.locator("dialog[open]").count()
            violations[name] = violations_in_both_themes(page, within="dialog[open]" if opened else "html")
    assert {name: found for name, found in violations.items() if found} == {}
    assert {name: widths for name, widths in wide.items() if widths} == {}
    # The browser itself reports what is not there or was refused; the pages add nothing of their own.
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []
    assert watched.foreign == []


@needs_axe
def test_a_page_in_spanish_has_none_either(watched: Watched, things: Things, stack: Stack) -> None:
    page = watched.page
    page.context.add_cookies([{"name": "mammoserve_language", "value": "es", "url": stack.url}])
    page_visit(page, SPANISH, things)
    expect(page.locator("html")).to_have_attribute("lang", "es")
    assert too_wide(page) == []
    assert violations_in_both_themes(page) == []
    page.context.clear_cookies(name="mammoserve_language")
