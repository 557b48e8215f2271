"""The demo as a client of the API sees it: one synthetic four-view study in, one result out, shown in the terminal.

Talks HTTP only, like a hospital's script would; no import from the apps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

EXTERNAL_ID = "demo-four-views"
#: Reproducible: the same phantom, and so the same result, on every machine.
PHANTOM_SEED = 2026
PHANTOM_SIZE_HW = (2048, 1664)
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
POLL_SECONDS = 0.2


class DemoFailedError(Exception):
    """The demo study brought no result. The text is the server's own reason."""


def phantom_files(*, seed: int = PHANTOM_SEED) -> list[tuple[str, bytes]]:
    """Four synthetic views, with a spiculated mass drawn into one breast, as DICOM files: name and bytes."""
    from model_registry.phantom import phantom_study  # numerics: only loaded when a study is made

    return [
        (f"view-{number}.dcm", view.to_dicom_bytes())
        for number, view in enumerate(phantom_study(seed=seed, size_hw=PHANTOM_SIZE_HW, lesion="spiculated-mass"), 1)
    ]


def study_submit(client: httpx.Client, *, files: list[tuple[str, bytes]], external_id: str = EXTERNAL_ID) -> str:
    """Submit over the API; returns the job's id. Raises DemoFailedError with the server's reason."""
    parts = [("files", (name, data, "application/dicom")) for name, data in files]
    answer = client.post("/api/v1/studies", files=parts, data={"external_id": external_id, "priority": "stat"}, timeout=60)
    if answer.status_code != 202:
        raise DemoFailedError(reason_of(answer))
    return str(answer.json()["job"]["id"])


def latest_job(client: httpx.Client, *, external_id: str = EXTERNAL_ID) -> dict[str, Any] | None:
    """The newest demo job that has not failed, if any."""
    answer = client.get("/api/v1/jobs", params={"external_id": external_id})
    answer.raise_for_status()
    return next((job for job in answer.json()["results"] if job["status"] in {"QUEUED", "RUNNING", "SUCCEEDED"}), None)


def job_follow(
    client: httpx.Client, *, job_id: str, limit_seconds: float, pause: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    """Yield the job as the API shows it until it ends. `pause` waits that many seconds. Raises DemoFailedError past the limit."""
    deadline = time.monotonic() + limit_seconds
    while True:
        answer = client.get(f"/api/v1/jobs/{job_id}")
        answer.raise_for_status()
        job = answer.json()
        yield job
        if job["status"] in TERMINAL:
            return
        if time.monotonic() > deadline:
            raise DemoFailedError(f"No result within {limit_seconds:.0f} s; the job is {job_in_words(job)}.")
        pause(POLL_SECONDS)


def job_in_words(job: dict[str, Any]) -> str:
    """Where a job is, in a few words."""
    words = job["status"].lower()
    if job["status"] == "RUNNING" and job.get("stage"):
        words = job["stage"].lower()
    if job["status"] == "QUEUED" and job.get("queue_position"):
        words += f", place {job['queue_position']}"
    if job.get("attempt", 1) > 1:
        words += f", attempt {job['attempt']} of {job['max_attempts']}"
    if job.get("eta_seconds") is not None and job["status"] not in TERMINAL:
        words += f", about {job['eta_seconds']:.0f} s left"
    return words


def result_fetch(client: httpx.Client, *, job: dict[str, Any]) -> dict[str, Any]:
    """The finished job's result. Raises DemoFailedError with the failure's words when there is none."""
    if job["status"] != "SUCCEEDED":
        failure = job.get("failure") or {}
        raise DemoFailedError(
            f"{failure.get('message', job['status'])} {failure.get('action', '')} ({failure.get('code', 'no code')})"
        )
    answer = client.get(f"/api/v1/jobs/{job['id']}/result")
    if answer.status_code != 200:
        raise DemoFailedError(reason_of(answer))
    return dict(answer.json())


def result_print(console: Console, result: dict[str, Any]) -> None:
    """The result as a table: a row for each view, each breast and the study.

    Suspicion against the package's threshold leads; a class is never named as the answer, because a package need not have
    validated its split into classes.
    """
    threshold = float(result["suspicion"]["threshold"])
    classes = [str(label) for label in result["classes"]]
    package = result["package"]
    table = Table(box=box.ROUNDED, border_style="dim", header_style="bold")
    table.add_column("")
    table.add_column("Suspicion", justify="right")
    table.add_column("Threshold")
    for label in classes:
        table.add_column(label.capitalize(), justify="right", style="dim")
    for image in result["images"]:
        name = (
            " ".join(part for part in (image["image_laterality"], image["view_position"]) if part) or f"image {image['position']}"
        )
        table.add_row(name, *_cells(image, classes, threshold))
    table.add_section()
    for breast in result["breasts"]:
        side = {"L": "Left breast", "R": "Right breast"}.get(breast["image_laterality"], "Breast, side unknown")
        table.add_row(side, *_cells(breast, classes, threshold))
    table.add_section()
    table.add_row("Study", *_cells(result["study"], classes, threshold), style="bold")
    console.print(f"[dim]{package['name']} {package['version']}  ·  {package['digest'][:19]}…[/dim]", highlight=False)
    console.print(table)
    limits = result["intended_use"]["not_validated"]
    if limits:
        console.print("Not validated by this package:", style="yellow")
        for limit in limits:
            console.print(Padding(Text(str(limit), style="dim"), (0, 0, 0, 2)))
    console.print(f"[bold yellow]![/bold yellow] {result['disclaimer']}", soft_wrap=True)


def reason_of(answer: httpx.Response) -> str:
    """A refusal in the server's words, or its status where it sent none."""
    try:
        problem = answer.json()
    except ValueError:
        return f"The server answered {answer.status_code}."
    words = [str(problem.get(key)) for key in ("title", "detail", "action") if problem.get(key)]
    return f"{answer.status_code}: {' '.join(words)} ({problem.get('code', 'no code')})"


def _cells(part: dict[str, Any], classes: list[str], threshold: float) -> list[str]:
    suspicion = part.get("suspicion")
    if suspicion is None:
        return ["–", str(part.get("assessment", "not assessed")).replace("_", " "), *("–" for _ in classes)]
    probabilities = part.get("calibrated_probabilities") or part["probabilities"]
    side = f"[bold yellow]▲ above {threshold:.3f}[/]" if suspicion >= threshold else f"▽ below {threshold:.3f}"
    return [f"{suspicion:.3f}", side, *(f"{probabilities[label]:.3f}" for label in classes)]
