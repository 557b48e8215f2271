"""Makes the pictures of the README from the running product: `make screenshots`. Synthetic images alone; no test.

Starts the product on a temporary folder, sends drawn studies, and photographs the pages in headless Chromium. Each picture
loses its lowest bits, because pictures stay in the history of the repository for ever.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from model_registry.phantom import phantom_study
from tests.end_to_end_tests.stack import ROOT, Stack
from tests.end_to_end_tests.test_browser import OFFLINE_FLAGS, chromium, wait_for

OUT = ROOT / "frontend" / "screenshots"
WIDE = (1440, 900)
NARROW = (390, 844)
FILE_LIMIT_BYTES = 300_000
VIEW_SIZE_HW = (2048, 1664)
#: The last one has a spiculated mass drawn into one breast; the others have no finding.
SEEDS = {"case-0191": 7, "case-0192": 11, "case-0193": 2026}


def picture_save(name: str, png: bytes) -> None:
    """Write one picture with the finest shades that fit: 6 or 5 bits a channel. Raises ValueError past the limit.

    Not a palette: it would merge the colours of the classes and put bands into the heatmaps.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    path = OUT / f"{name}.png"
    for bits in (6, 5):
        step = 255 / (2**bits - 1)
        picture.point([round(round(value / step) * step) for value in range(256)] * 3).save(path, optimize=True)
        size = path.stat().st_size
        if size <= FILE_LIMIT_BYTES:
            sys.stdout.write(f"{path.relative_to(ROOT)}  {size // 1000} kB, {bits} bits\n")
            return
    raise ValueError(f"{path.name} has {size} bytes; at most {FILE_LIMIT_BYTES} are kept")


def page_open(browser: Browser, stack: Stack, *, size: tuple[int, int], theme: str, signed_in: bool = True) -> Page:
    """A page in a session of its own."""
    context = browser.new_context(
        base_url=stack.url, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", locale="en-GB"
    )
    context.add_init_script(f"localStorage.setItem('mammoserve.theme', '{theme}')")
    page = context.new_page()
    page.goto("/login")
    if signed_in:
        page.locator("#username").fill(stack.access["username"])
        page.locator("#password").fill(stack.access["password"])
        page.locator("#login-submit").click()
        page.wait_for_selector("#rows tr[data-id]")
    return page


def result_open(page: Page, job_id: str) -> Page:
    """The job's page with every picture of it loaded, and full pixels on every view that is seen."""
    page.goto(f"/jobs/{job_id}")
    page.wait_for_selector(".viewer")
    wait_for(page, "[...document.images].every((image) => image.complete)")
    page.wait_for_timeout(500)  # views near the window begin to load their full pixels, and only those
    wait_for(page, "document.querySelectorAll('.stage[data-state=loading]').length === 0")
    page.wait_for_timeout(500)
    return page


def studies_submit(stack: Stack) -> str:
    """Three studies of four views; returns the newest one's job."""
    job_id = ""
    for external_id, seed in SEEDS.items():
        views = phantom_study(seed=seed, size_hw=VIEW_SIZE_HW, lesion="spiculated-mass" if seed == 2026 else None)
        answer = stack.submit([(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views)], external_id=external_id)
        answer.raise_for_status()
        job_id = answer.json()["job"]["id"]
        stack.wait_ended(job_id)
    return job_id


def upload_fill(page: Page, folder: Path) -> None:
    """Four views chosen, three as DICOM and one as PNG."""
    paths = []
    for view in phantom_study(seed=3, size_hw=VIEW_SIZE_HW):
        name = f"{view.image_laterality}_{view.view_position}"
        last = name == "L_MLO"
        path = folder / f"{name}.{'png' if last else 'dcm'}"
        path.write_bytes(view.to_png_bytes() if last else view.to_dicom_bytes())
        paths.append(str(path))
    page.goto("/upload")
    page.locator("#picker").set_input_files(paths)
    page.locator("#file-list canvas").nth(3).wait_for()
    page.locator("#external-id").fill("case-0194")


def photograph(browser: Browser, stack: Stack, folder: Path) -> None:
    """Every picture, in the order of a person's way."""
    job_id = studies_submit(stack)
    picture_save("login", page_open(browser, stack, size=WIDE, theme="light", signed_in=False).screenshot())
    page = page_open(browser, stack, size=WIDE, theme="dark")
    picture_save("worklist", page.screenshot())
    upload_fill(page, folder)
    picture_save("upload", page.screenshot())
    picture_save("result", result_open(page, job_id).screenshot())
    light = page_open(browser, stack, size=WIDE, theme="light")
    picture_save("result-light", result_open(light, job_id).screenshot())
    phone = result_open(page_open(browser, stack, size=NARROW, theme="dark"), job_id)
    picture_save("phone", phone.screenshot())


def main() -> int:
    path = chromium()
    if path is None:
        sys.stderr.write("No Chromium: install it or set CHROMIUM_PATH.\n")
        return 1
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Stack(data_dir=Path(folder) / "data") as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        photograph(browser, stack, Path(folder))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
