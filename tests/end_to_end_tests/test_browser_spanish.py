"""The pages in Spanish, chosen by a person whose browser asks for English: no word of English is left on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end_tests.browsing import Watched, sign_in, slice_refused
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

ENGLISH = re.compile(
    r"\b(suspicion|threshold|views?|breasts?|heatmap|worklist|queue|stud(?:y|ies)|search|loading|failed|done|cancel|retry|waiting"
    r"|batch(?:es)?|workers?|storage|results?|opacity|numbers|download|research|sign|choose|priority|the|and|of)\b",
    re.I,
)
WORDS_SEEN = """() => [document.body.innerText, document.title, ...[...document.querySelectorAll(
  '[aria-label], [title], [placeholder], [alt]'
)].flatMap((node) => ['aria-label', 'title', 'placeholder', 'alt'].map((name) => node.getAttribute(name) ?? ''))].join('\\n')"""


def package_words(result: dict[str, Any]) -> list[str]:
    """What a package says of itself, which nobody translates."""
    use = result["intended_use"]
    return [use["statement"], *use["not_validated"], result["package"]["title"], result["suspicion"]["operating_point"] or ""]


def english_left(page: Page, own: list[str]) -> list[str]:
    """Lines of the page, and of what is read out of it, that hold an English word."""
    text = str(page.evaluate(WORDS_SEEN))
    for words in filter(None, own):
        text = text.replace(words, "")
    text = re.sub(r"\w+(?:-\w+)+|\S+@\S+", "", text)  # ids of studies, names of packages and of processes
    return [line for line in text.splitlines() if ENGLISH.search(line)]


def test_the_pages_are_whole_in_spanish(
    browser: Browser, stack: Stack, four_views: list[Path], finished_job: str, tmp_path: Path
) -> None:
    context = browser.new_context(
        base_url=stack.url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce", locale="en-GB"
    )
    watched = Watched(context, stack)
    page = sign_in(watched, stack)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    result = stack.client.get(f"/api/v1/jobs/{finished_job}/result").json()
    page.goto("/?status=SUCCEEDED#rows")
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()
    address = page.url

    # By the keyboard alone; the same page comes back.
    page.locator("#account-toggle").press("Enter")
    page.get_by_role("button", name="Español").press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lista de trabajo")
    expect(page.get_by_text("Solo para investigación").first).to_be_visible()
    packages = stack.client.get("/api/v1/packages").raise_for_status().json()["results"]
    own = package_words(result) + [package["title"] for package in packages]
    own += [batch["name"] for batch in stack.client.get("/api/v1/batches").json()["results"]]
    english: dict[str, list[str]] = {}
    assert page.url == address

    page.locator("#account-toggle").click()
    english["worklist"] = english_left(page, own)
    page.goto("/upload")
    page.locator("#picker").set_input_files([str(four_views[0]), str(four_views[3])])
    expect(page.locator("#studies .file-list canvas")).to_have_count(2)
    english["upload"] = english_left(page, own)
    page.goto(f"/jobs/{finished_job}")
    expect(page.locator("#job-result .viewer")).to_be_visible()
    english["result"] = english_left(page, own)
    for name, heading in {"batches": "Lotes", "quarantine": "Cuarentena", "operations": "Operación"}.items():
        page.goto(f"/{name}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        expect(page.locator("#content, #main").first).not_to_have_attribute("aria-busy", "true")
        english[name] = english_left(page, own)

    # A refusal of the server is told by its code.
    expect(slice_refused(page, four_views[0], tmp_path / "slice.dcm")).to_contain_text("no es una imagen de mamografía.")
    context.close()
    assert {name: lines for name, lines in english.items() if lines} == {}
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []
