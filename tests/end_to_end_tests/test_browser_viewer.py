"""The result viewer in headless Chromium: pixels, tools by mouse and keyboard, maps, lengths, priors, downloads, report."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.axe import axe_violations
from tests.end_to_end_tests.browsing import Watched, sign_in, still, until, wait_for
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def jobs(stack: Stack, phantom: list[PhantomView]) -> list[str]:
    """Two studies of one woman, the older first."""
    found = []
    for visit in ("viewer-prior", "viewer-now"):
        answer = stack.submit([(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(phantom)], external_id=visit)
        answer.raise_for_status()
        found.append(str(stack.wait_ended(answer.json()["job"]["id"])["id"]))
    return found


@pytest.fixture(scope="module")
def watched(signed_in: Watched) -> Watched:
    return signed_in


@pytest.fixture
def page(page: Page, jobs: list[str]) -> Page:
    """The newer result with the full pixels of all four views on its stages."""
    page.goto(f"/jobs/{jobs[1]}")
    full_wait(page, 4)
    return page


def full_wait(page: Page, count: int) -> None:
    page.locator(".stage").first.wait_for()
    for number in range(count):
        page.locator(".stage").nth(number).scroll_into_view_if_needed()
    wait_for(page, f"document.querySelectorAll('.stage[data-state=full] [data-drawn=full]').length === {count}")
    page.evaluate("scrollTo(0, 0)")
    still(page)


def stage(page: Page, view: str) -> Locator:
    return page.locator(f".stage[data-view={view}]").first


def pixels(page: Page, view: str) -> np.ndarray:
    """What the stage's canvas shows: (rows, columns, 3)."""
    still(page)
    url = stage(page, view).locator(".stage__picture").evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def drag(page: Page, view: str, *, dx: int, dy: int, button: str = "left") -> None:
    box = stage(page, view).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button=button)  # type: ignore[arg-type]
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up(button=button)  # type: ignore[arg-type]
    still(page)


def figures(page: Page, view: str) -> str:
    return stage(page, view).locator(".stage__corner--bottom").inner_text()


def window_of(page: Page, view: str) -> tuple[int, int]:
    found = re.search(r"C ([\d,]+) W ([\d,]+)", figures(page, view))
    assert found is not None
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_the_stage_shows_the_stored_values_through_the_files_window(page: Page, phantom: list[PhantomView]) -> None:
    page.keyboard.press("h")
    view = next(view for view in phantom if (view.image_laterality, view.view_position) == ("R", "CC"))
    header = pydicom.dcmread(io.BytesIO(view.to_dicom_bytes()))
    assert window_of(page, "RCC") == (round(float(header.WindowCenter)), round(float(header.WindowWidth)))
    shown = pixels(page, "RCC")
    assert (shown[..., 0] == shown[..., 1]).all()
    low = float(header.WindowCenter) - float(header.WindowWidth) / 2
    expected = np.clip((header.pixel_array - low) / float(header.WindowWidth), 0, 1) * 255
    # the whole view hangs with its chest wall at the right edge of the stage
    height, width = shown.shape[:2]
    drawn_width = round(width * min(1.0, height * header.Columns / header.Rows / width))
    part = shown[:, width - drawn_width :, 0]
    reference = np.asarray(Image.fromarray(expected.astype(np.uint8)).resize((part.shape[1], part.shape[0])), int)
    if part.shape[0] / part.shape[1] == pytest.approx(header.Rows / header.Columns, rel=0.02):
        assert np.corrcoef(part.ravel(), reference.ravel())[0, 1] > 0.98
    assert shown.max() > 150


def test_a_drag_sets_the_window_of_all_linked_views_and_of_one_alone(page: Page) -> None:
    centre, width = window_of(page, "LCC")
    before = pixels(page, "LCC").mean()
    drag(page, "RCC", dx=40, dy=-60)
    assert window_of(page, "LCC")[0] < centre
    assert window_of(page, "LCC")[1] > width
    assert pixels(page, "LCC").mean() > before
    expect(page.locator("#viewer-preset")).to_have_value("own")
    page.locator("#viewer-preset").select_option("file:0")
    assert window_of(page, "RCC") == (centre, width)
    page.locator(".tool[aria-pressed]").filter(has_text="Linked").click()
    drag(page, "RCC", dx=0, dy=-60, button="right")
    assert window_of(page, "RCC")[0] < centre
    assert window_of(page, "LCC") == (centre, width)


