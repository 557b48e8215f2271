"""What a worklist of 10,000 jobs costs: the server for polls that find nothing new, and headless Chromium for the page.

The real product in processes of its own, on SQLite. The server's time of a request is what its own log says; “processor” is what
the web process used for one, which a busy machine moves less. Needs Chromium.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from model_registry.phantom import phantom_study
from tests.end_to_end_tests.browsing import OFFLINE_FLAGS, chromium
from tests.end_to_end_tests.stack import ROOT, Stack, up_environment

JOBS = 10_000
POLLS = 200
LOADS = 5
ADDRESSES = {
    "newest first": "/api/v1/jobs",
    "most suspicious first": "/api/v1/jobs?sort=most_suspicious",
    "least suspicious first": "/api/v1/jobs?sort=least_suspicious",
    "most urgent first": "/api/v1/jobs?sort=most_urgent",
    "unread": "/api/v1/jobs?reading=unread",
    "failed": "/api/v1/jobs?status=FAILED",
    "counts": "/api/v1/jobs/summary",
}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_REQUEST = re.compile(r"elapsed_seconds=([0-9.]+) .*status=304")

#: Notes the first row and every task that held the page up; runs before the page's own scripts.
WATCH = """
  window.seen = { first: null, long: [] };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.seen.long.push(task.duration);
  }).observe({ type: 'longtask', buffered: true });
  const look = () => {
    if (document.querySelector('#rows tr[data-id]')) window.seen.first ??= performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""

#: Scrolls to the end of the page and back, a step a frame; the milliseconds between frames.
SCROLL = """async () => {
  const between = [];
  let last = performance.now();
  const end = document.documentElement.scrollHeight - innerHeight;
  for (let at = 0; at < 2 * end; at += 40) {
    scrollTo(0, at < end ? at : 2 * end - at);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    between.push(now - last);
    last = now;
  }
  return between;
}"""

#: Changes every row that is shown, on the server, and lets the page find out; how long until it shows it.
CHANGE = """async (read) => {
  const ids = [...document.querySelectorAll('#rows tr[data-status=SUCCEEDED]')].map((row) => row.dataset.id);
  const token = document.cookie.split('; ').find((one) => one.startsWith('csrftoken=')).slice('csrftoken='.length);
  await fetch('/api/v1/jobs/reading', {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', 'X-CSRFToken': token },
    body: JSON.stringify({ jobs: ids, read }),
  });
  window.seen.long = [];
  const started = performance.now();
  window.dispatchEvent(new Event('online')); // asks now, as a poll that is due
  const wanted = () => document.querySelectorAll('.worklist__row--unread').length === (read ? 0 : ids.length);
  while (!wanted()) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => setTimeout(resolve, 200));
  return performance.now() - started - 200;
}"""


def run() -> dict[str, Any]:
    """About two minutes on two cores, most of them for filling the list."""
    path = chromium()
    if path is None:
        raise SystemExit("No Chromium: install it or set CHROMIUM_PATH.")
    with tempfile.TemporaryDirectory() as folder, Stack(data_dir=Path(folder) / "data") as stack, sync_playwright() as playwright:
        fill(stack, JOBS)
        polls = {name: _polls(stack, address) for name, address in ADDRESSES.items()}
        browser = playwright.chromium.launch(executable_path=path, args=OFFLINE_FLAGS)
        page = _page(browser, stack)
        browser.close()
    return {"jobs": JOBS, "polls answered 304, ms": polls, "page": page}


def fill(stack: Stack, count: int) -> None:
    """One real study through the whole platform, and `count` copies of its job."""
    views = phantom_study(seed=7, size_hw=(512, 416))
    answer = stack.submit([(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views)])
    answer.raise_for_status()
    stack.wait_ended(answer.json()["job"]["id"])
    environment = up_environment(data_dir=stack.data_dir, port=stack.port, PYTHONPATH=f"{ROOT / 'platform'}:{ROOT}")
    subprocess.run([sys.executable, "-m", "tests.benchmarks.worklist_rows", str(count)], check=True, cwd=ROOT, env=environment)


def _polls(stack: Stack, address: str) -> dict[str, float]:
    etag = stack.client.get(address).raise_for_status().headers["ETag"]
    web = psutil.Process(stack.pids()["web"])
    family = [web, *web.children(recursive=True)]
    log = stack.data_dir / "logs" / "web.log"
    before, used = log.stat().st_size, _processor_seconds(family)
    for _ in range(POLLS):
        answer = stack.client.get(address, headers={"If-None-Match": etag})
        assert answer.status_code == 304, answer.text
    used = _processor_seconds(family) - used
    with log.open("rb") as lines:
        lines.seek(before)
        said = _ANSI.sub("", lines.read().decode(errors="replace"))
    times = sorted(1000 * float(found) for found in _REQUEST.findall(said))
    assert len(times) >= POLLS, "the web log does not tell what requests took"
    return {
        "median": round(statistics.median(times), 2),
        "p95": round(times[int(0.95 * len(times))], 2),
        "processor": round(1000 * used / POLLS, 2),
    }


def _processor_seconds(family: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in family)


def _page(browser: Browser, stack: Stack) -> dict[str, float]:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto("/login")
    page.locator("#username").fill(stack.access["username"])
    page.locator("#password").fill(stack.access["password"])
    page.locator("#login-submit").click()
    page.wait_for_selector("#rows tr[data-id]")
    first = [_load(page) for _ in range(LOADS)]
    page.evaluate("window.seen.long = []")
    frames = sorted(frame for _ in range(3) for frame in page.evaluate(SCROLL))
    scrolling = page.evaluate("window.seen.long")
    updates, tasks = [], []
    for read in (True, False, True, False):
        updates.append(page.evaluate(CHANGE, read))
        tasks += page.evaluate("window.seen.long")
    context.close()
    return {
        "first_content_ms": round(statistics.median(first), 1),
        "scroll_frame_median_ms": round(statistics.median(frames), 1),
        "scroll_frame_p95_ms": round(frames[int(0.95 * (len(frames) - 1))], 1),
        "scroll_longest_task_ms": max(scrolling, default=0),
        "update_of_all_rows_ms": round(statistics.median(updates), 1),
        "update_longest_task_ms": max(tasks, default=0),
    }


def _load(page: Page) -> float:
    page.goto("/")
    page.wait_for_selector("#rows tr[data-id]")
    return float(page.evaluate("window.seen.first"))


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
