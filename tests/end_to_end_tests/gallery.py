"""Every page of the site as people meet it, to be looked at: `make gallery`. Three widths, both themes, and Spanish; no test.

Writes one picture a page and contact sheets of them. Pages are photographed whole, down to LONGEST_PX.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from model_registry.phantom import phantom_study
from tests.end_to_end_tests.browsing import OFFLINE_FLAGS, STEP_LIMIT_MS, chromium
from tests.end_to_end_tests.page_states import SETTLED_MS, STATES, state_shown
from tests.end_to_end_tests.page_tour import (
    Things,
    causes_stage,
    page_names,
    page_visit,
    platform_administrator,
    things_make,
)
from tests.end_to_end_tests.schema_check.ground import SETTINGS
from tests.end_to_end_tests.stack import ROOT, Stack
from tests.platform_tests.notifications_tests.receiver import receiving

OUT = ROOT / "build" / "gallery"
LONGEST_PX = 2400
SHEET_PX = 1950
PAIRS = 24
USERNAME = "gallery.of-a-long-name"
#: name → width, height, theme, language
LOOKS = {
    f"{width}-{theme}": (width, height, theme, "en")
    for width, height in ((1440, 900), (1024, 768), (390, 844))
    for theme in ("light", "dark")
} | {"1440-spanish": (1440, 900, "light", "es")}


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    password: str


def context_open(browser: Browser, url: str, person: Person, look: str, *, bypass_csp: bool = False) -> BrowserContext:
    width, height, theme, language = LOOKS[look]
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        locale={"en": "en-GB", "es": "es-ES"}[language],
        has_touch=width < 500,
        bypass_csp=bypass_csp,
    )
    context.add_init_script(f"localStorage.setItem('mammoserve.theme', '{theme}')")
    session_open(context, person, language=language)
    return context


def session_open(context: BrowserContext, person: Person, *, language: str = "en") -> None:
    """Sign in, and give every page of the tour in this context."""
    page = context.new_page()
    page.goto("/login")
    page.locator("#username").fill(person.username)
    page.locator("#password").fill(person.password)
    page.locator("#login-submit").click()
    expect(page).not_to_have_url(re.compile("/login"))
    page.close()
    causes_stage(context, language=language)


def _shot(page: Page, path: Path, *, whole: bool) -> None:
    page.wait_for_timeout(SETTLED_MS)
    expect(page.locator(".stage[data-state=loading]")).to_have_count(0)  # full pixels follow the preview
    window = page.viewport_size
    if whole and window and page.evaluate("matchMedia('(pointer: coarse)').matches"):
        # Chromium forgets the finger while it photographs beyond the window, and pages have smaller buttons without one
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": window["width"], "height": min(height, LONGEST_PX)})
        page.wait_for_timeout(SETTLED_MS)
        whole = False
    tall = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    if window:
        page.set_viewport_size(window)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        sys.stderr.write(f"{path.parent.name}/{path.stem} is {wide} px wider than the window\n")
    tall.crop((0, 0, tall.width, min(tall.height, LONGEST_PX))).save(path)


@dataclass(frozen=True, slots=True)
class Tour:
    """`only`: names of pages and states; empty for all."""

    url: str
    person: Person
    things: Things
    folder: Path
    only: frozenset[str] = frozenset()

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only


def look_photograph(browser: Browser, tour: Tour, look: str) -> None:
    """Every page and state in one look."""
    place = tour.folder / look
    place.mkdir(parents=True, exist_ok=True)
    context = context_open(browser, tour.url, tour.person, look)
    page = context.new_page()
    for name in filter(tour.wants, page_names()):
        page_visit(page, name, tour.things)
        _shot(page, place / f"{name}.png", whole=True)
    for name in filter(tour.wants, STATES):
        with state_shown(page, name, tour.things):
            _shot(page, place / f"{name}.png", whole=name == "first-steps")
    context.close()


def _narrowed(path: Path, width: int) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def sheets_make(place: Path, names: list[str], *, columns: int) -> Iterator[Path]:
    """Contact sheets of one look, a few pictures each, in the order of `names`."""
    width = SHEET_PX // columns
    found = [name for name in names if (place / f"{name}.png").exists()]
    for start in range(0, len(found), columns):
        row = [(name, _narrowed(place / f"{name}.png", width - 10)) for name in found[start : start + columns]]
        sheet = Image.new("RGB", (SHEET_PX, max(one.height for _, one in row) + 24), "#888")
        for at, (name, one) in enumerate(row):
            sheet.paste(one, (at * width, 24))
            ImageDraw.Draw(sheet).text((at * width + 4, 4), f"{place.name} {name}", fill="#000")
        path = place / f"sheet-{start // columns:02d}.png"
        sheet.save(path)
        yield path


def gallery_make(browser: Browser, tour: Tour, looks: list[str]) -> None:
    """Writes `folder`/look/page.png and sheets beside them."""
    for look in looks:
        look_photograph(browser, tour, look)
        for path in sheets_make(tour.folder / look, [*page_names(), *STATES], columns=5 if look.startswith("390") else 2):
            sys.stdout.write(f"{path}\n")


@contextmanager
def tour_begin() -> Iterator[tuple[Browser, Tour]]:
    """A product of its own with something on every page, and the browser. Raises FileNotFoundError where there is no Chromium."""
    path = chromium()
    if path is None:
        raise FileNotFoundError("No Chromium: install it or set CHROMIUM_PATH.")
    settings = {**SETTINGS, "WEBHOOKS_PORTS": ""}
    with (
        tempfile.TemporaryDirectory() as data,
        receiving() as receiver,
        Stack(data_dir=Path(data) / "data", **settings) as stack,
        sync_playwright() as playwright,
    ):
        things = things_make(stack, phantom_study(seed=7, size_hw=(1024, 832)), webhook_url=receiver.url(), pairs=PAIRS)
        person = Person(USERNAME, platform_administrator(stack, USERNAME))
        browser = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        expect.set_options(timeout=STEP_LIMIT_MS)
        yield browser, Tour(stack.url, person, things, OUT)
        browser.close()


def main() -> int:
    """The looks named on the command line, or all of them; what else is named are the only pages and states."""
    named = sys.argv[1:]
    looks = [name for name in named if name in LOOKS] or list(LOOKS)
    with tour_begin() as (browser, tour):
        gallery_make(browser, replace(tour, only=frozenset(named) - frozenset(LOOKS)), looks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
