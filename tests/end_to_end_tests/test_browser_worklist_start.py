"""How the worklist begins and what it tells at a glance, in headless Chromium: how many results need reading, first steps that
come back, the list asked for beside the session."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.browsing import STEP_LIMIT_MS, Watched
from tests.end_to_end_tests.gallery import Person, session_open
from tests.end_to_end_tests.page_tour import platform_administrator
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

USERNAME = "worklist-start"


@pytest.fixture(scope="module")
def person(stack: Stack, phantom: list[PhantomView]) -> Person:
    """Somebody new, to whom everything of before counts as read: one result at least."""
    before = stack.submit([("lcc.png", phantom[1].to_png_bytes())], external_id="read-1").raise_for_status()
    stack.wait_ended(str(before.json()["job"]["id"]))
    return Person(USERNAME, platform_administrator(stack, USERNAME))


@pytest.fixture
def page(browser: Browser, stack: Stack, person: Person) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, locale="en")
    session_open(context, person)
    watched = Watched(context, stack)
    yield watched.page
    context.close()
    assert (watched.complaints, watched.foreign) == ([], [])


def test_the_tab_and_the_view_say_how_many_results_need_reading(page: Page, stack: Stack, phantom: list[PhantomView]) -> None:
    page.goto("/")
    view = page.locator("#views").get_by_role("link", name="Needs reading")
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "live")
    expect(page).to_have_title("Worklist · MammoServe")
    expect(view).to_have_accessible_name("Needs reading")

    answer = stack.submit([("rcc.png", phantom[0].to_png_bytes())], external_id="unread-1").raise_for_status()
    job = stack.wait_ended(str(answer.json()["job"]["id"]))
    page.reload()
    expect(page).to_have_title("(1) Worklist · MammoServe")
    expect(view).to_have_accessible_name(re.compile(r"^Needs reading ?1?, 1 unread result$"))

    view.click()
    page.locator(f'#rows tr[data-id="{job["id"]}"] a').first.click()
    expect(page.locator("#job-result .viewer")).to_be_visible()
    page.goto("/")
    expect(page.locator(".tile--some").first).to_be_visible()  # the counts have come
    expect(page).to_have_title("Worklist · MammoServe")
    expect(page.locator(".views__count")).to_have_count(0)


def test_hidden_first_steps_come_back_from_the_account_menu_of_any_page(page: Page) -> None:
    def shown_again() -> None:
        page.locator("#account-toggle").click()
        page.get_by_role("link", name="Show the first steps").click()
        expect(page.locator("#first-steps-title")).to_be_focused()

    page.goto("/upload")
    expect(page.locator("#account-toggle")).to_be_visible()
    shown_again()
    expect(page).to_have_url(re.compile(r"/$"))
    page.get_by_role("button", name="Hide the first steps").click()
    expect(page.locator("#first-steps")).to_be_hidden()
    page.reload()
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()
    expect(page.locator("#first-steps")).to_be_hidden()
    shown_again()
    expect(page.locator("#first-steps .first-step")).not_to_have_count(0)


def test_the_list_is_asked_for_before_the_session_is_known_and_once(page: Page) -> None:
    asked: list[str] = []
    held: list[Route] = []
    page.on("request", lambda request: asked.append(request.url) if _is_list(request.url) else None)
    page.route("**/api/v1/session", lambda route: held.append(route))
    with page.expect_request(lambda request: _is_list(request.url)):
        page.goto("/")
    expect(page.locator("#rows tr[data-id]")).to_have_count(0)
    held[0].continue_()
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()
    assert len(asked) == 1


def test_a_view_to_begin_with_goes_before_the_list_that_was_asked_for_early(page: Page) -> None:
    page.goto("/")
    page.evaluate(
        """async (view) => {
          const { csrf_token: token } = await (await fetch('/api/v1/session')).json();
          const headers = { 'Content-Type': 'application/json', 'X-CSRFToken': token };
          await fetch('/api/v1/jobs/views', { method: 'POST', headers, body: JSON.stringify(view) });
        }""",
        {"name": "start", "query": {"sort": "oldest"}, "is_default": True},
    )
    with page.expect_response(
        lambda answer: _is_list(answer.url) and "sort=oldest" in answer.url, timeout=STEP_LIMIT_MS
    ) as oldest:
        page.goto("/")
    wanted = [job["id"] for job in oldest.value.json()["results"]]
    expect(page).to_have_url(re.compile(r"/\?sort=oldest$"))
    expect(page.locator("#rows tr[data-id]")).to_have_count(len(wanted))
    rows = page.locator("#rows tr[data-id]")
    assert [rows.nth(at).get_attribute("data-id") for at in range(len(wanted))] == wanted


def _is_list(url: str) -> bool:
    """The worklist's own question; the first steps ask for one job alone."""
    return re.search(r"/api/v1/jobs(\?|$)", url) is not None and "page_size" not in url
