"""How soon a reader sees a full-size study, how smoothly it is windowed, and what the viewer's pixels cost the worker.

The real product in processes of its own, and headless Chromium with the tests' flags: no graphics card. Needs Chromium.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from inference_worker.viewer_pixels import pixels_pack
from model_registry.phantom import PhantomView, phantom_study
from model_registry.preprocessing import image_decode
from tests.end_to_end_tests.browsing import OFFLINE_FLAGS, chromium
from tests.end_to_end_tests.stack import Stack

SIZE_HW = (4096, 3328)
LOADS = 5
LIMIT_MS = 60_000

#: Notes when each stage first shows the preview and the full pixels; runs before the page's own scripts.
WATCH = """
  window.seen = { first: null, full: [] };
  const look = () => {
    const canvases = [...document.querySelectorAll('.stage__picture')];
    const full = canvases.filter((canvas) => canvas.dataset.drawn === 'full').length;
    const some = canvases.some((canvas) => canvas.dataset.drawn !== 'nothing');
    if (window.seen.first === null && some) window.seen.first = performance.now();
    while (window.seen.full.length < full) window.seen.full.push(performance.now());
    if (window.seen.full.length < 4) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""

#: Moves the pointer once for each picture and returns the milliseconds between pictures of the slowest stage.
DRAG = """async () => {
  const stage = document.querySelector('.stage');
  const box = stage.getBoundingClientRect();
  const send = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, pointerType: 'mouse', button: 0, bubbles: true, clientX: box.left + x, clientY: box.top + y }));
  stage.setPointerCapture = () => {};
  const figures = document.querySelectorAll('.stage')[3].querySelector('.stage__picture');
  const context = figures.getContext('2d');
  const put = context.putImageData.bind(context);
  let shown = [];
  context.putImageData = (...values) => { put(...values); shown.push(performance.now()); };
  send('pointerdown', 200, 200);
  const until = performance.now() + 2000;
  for (let step = 0; performance.now() < until; step += 1) {
    send('pointermove', 200 + 60 * Math.sin(step / 9), 200 + 60 * Math.cos(step / 7));
    await new Promise(requestAnimationFrame);
  }
  send('pointerup', 200, 200);
  delete context.putImageData;
  return shown.slice(1).map((moment, index) => moment - shown[index]);
}"""


def run() -> dict[str, Any]:
    """Figures of the page and of the worker; about a minute and a half on two cores."""
    views = phantom_study(seed=7, size_hw=SIZE_HW)
    return {"page": _page(views), "worker": _worker(views[0])}


def _worker(view: PhantomView) -> dict[str, float]:
    data = view.to_dicom_bytes()
    image = image_decode(data=data, media_type="application/dicom")
    quick, small = (pixels_pack(image=image, kept=kept) for kept in ("quick", "small"))
    assert quick is not None
    assert small is not None
    return {
        "decode_cpu_ms": _cpu_ms(lambda: image_decode(data=data, media_type="application/dicom")),
        "pack_cpu_ms": _cpu_ms(lambda: pixels_pack(image=image, kept="quick")),
        "pack_small_cpu_ms": _cpu_ms(lambda: pixels_pack(image=image, kept="small")),
        "file_mb": round(len(quick.data) / 1e6, 2),
        "file_small_mb": round(len(small.data) / 1e6, 2),
    }


def _cpu_ms(work: Callable[[], object], *, repeats: int = 9) -> float:
    """Median milliseconds of this thread's processor time, which other work on the machine hardly moves."""
    taken = []
    for _ in range(repeats):
        started = time.thread_time()
        work()
        taken.append(1000 * (time.thread_time() - started))
    return round(statistics.median(taken), 1)


def _page(views: list[PhantomView]) -> dict[str, float]:
    path = chromium()
    if path is None:
        raise SystemExit("No Chromium: install it or set CHROMIUM_PATH.")
    with tempfile.TemporaryDirectory() as folder, Stack(data_dir=Path(folder) / "data") as stack, sync_playwright() as playwright:
        answer = stack.submit([(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views)])
        answer.raise_for_status()
        job_id = stack.wait_ended(answer.json()["job"]["id"])["id"]
        browser = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        # tall enough that all four views are opened; a fresh context each, so that nothing comes from the browser's cache
        size = {"width": 1440, "height": 2400}
        loads = [
            _load(browser.new_context(base_url=stack.url, viewport=size).new_page(), stack, job_id)  # type: ignore[arg-type]
            for _ in range(LOADS)
        ]
        browser.close()
    return {name: round(statistics.median(load[name] for load in loads), 1) for name in loads[0]}


def _load(page: Page, stack: Stack, job_id: str) -> dict[str, float]:
    page.add_init_script(WATCH)
    page.goto("/login")
    page.locator("#username").fill(stack.access["username"])
    page.locator("#password").fill(stack.access["password"])
    page.locator("#login-submit").click()
    page.wait_for_selector("#rows")
    page.goto(f"/jobs/{job_id}")
    deadline = time.monotonic() + LIMIT_MS / 1000
    while len(page.evaluate("window.seen.full")) < 4:
        assert time.monotonic() < deadline, "the full pixels never came"
        page.wait_for_timeout(50)
    seen = page.evaluate("window.seen")
    between = sorted(page.evaluate(DRAG))
    page.context.close()
    return {
        "first_picture_ms": seen["first"],
        "first_full_view_ms": seen["full"][0],
        "all_full_views_ms": seen["full"][-1],
        "drag_median_ms": statistics.median(between),
        "drag_p95_ms": between[int(0.95 * (len(between) - 1))],
    }


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
