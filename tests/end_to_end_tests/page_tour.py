"""A way past every page of the site, as frontend/build/pages.js lists them: where each stands, what says that it has been drawn,
and the things they need to have something to show. Used by the tests of accessibility and by `make screenshots`.

Knows addresses and nothing of what is on a page.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from playwright.sync_api import BrowserContext, Page, Route, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.candidates import DEPLOYMENT, candidate_run
from tests.end_to_end_tests.schema_check.ground import upload_send
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

LIST = ROOT / "frontend" / "build" / "pages.js"
#: Page → its address with the fields of Things, and what is there once it has been drawn.
STOPS = {
    "login": ("/login", "#login-submit"),
    "index": ("/", "#rows tr[data-id]"),
    "upload": ("/upload", "#pick"),
    "job": ("/jobs/{job}", "#job-result .viewer"),
    "batches": ("/batches", ".batch-list tbody tr"),
    "batch": ("/batches/{batch}", ".batch__failures li"),
    "quarantine": ("/quarantine", ".batch-list tbody tr"),
    "job-compare": ("/jobs/compare?left={job}&right={rerun}", ".pairs"),
    "models": ("/models", ".package-card"),
    "model": ("/models/{package}", ".check-items"),
    "model-compare": ("/models/compare?left={package}&right={other}", ".compare__section"),
    "deployments": ("/deployments", ".workers"),
    "agreement": ("/deployments/{deployment}/agreement?scope=site", ".metric-tiles"),
    "monitoring": ("/monitoring?name={deployment}&scope=site", "#content .panel, #content .empty"),
    "audit": ("/audit", ".audit"),
    "people": ("/people", ".admin-list tbody tr"),
    "tokens": ("/tokens", ".admin-list tbody tr"),
    "webhooks": ("/webhooks", ".admin-list tbody tr"),
    "webhook": ("/webhooks/{webhook}", ".delivery"),
    "sites": ("/sites", ".admin-list tbody tr"),
    "operations": ("/operations", ".chart"),
    "guide": ("/guide", "#guide-text h2"),
    "password": ("/password", ".password-form"),
    "forbidden": ("/no-rights", "main h1"),
    "not-found": ("/no-such-page", "main h1"),
    "server-error": ("/out-of-order", "main h1"),
    "unavailable": ("/not-now", "main h1"),
}
#: Pages that the server gives for what happened and not for an address: the built file stands in for its cause.
OF_CAUSES = ("forbidden", "server-error", "unavailable")


def page_names() -> list[str]:
    """The list's own names. Raises AssertionError when it can no longer be read so."""
    names = re.findall(r"\{ name: '([a-z-]+)'", LIST.read_text())
    assert len(names) == LIST.read_text().count("script:"), "a page of pages.js was not understood"
    return names


@dataclass(frozen=True, slots=True)
class Things:
    """Ids and digests of what the pages show."""

    job: str
    rerun: str
    batch: str
    webhook: str
    package: str
    other: str
    deployment: str


def post(stack: Stack, address: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = stack.client.post(f"/api/v1/{address}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


def batch_submit(stack: Stack, name: str, files: dict[str, bytes]) -> str:
    """A batch of one file an item; returns its id, started and not waited for."""
    items = [{"custom_id": item, "uploads": [upload_send(stack.client, data)]} for item, data in files.items()]
    return str(post(stack, "batches", {"name": name, "items": items, "auto_start": True})["id"])


def batch_ended(stack: Stack, batch: str, *, limit_seconds: float = 60) -> None:
    ended = {"completed", "failed", "expired", "cancelled"}
    wait_until(
        lambda: stack.client.get(f"/api/v1/batches/{batch}").json()["state"] in ended,
        limit_seconds=limit_seconds,
        what="the batch ends",
        every_seconds=0.1,
    )


def things_make(stack: Stack, views: list[PhantomView], *, webhook_url: str, pairs: int = 3) -> Things:
    """The least that leaves no page empty: a study with two jobs, a batch with a file held back, a webhook and a delivery, and a
    candidate that has answered for `pairs` studies."""
    answer = stack.submit([(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views[:2])], external_id="tour")
    answer.raise_for_status()
    job = str(answer.json()["job"]["id"])
    batch = batch_submit(stack, "tour", {"good": views[0].to_dicom_bytes(), "held": b"%PDF-1.7 a letter"})
    webhook = str(post(stack, "webhooks", {"url": webhook_url, "event_types": ["job.succeeded"]})["id"])
    post(stack, f"webhooks/{webhook}/test", {})
    stack.wait_ended(job)
    package = str(stack.client.get(f"/api/v1/jobs/{job}/result").raise_for_status().json()["package"]["digest"])
    wait_until(
        lambda: stack.client.get(f"/api/v1/packages/{package}").json()["validation_state"] == "PASSED",
        limit_seconds=120,
        what="the package is proven, a while after the start",
        every_seconds=0.2,
    )
    other = candidate_run(stack, package, cases=pairs)
    again = post(stack, "jobs/rerun", {"jobs": [job], "package": other, "reason": "to be compared"})
    rerun = str(stack.wait_ended(again["results"][0]["job"])["id"])
    batch_ended(stack, batch)
    return Things(job=job, rerun=rerun, batch=batch, webhook=webhook, package=package, other=other, deployment=DEPLOYMENT)


def causes_stage(context: BrowserContext, *, language: str = "en") -> None:
    """Give the pages of OF_CAUSES at their stops."""
    for name in OF_CAUSES:
        built = ROOT / "frontend" / "dist" / language / f"{name}.html"
        context.route(f"**{STOPS[name][0]}", partial(_built_give, built.read_text()))


def _built_give(body: str, route: Route) -> None:
    route.fulfill(body=body, content_type="text/html; charset=utf-8")


def page_visit(page: Page, name: str, things: Things) -> None:
    """Go there and wait until it has been drawn."""
    address, ready = STOPS[name]
    session = page.context.cookies()
    if name == "login":  # who is signed in is led on
        page.context.clear_cookies(name="sessionid")
    page.goto(address.format(**{field: getattr(things, field) for field in Things.__slots__}))
    expect(page.locator(ready).first).to_be_visible()
    if name == "login":
        page.context.add_cookies(cast("list[SetCookieParam]", session))


def platform_administrator(stack: Stack, username: str) -> str:
    """Somebody who may see every page, the sites included, of which no API makes one. Returns the password."""
    answer = stack.client.post("/api/v1/users", json={"username": username, "role": "administrator"})
    assert answer.status_code == 201, answer.text
    rights = "UPDATE accounts_user SET is_superuser=1, must_change_password=0 WHERE username=?"
    with closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3", timeout=30)) as database, database:
        assert database.execute(rights, (username,)).rowcount == 1
    return str(answer.json()["temporary_password"])
