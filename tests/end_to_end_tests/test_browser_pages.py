"""Every page that the site has, in headless Chromium against the real processes: held against axe-core in both themes, and no
wider than the window it is shown in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.gallery import STATES, Person, session_open
from tests.end_to_end_tests.page_tour import STOPS, Things, page_names, page_visit, platform_administrator, things_make
from tests.end_to_end_tests.stack import Stack
from tests.end_to_end_tests.test_browser import AXE, STEP_LIMIT_MS, Watched, browser, wait_for
from tests.platform_tests.notifications_tests.receiver import receiving

__all__ = ["browser"]  # the fixture

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

USERNAME = "browser-tour"
WIDTHS = (1440, 1024, 390)
SPANISH = "webhook"


@pytest.fixture(scope="module")
def things(stack: Stack, phantom: list[PhantomView]) -> Iterator[Things]:
    with receiving() as receiver:
        made = things_make(stack, phantom, webhook_url=receiver.url())
        yield made
        stack.client.delete(f"/api/v1/webhooks/{made.webhook}").raise_for_status()


@pytest.fixture(scope="module")
def watched(browser: Browser, stack: Stack) -> Iterator[Watched]:
    """Without reduced motion: that would make a transition, however short, of every colour when the theme changes."""
    person = Person(USERNAME, platform_administrator(stack, USERNAME))
    context: BrowserContext = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, bypass_csp=True)
    session_open(context, person)
    if AXE.is_file():
        context.add_init_script(path=AXE)
    expect.set_options(timeout=STEP_LIMIT_MS)
    yield Watched(context, stack)
    expect.set_options(timeout=5_000)  # Playwright's own, for the modules after this one
    context.close()


AXE_RUN = """([within, rules]) => axe.run(within, { resultTypes: ['violations'], ...(rules && { runOnly: rules }) }).then(
  ({ violations, passes }) => ({
    passed: passes.length,
    violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`),
  }))"""


def violations_in_both_themes(page: Page, *, within: str = "html") -> list[str]:
    """What axe-core finds in that part of the page as it stands: everything in the dark theme, and contrast again in the light
    one, because nothing else differs."""
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    found = []
    for theme, rules, least in (("dark", None, 5), ("light", ["color-contrast"], 1)):
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        wait_for(page, "!document.getAnimations().some((animation) => animation instanceof CSSTransition)")
        said = page.evaluate(AXE_RUN, [within, rules])
        assert said["passed"] >= least, f"axe looked at next to nothing of {within} at {page.url}"
        found += [f"{theme}: {violation}" for violation in said["violations"]]
    return found


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


@pytest.mark.skipif(not AXE.is_file(), reason="NO AXE: accessibility was not tested. Run “npm ci” in frontend.")
def test_no_page_has_a_violation_that_axe_can_find_or_is_wider_than_the_window(watched: Watched, things: Things) -> None:
    page = watched.page
    violations, wide = {}, {}
    for name in page_names():
        page_visit(page, name, things)
        wide[name] = too_wide(page)
        violations[name] = violations_in_both_themes(page)
    for name, (of, act) in STATES.items():
        page_visit(page, of, things)
        act(page)
        opened = page.locator("dialog[open]").count()
        violations[name] = violations_in_both_themes(page, within="dialog[open]" if opened else "html")
    page.unroute_all()
    page.context.add_cookies([{"name": "mammoserve_language", "value": "es", "url": page.url}])
    page_visit(page, SPANISH, things)
    expect(page.locator("html")).to_have_attribute("lang", "es")
    wide["spanish"] = too_wide(page)
    violations["spanish"] = violations_in_both_themes(page)
    assert {name: found for name, found in violations.items() if found} == {}
    assert {name: widths for name, widths in wide.items() if widths} == {}
    # The browser itself reports the page that is not there; the pages add nothing of their own.
    assert [complaint for complaint in watched.complaints if "status of 404" not in complaint] == []
    assert watched.foreign == []
