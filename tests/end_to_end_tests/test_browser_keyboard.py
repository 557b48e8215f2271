"""The worklist without a mouse: reached in reading order, the focus always in sight, dialogs that give it back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.browsing import Watched, sign_in
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

STEPS_MOST = 80
#: Parts of the page in the order in which the Tab key has to come by.
PARTS = [
    ".skip-link",
    ".topbar__link",
    "#account-toggle",
    ".page-head .btn",
    ".tile",
    ".views__link",
    "#search",
    "#export",
    "#filters-more summary",
    ".sort",
    ".worklist__select",
    ".worklist__link",
]
FOCUS = """(parts) => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect();
  const look = getComputedStyle(at);
  const shadow = look.boxShadow !== 'none';
  const middle = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
  return {
    part: parts.find((part) => at.matches(part)) ?? null,
    name: `${at.tagName} ${at.id} ${at.textContent.trim().slice(0, 40)}`,
    ring: (look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2) || shadow,
    seen: box.width > 0 && (middle === at || at.contains(middle) || middle?.contains(at)),
  };
}"""


@pytest.fixture
def worklist(watched: Watched, stack: Stack, phantom: list[PhantomView]) -> Iterator[Page]:
    """The list with a study in it, and nothing focused yet."""
    study = f"keyboard-{secrets.token_hex(3)}"
    stack.submit([("view.dcm", phantom[0].to_dicom_bytes())], external_id=study).raise_for_status()
    page = sign_in(watched, stack, address=f"/?search={study}")
    expect(page.locator("#rows tr[data-id]")).to_have_count(1)
    page.evaluate("document.activeElement?.blur()")
    yield page
    assert watched.complaints == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_tab_goes_through_the_worklist_in_reading_order_and_is_always_seen(worklist: Page, theme: str) -> None:
    worklist.evaluate("theme => { document.documentElement.dataset.bsTheme = theme; }", theme)
    order: list[str] = []
    for _ in range(STEPS_MOST):
        worklist.keyboard.press("Tab")
        stop = worklist.evaluate(FOCUS, PARTS)
        if stop is None:
            break
        assert stop["ring"], f"no sign of the focus on {stop['name']}"
        assert stop["seen"], f"{stop['name']} has the focus and is out of sight"
        if stop["part"] and stop["part"] not in order:
            order.append(stop["part"])
        if order[-1:] == PARTS[-1:]:
            break
    assert order == PARTS


def test_a_study_is_selected_exported_and_opened_and_the_dialog_gives_the_focus_back(worklist: Page) -> None:
    worklist.locator(".worklist__select").focus()
    worklist.keyboard.press("Space")
    expect(worklist.locator("#bulk")).to_be_visible()
    opener = worklist.locator("#bulk-export")
    worklist.locator("#bulk-clear").focus()
    while not opener.evaluate("button => button === document.activeElement"):
        worklist.keyboard.press("Tab")
    worklist.keyboard.press("Enter")
    dialog = worklist.locator("dialog[open]")
    expect(dialog).to_be_visible()
    for _ in range(12):
        worklist.keyboard.press("Tab")
        assert worklist.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    worklist.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    worklist.locator(".worklist__link").focus()
    worklist.keyboard.press("Enter")
    expect(worklist).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
