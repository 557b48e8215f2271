"""Makes the pictures of the README from the running product: `make screenshots`. Synthetic images alone; no test.

Starts the product on a temporary folder, sends drawn studies, and photographs the pages in headless Chromium. Each picture
loses its lowest bits, because pictures stay in the history of the repository for ever. Every page at every width, to be looked at
and thrown away, is for gallery.py.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from model_registry.packaging import package_read
from model_registry.phantom import phantom_study
from tests.end_to_end_tests.browsing import OFFLINE_FLAGS, chromium, wait_for
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until
from tests.end_to_end_tests.test_gate import zipped
from tests.inference_worker_tests.checks_tests.packages import changed_package

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


def page_open(
    browser: Browser, stack: Stack, *, size: tuple[int, int], theme: str, signed_in: bool = True, locale: str = "en-GB"
) -> Page:
    """A page in a session of its own."""
    context = browser.new_context(
        base_url=stack.url, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", locale=locale
    )
    steps = json.dumps({"dismissed": True})
    context.add_init_script(f"localStorage.setItem('mammoserve.first-steps.{stack.access['username']}', '{steps}')")
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


def registry_fill(stack: Stack, folder: Path) -> str:
    """A second version beside the shipped package, which differs in calibration and threshold: proven, in service for a moment,
    taken back, and tried as a shadow of a few studies. Returns its digest."""
    shipped = package_read(next((ROOT / "model_registry" / "packages").glob("*/manifest.json")).parent)
    manifest = shipped.manifest.model_dump(mode="json")
    second = changed_package(
        shipped,
        folder / "second",
        version="2.0.0",
        title=f"{shipped.manifest.title}, recalibrated",
        calibration={**manifest["calibration"], "temperature": 0.55},
        suspicion={**manifest["suspicion"], "threshold": 0.61},
    )
    files = {"file": ("package.zip", zipped(second))}
    answer = stack.client.post("/api/v1/packages/uploads", files=files, data={"kind": "package"})
    answer.raise_for_status()
    digest = str(answer.json()["package"])
    served = next(row["digest"] for row in _packages(stack) if row["digest"] != digest)
    wait_until(
        lambda: all(row["validation_state"] == "PASSED" for row in _packages(stack)),
        limit_seconds=240,
        what="every package is proven",
        every_seconds=1,
    )
    for address, body in (
        ("activate", {"package": served, "reason": "The site's own pointer, so that a change can be tried here first"}),
        ("activate", {"package": digest, "reason": "Recalibrated on a second collection"}),
        ("rollback", {"reason": "More marked films than the night shift can read"}),
        ("candidate", {"package": digest, "mode": "shadow", "share": 1, "reason": "Compare before the next release"}),
    ):
        stack.client.post(f"/api/v1/deployments/default/{address}", json={"scope": "site", **body}).raise_for_status()
    jobs = []
    for seed in range(24):
        views = phantom_study(seed=400 + seed, size_hw=(1024, 832))
        mlo = [(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views) if view.view_position == "MLO"]
        answer = stack.submit(mlo, external_id=f"case-{200 + seed:04d}")
        answer.raise_for_status()
        jobs.append(answer.json()["job"]["id"])
    for job in jobs:
        stack.wait_ended(job, limit_seconds=120)
    return digest


def _packages(stack: Stack) -> list[dict[str, Any]]:
    return list(stack.client.get("/api/v1/packages").json()["results"])


def registry_photograph(browser: Browser, stack: Stack, folder: Path) -> None:
    """The administrators' pages."""
    digest = registry_fill(stack, folder)
    page = page_open(browser, stack, size=WIDE, theme="light")
    for name, address, ready in (
        ("models", "/models", ".package-card"),
        ("model", f"/models/{digest}", ".check-items"),
        ("deployments", "/deployments", ".workers"),
        ("monitoring", "/monitoring?name=default&scope=site", ".chart"),
        ("operations", "/operations", ".chart"),
    ):
        page.goto(address)
        page.wait_for_selector(ready)
        picture_save(name, page.screenshot())
    spanish = page_open(browser, stack, size=WIDE, theme="light", locale="es-ES")
    picture_save("worklist-spanish", spanish.screenshot())


def batch_photograph(page: Page, stack: Stack, folder: Path) -> None:
    """A batch of two dozen studies, three of which cannot be used."""
    items = []
    for number in range(24):
        path = folder / f"{number}.png"
        bad = number in (5, 11, 17)
        path.write_bytes(b"%PDF-1.7" if bad else phantom_study(seed=600 + number, size_hw=(512, 416))[0].to_png_bytes())
        items.append({"custom_id": f"case-{300 + number}", "uploads": [upload(stack, path.read_bytes())]})
    body = {"name": "screening week 12", "items": items, "auto_start": True}
    batch = stack.client.post("/api/v1/batches", json=body).raise_for_status().json()
    ended = lambda: stack.client.get(batch["url"]).json()["state"] == "completed"  # noqa: E731
    wait_until(ended, limit_seconds=120, what="the batch ends", every_seconds=1)
    page.goto(f"/batches/{batch['id']}")
    page.wait_for_selector(".batch__failures li")
    page.wait_for_selector("#items tbody tr")
    picture_save("batch", page.screenshot())


def upload(stack: Stack, data: bytes) -> str:
    """One resumable upload in one request; returns its id."""
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(data)),
        "Content-Type": "application/offset+octet-stream",
    }
    answer = stack.client.post("/api/v1/uploads", content=data, headers=headers).raise_for_status()
    return answer.headers["Location"].rstrip("/").rpartition("/")[2]


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
    page.locator("#studies .file-list canvas").nth(3).wait_for()
    page.locator("[name=external_id]").fill("case-0194")


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
    batch_photograph(page_open(browser, stack, size=WIDE, theme="light"), stack, folder)
    registry_photograph(browser, stack, folder)


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
