"""Every page and state held against every rule of axe-core, in whole looks: theme, width and language. No test; minutes.

    python -m tests.end_to_end_tests.accessibility [LOOK | PAGE | STATE]...

The suite asks every rule in the dark theme and contrast in the light one. This asks everything in each look of the gallery that
is named (default: LOOKS), and WCAG 2.2's size of targets, which axe leaves out by default. Status 1 where something was found.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from playwright.sync_api import Browser, Page

from tests.end_to_end_tests.axe import axe_violations
from tests.end_to_end_tests.gallery import LOOKS as EVERY_LOOK
from tests.end_to_end_tests.gallery import Tour, context_open, tour_begin
from tests.end_to_end_tests.page_states import STATES, state_shown
from tests.end_to_end_tests.page_tour import page_names, page_visit

LOOKS = ("1440-light", "1440-dark", "390-light", "1440-spanish")
ALSO = ("target-size",)


def _within(page: Page) -> str:
    """What lies on top: of what it half covers, a sliver would be a target too small."""
    return next((on_top for on_top in ("dialog[open]", ".dropdown-menu.show") if page.locator(on_top).count()), "html")


def look_hold(browser: Browser, tour: Tour, look: str) -> dict[str, list[str]]:
    """What axe finds in this look: page or state → violations, empty lists included."""
    context = context_open(browser, tour.url, tour.person, look, bypass_csp=True)
    page = context.new_page()
    found = {}
    for name in filter(tour.wants, page_names()):
        page_visit(page, name, tour.things)
        found[name] = axe_violations(page, also=ALSO)
    for name in filter(tour.wants, STATES):
        with state_shown(page, name, tour.things):
            found[name] = axe_violations(page, within=_within(page), also=ALSO)
    context.close()
    return found


def main() -> int:
    named = sys.argv[1:]
    looks = [name for name in named if name in EVERY_LOOK] or list(LOOKS)
    violations = 0
    with tour_begin() as (browser, tour):
        for look in looks:
            found = look_hold(browser, replace(tour, only=frozenset(named) - frozenset(EVERY_LOOK)), look)
            violations += sum(map(len, found.values()))
            sys.stdout.write(f"{look}: {len(found)} pages and states, {sum(map(len, found.values()))} violations\n")
            for name, lines in found.items():
                for line in lines:
                    sys.stdout.write(f"  {name}: {line}\n")
            sys.stdout.flush()
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
