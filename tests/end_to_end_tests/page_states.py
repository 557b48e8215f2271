"""States of pages that need a hand: dialogs, menus, refusals, and jobs that are not done. For pictures and for accessibility."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from playwright.sync_api import Page, expect

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import phantom_study
from tests.end_to_end_tests.page_tour import Things, page_visit

if TYPE_CHECKING:
    from playwright._impl._api_structures import FilePayload, SetCookieParam

SETTLED_MS = 300  # pictures appear; nothing else tells


def _dialog(page: Page, opener: str) -> None:
    page.locator(opener).first.click()
    page.locator("dialog[open]").wait_for()


def _first_steps(page: Page) -> None:
    empty: dict[str, Any] = {"next": None, "previous": None, "results": []}
    page.route("**/api/v1/studies?page_size=1", lambda route: route.fulfill(json=empty))
    page.goto("/")
    page.locator("#first-steps .first-steps").wait_for()


def _view_save(page: Page) -> None:
    page.goto(f"/?search=case-{secrets.token_hex(2)}")  # no view of this kind is kept yet
    _dialog(page, "#view-save:visible")


def _views_manage(page: Page) -> None:
    """With a view of one's own."""
    _view_save(page)
    page.locator("dialog [name=name]").fill(f"Second readings {secrets.token_hex(1)}")
    page.locator("dialog [type=submit]").click()
    page.locator("dialog[open]").wait_for(state="detached")
    _dialog(page, "#views-manage:visible")


def _menu(page: Page) -> None:
    toggle = page.locator(".navbar-toggler")
    if toggle.is_visible():
        toggle.click()
        page.wait_for_timeout(SETTLED_MS)  # it unfolds
    page.locator("#account-toggle").click()


def _refused(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")
    page.goto("/login?expired=1")
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_be_visible()


def _files_chosen(page: Page) -> None:
    view = phantom_study(seed=7, size_hw=(256, 208))[0]
    as_dicom = {"name": "RCC.dcm", "mimeType": "application/dicom", "buffer": view.to_dicom_bytes()}
    as_png = {"name": "other.png", "mimeType": "image/png", "buffer": view.to_png_bytes()}
    page.locator("#picker").set_input_files([cast("FilePayload", file) for file in (as_dicom, as_png)])
    expect(page.locator("#studies .file-list canvas")).to_have_count(2)


def _job_as(page: Page, **changes: Any) -> None:
    """The job of the page as the API would show it in another state."""
    address = f"/api/v1/jobs/{page.url.rpartition('/')[2]}"
    job = {**page.request.get(address).json(), "outcome": None, "result_url": None, **changes}
    page.route(f"**{address}", lambda route: route.fulfill(json=job))
    page.reload()
    page.locator("#job-state > section").wait_for()


def _job_failed(page: Page) -> None:
    found = CATALOGUE[code := "input:pixel_data_truncated"]
    words = {"title": found.title, "message": found.message, "action": found.action}
    failure = {"code": code, **words, "retryable": False, "detail": "for engineers"}
    _job_as(page, status="FAILED", failure=failure, actions={"cancel": False, "retry": True})


#: States of pages that need a hand: name → the page, and what is done there.
STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "menu": ("index", _menu),
    "first-steps": ("index", _first_steps),
    "view-save": ("index", _view_save),
    "views-manage": ("index", _views_manage),
    "export": ("index", lambda page: _dialog(page, "#export")),
    "selected": ("index", lambda page: page.locator(".worklist__select").first.check()),
    "webhook-add": ("webhooks", lambda page: _dialog(page, "#actions button")),
    "token-add": ("tokens", lambda page: _dialog(page, "#actions button")),
    "person-add": ("people", lambda page: _dialog(page, "#actions button")),
    "site-change": ("sites", lambda page: _dialog(page, ".admin-list .btn")),
    "discard": ("quarantine", lambda page: _dialog(page, ".btn-outline-danger")),
    "refused": ("login", _refused),
    "files-chosen": ("upload", _files_chosen),
    "job-failed": ("job", _job_failed),
    "job-cancelled": ("job", lambda page: _job_as(page, status="CANCELLED", actions={"cancel": False, "retry": True})),
    "job-running": (
        "job",
        lambda page: _job_as(page, status="RUNNING", stage="INFERRING", actions={"cancel": True, "retry": False}),
    ),
}


@contextmanager
def state_shown(page: Page, name: str, things: Things) -> Iterator[None]:
    """The page in that state; afterwards the session and the server's own answers are back."""
    of, act = STATES[name]
    page_visit(page, of, things)
    session = page.context.cookies()
    act(page)
    yield
    page.unroute_all()
    page.context.add_cookies(cast("list[SetCookieParam]", session))