def test_invert_flip_zoom_and_reset(page: Page) -> None:
    page.keyboard.press("h")
    before = pixels(page, "LCC")
    page.keyboard.press("i")
    expect(stage(page, "LCC").locator(".stage__corner--state")).to_have_text("Inverted")
    inverted = pixels(page, "LCC")
    inside = inverted[:, : before.shape[1] // 3]
    assert (np.abs(255 - before[:, : before.shape[1] // 3] - inside) <= 1).mean() > 0.99
    page.keyboard.press("i")
    stage(page, "LCC").focus()
    page.keyboard.press("f")
    expect(stage(page, "LCC").locator(".stage__corner--state")).to_have_text("Flipped by hand")
    assert (np.abs(pixels(page, "LCC")[:, ::-1] - before) <= 2).mean() > 0.95
    expect(stage(page, "RCC").locator(".stage__corner--state")).to_have_text("")
    percent = float(re.search(r"([\d.]+) %", figures(page, "RCC"))[1])  # type: ignore[index]
    page.keyboard.press("+")
    assert float(re.search(r"([\d.]+) %", figures(page, "RCC"))[1]) == pytest.approx(1.25 * percent, rel=0.03)  # type: ignore[index]
    page.keyboard.press("0")
    assert (pixels(page, "LCC") == before).mean() > 0.99


def test_a_length_is_in_millimetres_by_mouse_and_by_keyboard(page: Page, phantom: list[PhantomView]) -> None:
    page.keyboard.press("m")
    drag(page, "LCC", dx=80, dy=0)
    label = stage(page, "LCC").locator(".stage__label").last
    measured = float((label.text_content() or "").removesuffix(" mm"))
    header = pydicom.dcmread(io.BytesIO(phantom[0].to_dicom_bytes()))
    percent = float(re.search(r"([\d.]+) %", figures(page, "LCC"))[1])  # type: ignore[index]
    assert measured == pytest.approx(80 / (percent / 100) * float(header.ImagerPixelSpacing[1]), rel=0.03)
    words = page.locator(".view", has=stage(page, "LCC")).locator(".view__lengths")
    expect(words).to_contain_text("magnification is not corrected")
    stage(page, "LCC").focus()
    for key in ("Enter", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(words).to_contain_text(re.compile(r"Measured: [\d.]+ mm, [\d.]+ mm\."))
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    expect(words).to_be_hidden()


def test_the_threshold_takes_weak_places_away_and_the_class_switch_changes_the_map(page: Page) -> None:
    def coloured(view: str = "LMLO") -> int:
        shown = pixels(page, view)
        return int((shown.max(axis=2) - shown.min(axis=2) > 8).sum())

    everything = coloured()
    assert everything > 0
    page.locator("#heatmap-threshold").fill("50")
    strongest = coloured()
    assert strongest < everything
    expect(page.locator(".viewer__threshold-value")).to_have_text(re.compile(r"\(50%\)|50%"))
    page.locator("#heatmap-threshold").fill("0")
    shown = pixels(page, "LMLO")
    page.keyboard.press("c")
    expect(page.locator("input[name=heatmap-target]:checked")).not_to_have_value("suspicion")
    assert (pixels(page, "LMLO") != shown).any()


def test_magnifier_card_keys_and_full_screen(page: Page) -> None:
    page.keyboard.press("g")
    stage(page, "RCC").hover()
    expect(stage(page, "RCC").locator(".stage__lens")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator(".viewer--full")).to_be_visible()
    assert stage(page, "RMLO").bounding_box()["y"] < 900  # type: ignore[index]
    page.keyboard.press("Escape")
    expect(page.locator(".viewer--full")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keys and gestures")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Model card and limits").click()
    expect(page.get_by_role("dialog")).to_contain_text("Not validated")
    page.keyboard.press("Escape")


def test_a_prior_of_the_same_patient_stands_beside_and_moves_along(page: Page) -> None:
    page.locator("#viewer-prior").select_option(index=1)
    full_wait(page, 8)
    expect(page.locator(".compare")).to_have_count(2)
    before = figures(page, "RCC")
    page.locator(".compare").nth(1).locator(".stage[data-view=LCC]").focus()
    page.keyboard.press("+")
    until(page, lambda: figures(page, "RCC") != before, "the other study's view moves along")
    page.locator("#viewer-prior").select_option("")
    expect(page.locator(".compare")).to_have_count(0)


def test_downloads_and_the_report(page: Page, tmp_path: Path) -> None:
    view = page.locator(".view", has=stage(page, "RCC"))
    with page.expect_download() as saved:
        view.get_by_role("button", name="This view as PNG").click()
    picture = Image.open(saved.value.path())
    assert saved.value.suggested_filename == "RCC.png"
    assert picture.height > int(stage(page, "RCC").locator("canvas").first.evaluate("canvas => canvas.height"))
    with page.expect_download() as saved:
        view.get_by_role("link", name="De-identified file").click()
    header = pydicom.dcmread(saved.value.path(), stop_before_pixels=True)
    assert (saved.value.suggested_filename, header.PatientIdentityRemoved) == ("R-CC.dcm", "YES")
    page.emulate_media(media="print")
    expect(page.locator(".viewer__bars")).to_be_hidden()
    expect(page.locator(".research-box")).to_be_visible()
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_the_viewer_its_dialogs_and_a_comparison(
    browser: Browser, stack: Stack, jobs: list[str], theme: str
) -> None:
    context = browser.new_context(
        base_url=stack.url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce", bypass_csp=True
    )
    context.add_init_script(f"localStorage.setItem('mammoserve.theme', '{theme}')")
    opened = Watched(context, stack)
    sign_in(opened, stack)
    page = opened.page
    page.goto(f"/jobs/{jobs[1]}")
    page.locator(".stage").first.wait_for()
    page.get_by_role("button", name="Model card and limits").click()
    page.get_by_role("dialog").wait_for()
    found = {"card": axe_violations(page)}
    if theme == "dark":  # the viewer itself is dark in both
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        drag(page, "LCC", dx=60, dy=20)
        page.locator("#viewer-prior").select_option(index=1)
        expect(page.locator(".compare")).to_have_count(2)
        found["comparison"] = axe_violations(page)
    context.close()
    assert {name: violations for name, violations in found.items() if violations} == {}
