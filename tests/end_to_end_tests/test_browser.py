"""A person's way through the pages, in headless Chromium against the real processes: sign in, upload, watch, read, sign out.

Skips, and says so, where the machine has no Chromium. Any message of the page's security policy fails the test.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, expect, sync_playwright

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import PhantomView
from tests.end_to_end_tests.stack import ROOT, Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

STEP_LIMIT_MS = 20_000
RESULT_LIMIT_MS = 60_000
OFFLINE_FLAGS = [
    "--no-sandbox",  # continuous integration runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """The browser to use: CHROMIUM_PATH, else the one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM_PATH") or next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(
            "NO BROWSER: the pages were not tested. Install Chromium (Debian: apt-get install chromium) or set CHROMIUM_PATH."
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        yield started
        started.close()


class Watched:
    """A page of its own session, and everything that went wrong on it."""

    def __init__(self, context: BrowserContext, stack: Stack) -> None:
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(STEP_LIMIT_MS)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self._see(request.url, stack.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, url: str, own: str) -> None:
        if not url.startswith((own, "blob:", "data:")):
            self.foreign.append(url)


@pytest.fixture
def watched(browser: Browser, stack: Stack) -> Iterator[Watched]:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    yield Watched(context, stack)
    context.close()


def sign_in(watched: Watched, stack: Stack, *, address: str = "/") -> Page:
    """Through the login page, to which an anonymous visitor is sent."""
    page = watched.page
    page.goto(address)
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.locator("#username").fill(stack.access["username"])
    page.locator("#password").fill(stack.access["password"])
    page.locator("#login-submit").click()
    expect(page).to_have_url(re.compile(re.escape(stack.url) + re.escape(address) + "$"))
    return page


def upload(page: Page, files: list[Path], *, external_id: str) -> None:
    """Choose the files, name the study, submit; ends on the job's page."""
    page.goto("/upload")
    page.locator("#picker").set_input_files([str(path) for path in files])
    expect(page.locator("#studies .file-list > li")).to_have_count(len(files))
    page.locator("[name=external_id]").fill(external_id)
    page.locator("#submit").click()
    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))


def wait_for(page: Page, condition: str) -> None:
    """Until the expression holds. Playwright's own wait evaluates strings inside the page, which the page's policy refuses."""
    deadline = time.monotonic() + STEP_LIMIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never held: {condition}"
        page.wait_for_timeout(50)


def colour_on(page: Page) -> int:
    """How many pixels of all views are not grey: what the heatmap adds."""
    return int(
        page.evaluate(
            """() => [...document.querySelectorAll('.stage__picture')].reduce((sum, canvas) => {
              const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
              copy.drawImage(canvas, 0, 0);
              const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
              let coloured = 0;
              for (let at = 0; at < data.length; at += 4) {
                const [red, green, blue] = [data[at], data[at + 1], data[at + 2]];
                if (Math.max(red, green, blue) - Math.min(red, green, blue) > 8) coloured += 1;
              }
              return sum + coloured;
            }, 0)"""
        )
    )


@pytest.fixture
def four_views(tmp_path: Path, phantom: list[PhantomView]) -> list[Path]:
    """Three views as DICOM and one as PNG, as a person might have them."""
    paths = []
    for number, view in enumerate(phantom):
        as_png = number == len(phantom) - 1
        path = tmp_path / f"{view.image_laterality}_{view.view_position}.{'png' if as_png else 'dcm'}"
        path.write_bytes(view.to_png_bytes() if as_png else view.to_dicom_bytes())
        paths.append(path)
    return paths


def test_a_person_signs_in_uploads_four_views_and_reads_the_result(
    watched: Watched, stack: Stack, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack, address="/upload")
    upload(page, four_views, external_id="browser-four-views")

    # It ends by itself, without a reload.
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    expect(page.locator(".hanging__cell .view")).to_have_count(4)
    expect(page.get_by_text("Research use only").first).to_be_visible()
    job_id = page.url.rpartition("/")[2]
    result = stack.client.get(f"/api/v1/jobs/{job_id}/result").json()
    side = page.locator(".result__side")
    for label in result["classes"]:
        expect(side.get_by_text(re.compile(label, re.I)).first).to_be_visible()
    expect(side).to_contain_text(result["package"]["version"])

    wait_for(page, "[...document.querySelectorAll('.stage__picture')].every(canvas => canvas.dataset.drawn !== 'nothing')")
    page.wait_for_timeout(500)
    assert colour_on(page) > 0
    assert watched.complaints == []
    assert watched.foreign == []


