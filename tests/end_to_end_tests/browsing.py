"""A person at a page, in headless Chromium: the browser's flags, and what every flow does on its way."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.end_to_end_tests.stack import Stack

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


def until(page: Page, holds: Callable[[], object], what: str) -> None:
    """Look again until it holds; the page goes on meanwhile. Raises AssertionError naming `what` past the limit of a step."""
    deadline = time.monotonic() + STEP_LIMIT_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        page.wait_for_timeout(50)


def wait_for(page: Page, condition: str) -> None:
    """Until the expression holds. Playwright's own wait evaluates strings inside the page, which the page's policy refuses."""
    until(page, lambda: page.evaluate(condition), condition)


def still(page: Page, *, looks: int = 3) -> None:
    """Until the views show the same at so many looks in a row, 100 ms apart: whatever was asked of them has been drawn."""
    seen: list[object] = []

    def is_still() -> bool:
        page.wait_for_timeout(100)
        seen.append(page.evaluate("[...document.querySelectorAll('.stage__picture')].map(canvas => canvas.toDataURL()).join()"))
        return len(seen) >= looks and len(set(seen[-looks:])) == 1

    until(page, is_still, "the views are still")


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
