"""One running product for all end-to-end tests that do not break it, one browser, and synthetic images to send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from model_registry.phantom import PhantomView, phantom_study
from tests.end_to_end_tests.browsing import OFFLINE_FLAGS, STEP_LIMIT_MS, Watched, chromium, sign_in
from tests.end_to_end_tests.schema_check.ground import SETTINGS
from tests.end_to_end_tests.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared: leave it as you found it."""
    # Empty: webhooks may be sent to every port, because a test's receiver listens on whatever port is free.
    with Stack(data_dir=tmp_path_factory.mktemp("stack"), **{**SETTINGS, "WEBHOOKS_PORTS": ""}) as running:
        yield running


@pytest.fixture(scope="session")
def phantom() -> list[PhantomView]:
    """Four small views of one synthetic patient."""
    return phantom_study(seed=7, size_hw=(1024, 832))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder for a product of the test's own."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(
            "NO BROWSER: the pages were not tested. Install Chromium (Debian: apt-get install chromium) or set CHROMIUM_PATH."
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        expect.set_options(timeout=STEP_LIMIT_MS)
        yield started
        started.close()


@pytest.fixture
def watched(browser: Browser, stack: Stack) -> Iterator[Watched]:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    yield Watched(context, stack)
    context.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack) -> Iterator[Watched]:
    """The demo site's person, signed in once for all tests of a file."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    person = Watched(context, stack)
    sign_in(person, stack)
    yield person
    context.close()


@pytest.fixture
def page(watched: Watched) -> Iterator[Page]:
    """The page of the file's `watched`. Nothing may have gone wrong on it when a test ends."""
    watched.complaints.clear()
    yield watched.page
    assert (watched.complaints, watched.foreign) == ([], [])


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


@pytest.fixture(scope="module")
def finished_job(stack: Stack, phantom: list[PhantomView]) -> str:
    """Two views of one study, read."""
    answer = stack.submit([("a.dcm", phantom[0].to_dicom_bytes()), ("b.dcm", phantom[1].to_dicom_bytes())])
    answer.raise_for_status()
    return str(stack.wait_ended(answer.json()["job"]["id"])["id"])