def test_the_opacity_slider_fades_and_the_switch_removes_the_heatmap(
    watched: Watched, stack: Stack, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views, external_id="browser-heatmap")
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    wait_for(page, "[...document.querySelectorAll('.stage__picture')].every(canvas => canvas.dataset.drawn === 'full')")
    slider = page.locator("#heatmap-opacity")
    slider.fill("100")
    page.wait_for_timeout(500)
    strong = colour_on(page)
    slider.fill("25")
    page.wait_for_timeout(500)
    assert 0 < colour_on(page) < strong
    page.locator("#heatmap-on").uncheck()
    page.wait_for_timeout(500)
    assert colour_on(page) == 0
    expect(slider).to_be_disabled()
    page.locator("#heatmap-on").check()
    page.wait_for_timeout(500)
    assert colour_on(page) > 0
    page.locator("input[name=heatmap-target]").last.check(force=True)
    assert watched.complaints == []


def slice_refused(page: Page, view: Path, path: Path) -> Locator:
    """Send the view as if it were a slice of a CT; returns where the refusal is shown."""
    foreign = pydicom.dcmread(view)
    foreign.Modality = "CT"
    foreign.SOPClassUID = foreign.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    foreign.save_as(path)
    page.goto("/upload")
    page.locator("#picker").set_input_files(str(path))
    page.locator("#submit").click()
    problem = page.locator("#studies .study-group__state")
    expect(problem).to_be_visible()
    return problem


def test_the_worklist_shows_the_job_and_a_refused_file_shows_the_servers_reason(
    watched: Watched, stack: Stack, tmp_path: Path, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views[:1], external_id="browser-worklist")
    page.goto("/")
    expect(page.get_by_text("browser-worklist").first).to_be_visible()

    problem = slice_refused(page, four_views[0], tmp_path / "slice.dcm")
    expect(problem).to_contain_text(CATALOGUE["input:not_mammography"].message)
    expect(problem).to_contain_text(CATALOGUE["input:not_mammography"].action)
    # The browser itself reports the 4xx; the pages add nothing of their own.
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []


