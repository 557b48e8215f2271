"""What axe-core finds on a page as it stands. The context must bypass the page's policy, which refuses foreign scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.end_to_end_tests.browsing import wait_for
from tests.end_to_end_tests.stack import ROOT

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="NO AXE: accessibility was not tested. Run “npm ci” in frontend.")

RUN = """([within, rules, also]) => axe.run(within, {
    resultTypes: ['violations'],
    rules: Object.fromEntries(also.map((rule) => [rule, { enabled: true }])),
    ...(rules && { runOnly: rules }),
  }).then(
  ({ violations, passes }) => ({
    passed: passes.length,
    violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`),
  }))"""


def axe_violations(page: Page, *, within: str = "html", rules: list[str] | None = None, also: Sequence[str] = ()) -> list[str]:
    """Every rule unless some are named; `also` names such as axe leaves out by default. Raises AssertionError where next to
    nothing was looked at."""
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(RUN, [within, rules, list(also)])
    assert found["passed"] >= (1 if rules else 5), f"axe looked at next to nothing of {within} at {page.url}"
    return list(found["violations"])


def violations_in_both_themes(page: Page, *, within: str = "html") -> list[str]:
    """Everything in the dark theme, and contrast again in the light one, because nothing else differs."""
    found = []
    for theme, rules in (("dark", None), ("light", ["color-contrast"])):
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        wait_for(page, "!document.getAnimations().some((animation) => animation instanceof CSSTransition)")
        found += [f"{theme}: {violation}" for violation in axe_violations(page, within=within, rules=rules)]
    return found
