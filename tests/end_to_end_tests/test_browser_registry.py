"""An administrator's way through the registry's pages, in headless Chromium against the real processes: bring a model in, see it
proven, put it in service, take it back; and, where two packages are compared, the pages held against axe-core in both themes.

Works on a deployment of its own, so that the shared product keeps serving as before.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.axe import needs_axe, violations_in_both_themes
from tests.end_to_end_tests.browsing import Watched, sign_in
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until
from tests.end_to_end_tests.test_gate import zipped
from tests.inference_worker_tests.checks_tests.packages import changed_package, plain_classifier, sound_package

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]

DEPLOYMENT = "browser-registry"
WHY = "because of tests"
WORKER_LIMIT_MS = 120_000
READER = ("browser-reader", "a long pass phrase for tests")
PAGES = (
    "/models", "/deployments", "/monitoring", "/audit", "/models/compare", "/jobs/compare",
    "/people", "/webhooks", "/sites", "/operations",
)  # fmt: skip


def context_open(browser: Browser, stack: Stack, **more: Any) -> BrowserContext:
    """Without reduced motion: that would make a transition, however short, of every colour when the theme changes."""
    return browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, **more)


@dataclass(frozen=True, slots=True)
class Seeded:
    """Two proven packages, the first in service on DEPLOYMENT and the second its shadow; a finished job and its re-run."""

    first: str
    second: str
    job: str
    rerun: str


def _post(stack: Stack, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = stack.client.post(f"/api/v1/{address}", json=body or {})
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


@pytest.fixture(scope="module")
def proven(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two versions of one package that have passed their validation."""
    folder = tmp_path_factory.mktemp("registry-pages")
    first = sound_package(folder / "first", name="pages-first", title="First of the pages")
    second = changed_package(first, folder / "second", version="2.0.0")
    digests = []
    for package in (first, second):
        files = {"file": ("p.zip", zipped(package))}
        answer = stack.client.post("/api/v1/packages/uploads", files=files, data={"kind": "package"})
        assert answer.status_code == 201, answer.text
        digests.append(str(answer.json()["package"]))

    def both() -> bool:
        states = [stack.client.get(f"/api/v1/packages/{digest}").json()["validation_state"] for digest in digests]
        assert "FAILED" not in states
        return states == ["PASSED", "PASSED"]

    wait_until(both, limit_seconds=120, what="both packages are proven", every_seconds=0.2)
    return digests[0], digests[1]


@pytest.fixture(scope="module")
def seeded(stack: Stack, proven: tuple[str, str], phantom: list[PhantomView]) -> Seeded:
    first, second = proven
    scope = {"scope": "site", "reason": WHY}
    _post(stack, f"deployments/{DEPLOYMENT}/activate", {"package": first, **scope})
    candidate = {"package": second, "mode": "shadow", "share": 1, **scope}
    _post(stack, f"deployments/{DEPLOYMENT}/candidate", candidate)
    answer = stack.submit([("a.dcm", phantom[0].to_dicom_bytes())], deployment=DEPLOYMENT)
    answer.raise_for_status()
    job = str(stack.wait_ended(answer.json()["job"]["id"])["id"])
    again = _post(stack, "jobs/rerun", {"jobs": [job], "package": second, "reason": WHY})
    rerun = str(stack.wait_ended(again["results"][0]["job"])["id"])
    _post(stack, f"jobs/{job}/replay")

    def compared() -> bool:
        report = stack.client.get(f"/api/v1/deployments/{DEPLOYMENT}/agreement").json()
        replays = stack.client.get(f"/api/v1/jobs/{job}/replays").json()["results"]
        return bool(report["jobs_compared"] and replays[0]["verdict"])

    wait_until(compared, limit_seconds=30, what="the shadow has answered and the replay ended", every_seconds=0.2)
    return Seeded(first, second, job=job, rerun=rerun)


def dialog_send(page: Page, name: str) -> None:
    """Give the reason, confirm, and wait for the dialog to close."""
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Reason").fill(WHY)
    dialog.get_by_role("button", name=name).click()
    expect(dialog).to_have_count(0)


def test_a_package_comes_in_is_proven_serves_and_is_taken_back(
    browser: Browser, stack: Stack, tmp_path: Path, proven: tuple[str, str]
) -> None:
    context = context_open(browser, stack)
    watched = Watched(context, stack)
    page = sign_in(watched, stack, address="/models")
    expect(page.locator(".package-card").first).to_be_visible()
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    page.locator("#picker").set_input_files(str(tmp_path / "broken.zip"))
    refused = page.locator(".upload-card")
    expect(refused).to_contain_text("Refused")
    expect(refused.locator("[role=alert] code")).to_have_text(re.compile(r"^(input|model):[a-z_]+$"))

    (tmp_path / "new.zip").write_bytes(zipped(sound_package(tmp_path / "new", name="pages-new", title="New")))
    page.locator("#picker").set_input_files(str(tmp_path / "new.zip"))
    card = page.locator(".upload-card").first
    expect(card).to_contain_text("Validated", timeout=WORKER_LIMIT_MS)

    # In service, under a name of its own.
    card.get_by_role("link", name="Open the package").click()
    expect(page.locator(".check-item--passed")).not_to_have_count(0)
    page.get_by_role("button", name="Deploy…").click()
    page.get_by_label("Deployment", exact=True).select_option("new")
    page.get_by_label("Name of the new deployment").fill("pages-own")
    dialog_send(page, "Activate")
    expect(page.locator(".badges")).to_contain_text("Serves pages-own")

    # Another version: what changes is shown before it is confirmed.
    page.goto("/deployments")
    card = page.locator(".deployment", has=page.get_by_role("heading", name="pages-own"))
    expect(card.locator(".workers")).to_contain_text("Ready", timeout=WORKER_LIMIT_MS)
    card.get_by_role("button", name="Activate another").click()
    page.get_by_label("Package", exact=True).select_option(proven[1])
    expect(page.locator(".preview")).to_contain_text("version")
    dialog_send(page, "Activate")
    serves = card.locator(".deployment__package")
    expect(serves).to_contain_text("pages-first 2.0.0")

    # And back, by keyboard alone.
    back = card.get_by_role("button", name="Roll back")
    back.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert back.evaluate("node => getComputedStyle(node).outlineStyle + getComputedStyle(node).boxShadow") != "nonenone"
    page.keyboard.press("Enter")
    page.keyboard.type(WHY)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(serves).to_contain_text("pages-new 1.0.0")
    card.locator("summary").click()
    expect(card.locator(".change").first).to_contain_text("Rolled back")
    expect(card.locator(".change").first).to_contain_text(WHY)
    # The browser itself reports the refused upload; the pages add nothing of their own.
    assert [complaint for complaint in watched.complaints if "status of 4" not in complaint] == []
    assert watched.foreign == []
    context.close()


def test_who_is_no_administrator_finds_neither_links_nor_pages(browser: Browser, stack: Stack, finished_job: str) -> None:
    name, password = READER
    code = (
        "from accounts.models import Role, Site\nfrom accounts.services import user_create\n"
        f"user_create(site=Site.objects.get(slug='demo'), username={name!r}, password={password!r}, role=Role.READER)"
    )
    environment = psutil.Process(stack.pids()["dispatcher"]).environ()
    command = [sys.executable, str(ROOT / "platform" / "manage.py"), "shell", "-c", code]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    context = context_open(browser, stack)
    page = context.new_page()
    page.goto("/login")
    page.locator("#username").fill(name)
    page.locator("#password").fill(password)
    page.locator("#login-submit").click()
    expect(page.locator("#account")).to_be_visible()
    for place in ("Models", "Deployments", "Monitoring", "Administration"):
        expect(page.get_by_role("link", name=place)).to_have_count(0)
    page.locator(".worklist__select").first.check()  # to mark it as read, or to export it; nothing else
    expect(page.locator("#bulk-read")).to_be_visible()
    for change in ("cancel", "retry"):
        expect(page.locator(f"#bulk-{change}")).to_be_hidden()
    assert {address: context.request.get(address).status for address in PAGES} == dict.fromkeys(PAGES, 403)
    page.goto(PAGES[0])
    expect(page.get_by_role("heading", name="This page is for administrators")).to_be_visible()
    assert page.get_by_role("link", name="Models").count() == 0
    context.close()


@needs_axe
def test_no_page_of_the_registry_has_a_violation_that_axe_can_find(
    browser: Browser, stack: Stack, tmp_path: Path, seeded: Seeded
) -> None:
    context = context_open(browser, stack, bypass_csp=True)
    watched = Watched(context, stack)
    page = sign_in(watched, stack, address="/models")
    model = tmp_path / "model.onnx"
    model.write_bytes(plain_classifier().SerializeToString())
    expect(page.locator(".package-card").first).to_be_visible()
    page.locator("#picker").set_input_files(str(model))
    page.get_by_role("textbox", name="Labels, in the order of the outputs").fill("normal, malignant,")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(2)
    found = {"models": violations_in_both_themes(page)}

    addresses = {
        "model": (f"/models/{seeded.first}", ".check-items"),
        "model-compare": (f"/models/compare?left={seeded.first}&right={seeded.second}", ".compare__section"),
        "agreement": (f"/deployments/{DEPLOYMENT}/agreement?scope=site", ".metric-tiles"),
        "monitoring": (f"/monitoring?name={DEPLOYMENT}&scope=site", "#content .panel, #content .empty"),
        "job-compare": (f"/jobs/compare?left={seeded.job}&right={seeded.rerun}", ".pairs"),
        "job": (f"/jobs/{seeded.job}", ".replay"),
        "deployments": ("/deployments", ".workers"),
    }
    for name, (address, ready) in addresses.items():
        page.goto(address)
        expect(page.locator(ready).first).to_be_visible()
        found[name] = violations_in_both_themes(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
    card = page.locator(".deployment", has=page.get_by_role("heading", name=DEPLOYMENT))
    card.get_by_role("button", name="Activate another").click()
    page.get_by_label("Package", exact=True).select_option(seeded.second)
    expect(page.locator(".preview__sections")).to_be_visible()
    found["dialog"] = violations_in_both_themes(page)
    context.close()
    assert {name: violations for name, violations in found.items() if violations} == {}
    assert watched.complaints == []