def test_first_steps_lead_from_an_empty_site_to_a_sample_its_result_and_a_token(watched: Watched, stack: Stack) -> None:
    page = watched.page
    # The stack is shared, so its site has studies: this one answer is as on the first day.
    empty: dict[str, Any] = {"next": None, "previous": None, "results": []}
    page.route("**/api/v1/studies?page_size=1", lambda route: route.fulfill(json=empty))
    sign_in(watched, stack)
    page.locator("[data-step=study] button").click()
    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    expect(page.locator(".sample-note")).to_contain_text("no patient")
    expect(page.locator(".result")).to_be_visible(timeout=RESULT_LIMIT_MS)
    page.unroute("**/api/v1/studies?page_size=1")
    page.goto("/")
    expect(page.locator("#rows tr", has_text="SYNTHETIC-SAMPLE").locator(".sample-badge")).to_be_visible()
    expect(page.locator("#first-steps")).to_be_hidden()  # sent, opened, and the launcher has made a token

    page.goto("/tokens?new")
    page.locator("dialog input[name=name]").fill("first steps")
    page.context.clear_cookies(name="sessionid")  # the session ends while a form is being filled
    page.locator("dialog button[type=submit]").click()
    page.locator("#renewal-password").fill(stack.access["password"])
    page.locator("#renewal-password").press("Enter")
    expect(page.locator("#renewal-password")).to_have_count(0)
    expect(page.locator("dialog input[name=name]")).to_have_value("first steps")
    page.locator("dialog button[type=submit]").click()
    command = page.locator("#secret-example").input_value()
    assert command.startswith('curl -H "Authorization: Bearer ms_')
    assert command.endswith(f' "{stack.url}/api/v1/jobs?page_size=5"')
    page.locator("dialog button[value=kept]").click()

    page.goto("/operations")
    expect(page.locator(".chart").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("Not running")
    page.locator("input[name=window][value='1h']").check()
    expect(page).to_have_url(re.compile(r"/operations\?window=1h$"))
    expect(page.locator("main")).to_contain_text("last hour")
    answer = page.goto("/no-such-page")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_have_text("There is no such page")
    assert stack.client.delete("/api/v1/sample-study").status_code == 204
    expected = ("401 (Unauthorized)", "404 (Not Found)")
    assert [line for line in watched.complaints if not any(words in line for words in expected)] == []
    assert watched.foreign == []


def test_the_worklist_is_sorted_kept_as_a_view_read_and_exported(
    watched: Watched, stack: Stack, tmp_path: Path, four_views: list[Path]
) -> None:
    page = sign_in(watched, stack)
    upload(page, four_views[:1], external_id="browser-reading")
    stack.wait_ended(page.url.rpartition("/")[2])
    page.goto("/")
    row = page.locator("#rows tr", has_text="browser-reading")
    # it may have been opened already, while it ended under our eyes
    row.locator(".worklist__select").check()
    page.locator("#bulk-unread").click()
    expect(row.get_by_text("Unread")).to_be_visible()

    heading = page.get_by_role("columnheader", name="Suspicion")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(page).to_have_url(re.compile("sort=most_suspicious"))
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")

    page.get_by_role("link", name="Needs reading").click()
    expect(page).to_have_url(re.compile("reading=unread"))
    page.locator("#search").fill("browser-reading")
    expect(page.locator("#rows tr[data-id]")).to_have_count(1)
    page.locator("#view-save").click()
    page.locator("dialog [name=name]").fill("My unread")
    page.locator("dialog [type=submit]").click()
    view = page.get_by_role("link", name="My unread")
    expect(view).to_have_attribute("aria-current", "true")

    with page.expect_download() as download:
        page.locator("#export").click()
        expect(page.locator("dialog h2")).to_have_text("Export 1 study")
        page.locator("dialog [type=submit]").click()
    download.value.save_as(tmp_path / "worklist.csv")
    with (tmp_path / "worklist.csv").open(newline="") as file:
        assert [line["external_id"] for line in csv.DictReader(file)] == ["browser-reading"]

    row.get_by_role("link").click()
    expect(page.locator("#job-result .viewer")).to_be_visible(timeout=RESULT_LIMIT_MS)
    page.goto("/")
    page.get_by_role("link", name="My unread").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()

    page.locator("#views-manage").click()
    page.get_by_role("button", name="Delete “My unread”").click()
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_text("No saved views.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(view).to_have_count(0)
    assert watched.complaints == []


def test_a_wrong_password_is_refused_and_signing_out_closes_the_door(watched: Watched, stack: Stack) -> None:
    page = watched.page
    page.goto("/login")
    page.locator("#username").fill("nobody-of-this-name")
    page.locator("#password").fill("not the password")
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_be_visible()
    expect(page).to_have_url(re.compile("/login"))

    sign_in(watched, stack)
    page.locator("#account-toggle").click()
    page.locator("#sign-out").click()
    expect(page).to_have_url(re.compile("/login"))
    page.goto("/upload")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []


# ── Accessibility ─────────────────────────────────────────────────────────────────────────────────────────────────────

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
AXE_RUN = """() => axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({
  passed: passes.length,
  violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`),
}))"""


def axe_violations(page: Page) -> list[str]:
    """What axe-core objects to on the page as it stands. The context must bypass the policy, which refuses foreign scripts."""
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(AXE_RUN)
    assert found["passed"] > 10, "axe looked at next to nothing"
    return list(found["violations"])


def answering(document: dict[str, Any]) -> Callable[[Route], None]:
    """A route's handler that gives this document in the server's place."""
    return lambda route: route.fulfill(json=document)


@pytest.fixture(scope="module")
def finished_job(stack: Stack, phantom: list[PhantomView]) -> str:
    answer = stack.submit([("a.dcm", phantom[0].to_dicom_bytes()), ("b.dcm", phantom[1].to_dicom_bytes())])
    answer.raise_for_status()
    return str(stack.wait_ended(answer.json()["job"]["id"])["id"])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_page_has_a_violation_that_axe_can_find(
    browser: Browser, stack: Stack, four_views: list[Path], finished_job: str, theme: str
) -> None:
    if not AXE.is_file():
        pytest.skip("NO AXE: accessibility was not tested. Run “npm ci” in frontend.")
    context = browser.new_context(
        base_url=stack.url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce", bypass_csp=True
    )
    context.add_init_script(f"localStorage.setItem('mammoserve.theme', '{theme}')")
    watched = Watched(context, stack)
    page = watched.page
    page.goto("/login?expired=1")
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_be_visible()
    found = {"login": axe_violations(page)}

    sign_in(watched, stack)
    expect(page.locator("#rows tr[data-id]").first).to_be_visible()
    page.locator("#account-toggle").click()
    found["worklist"] = axe_violations(page)
    page.goto("/upload")
    page.locator("#picker").set_input_files([str(four_views[0]), str(four_views[3])])
    expect(page.locator("#studies .file-list canvas")).to_have_count(2)
    found["upload"] = axe_violations(page)
    page.goto(f"/jobs/{finished_job}")
    expect(page.locator("#job-result .viewer")).to_be_visible()
    found["result"] = axe_violations(page)
    # The pages of jobs that are not done: the same job, as the API would show it then.
    code = "input:pixel_data_truncated"
    words = {"title": CATALOGUE[code].title, "message": CATALOGUE[code].message, "action": CATALOGUE[code].action}
    job = {**stack.job(finished_job), "outcome": None, "result_url": None}
    actions = {"cancel": False, "retry": True}
    failure = {"code": code, **words, "retryable": False, "detail": "for engineers"}
    states = {
        "failed": {**job, "status": "FAILED", "failure": failure, "actions": actions},
        "cancelled": {**job, "status": "CANCELLED", "actions": actions},
        "running": {**job, "status": "RUNNING", "stage": "INFERRING", "actions": {"cancel": True, "retry": False}},
    }
    for name, document in states.items():
        page.route(f"**/api/v1/jobs/{finished_job}", answering(document))
        page.goto(f"/jobs/{finished_job}")
        expect(page.locator("#job-state > section")).to_be_visible()
        found[name] = axe_violations(page)
    context.close()
    assert {name: violations for name, violations in found.items() if violations} == {}


# ── Spanish ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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
        base_url=stack.url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce", bypass_csp=True, locale="en-GB"
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
    own = package_words(result) + [batch["name"] for batch in stack.client.get("/api/v1/batches").json()["results"]]
    violations: dict[str, list[str]] = {}
    english: dict[str, list[str]] = {}
    assert page.url == address

    def look(name: str) -> None:
        if AXE.is_file():
            violations[name] = axe_violations(page)
        english[name] = english_left(page, own)

    page.locator("#account-toggle").click()
    look("worklist")
    page.goto("/upload")
    page.locator("#picker").set_input_files([str(four_views[0]), str(four_views[3])])
    expect(page.locator("#studies .file-list canvas")).to_have_count(2)
    look("upload")
    page.goto(f"/jobs/{finished_job}")
    expect(page.locator("#job-result .viewer")).to_be_visible()
    look("result")
    for name, heading in {"batches": "Lotes", "quarantine": "Cuarentena", "operations": "Operación"}.items():
        page.goto(f"/{name}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        expect(page.locator("#content, #main").first).not_to_have_attribute("aria-busy", "true")
        look(name)

    # A refusal of the server is told by its code.
    expect(slice_refused(page, four_views[0], tmp_path / "slice.dcm")).to_contain_text("no es una imagen de mamografía.")
    context.close()
    assert {name: found for name, found in violations.items() if found} == {}
    assert {name: lines for name, lines in english.items() if lines} == {}
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []
