"""Studies per second: the demos' way, this platform end to end, and a bare loop, in turns within one run.

Two workloads: EfficientNetB2 with Grad-CAM on one PNG a study (the demos' case), and the shipped model on four DICOM views.
"platform" counts from the first submission to the last result; "drained" has all studies queued before the worker starts.
Run `python -m tests.benchmarks.bench_throughput`. Not a test: it asserts nothing about speed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from model_registry.phantom import phantom_study
from tests.benchmarks.packages_for_bench import efficientnet_b2_package
from tests.benchmarks.running_platform import REPOSITORY_ROOT, RunningPlatform, free_port, platform_running

WORKER_THREADS = 4
CLIENTS = 4
PNG_SIZE_HW = (1024, 832)
VIEW_SIZE_HW = (2048, 1664)

console = Console()


def run(*, rounds: int = 3, png_studies: int = 240, view_studies: int = 40, demo_requests: int = 8) -> dict[str, Any]:
    """Medians over the rounds, in studies per second, and the ratios of each round's own figures."""
    with tempfile.TemporaryDirectory(prefix="ms-bench-") as name:
        folder = Path(name)
        b2_package, keras_model = efficientnet_b2_package(REPOSITORY_ROOT / "build" / "bench-packages")
        shipped = _shipped_package()
        png = _png_studies(folder / "png", png_studies)
        dicom = _dicom_studies(folder / "dicom", view_studies)
        with demos_serving(keras_model) as demos_url:
            return {
                "EfficientNetB2, one PNG": _compare(folder / "1", b2_package, png, rounds, (demos_url, demo_requests)),
                "shipped model, four DICOM views": _compare(folder / "2", shipped, dicom, rounds, None),
            }


def _compare(
    data_dir: Path, package: Path, studies: list[list[Path]], rounds: int, demos: tuple[str, int] | None
) -> dict[str, Any]:
    figures: dict[str, list[float]] = {"demos": [], "bare": [], "platform": [], "drained": []}
    cpu: dict[str, float] = {}
    with platform_running(data_dir=data_dir, package_folder=package, worker_threads=WORKER_THREADS) as platform:
        platform.submit_all(studies[:8], clients=CLIENTS)  # loads the model, fills caches
        platform.wait_for_succeeded(done := min(8, len(studies)))
        for _ in range(rounds):
            if demos is not None:
                figures["demos"].append(_demos_rate(demos[0], studies, demos[1]))
            figures["bare"].append(_bare_rate(package, studies))
            before = platform.cpu_seconds()
            figures["platform"].append(_platform_rate(platform, studies, done))
            done += len(studies)
            cpu = {name: (total - before[name]) / len(studies) * 1000 for name, total in platform.cpu_seconds().items()}
            figures["drained"].append(_drained_rate(platform, studies, done))
            done += len(studies)
            console.print({name: [round(value, 2) for value in values] for name, values in figures.items()})
    medians = {name: round(statistics.median(values), 2) for name, values in figures.items() if values}
    ratios = {f"{name} / bare": _ratio(figures[name], figures["bare"]) for name in ("platform", "drained")}
    if demos is not None:
        ratios |= {f"{name} / demos": _ratio(figures[name], figures["demos"]) for name in ("platform", "drained")}
    return {
        "studies per second": medians,
        "ratios": ratios,
        "CPU milliseconds per study": {name: round(value, 1) for name, value in cpu.items() if name != "launcher"},
    }


def _ratio(numerators: list[float], denominators: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(numerators, denominators, strict=True)), 2)


def _platform_rate(platform: RunningPlatform, studies: list[list[Path]], done: int) -> float:
    started = time.perf_counter()
    platform.submit_all(studies, clients=CLIENTS)
    platform.wait_for_succeeded(done + len(studies))
    return len(studies) / (time.perf_counter() - started)


def _drained_rate(platform: RunningPlatform, studies: list[list[Path]], done: int) -> float:
    platform.worker_pause()
    platform.submit_all(studies, clients=CLIENTS)
    started = time.perf_counter()
    platform.worker_resume()
    platform.wait_for_succeeded(done + len(studies))
    return len(studies) / (time.perf_counter() - started)


def _bare_rate(package: Path, studies: list[list[Path]]) -> float:
    arguments = [",".join(str(path) for path in study) for study in studies]
    command = [sys.executable, "-m", "tests.benchmarks.bare_loop", str(package), str(WORKER_THREADS), *arguments]
    finished = subprocess.run(command, cwd=REPOSITORY_ROOT, check=True, capture_output=True, text=True)
    outcome = json.loads(finished.stdout)
    return float(outcome["studies"] / outcome["seconds"])


def _demos_rate(url: str, studies: list[list[Path]], requests: int) -> float:
    with httpx.Client(trust_env=False, timeout=120) as client:
        client.post(url, content=studies[0][0].read_bytes()).raise_for_status()  # the first one traces the graph
        started = time.perf_counter()
        for study in studies[:requests]:
            client.post(url, content=study[0].read_bytes()).raise_for_status()
        return requests / (time.perf_counter() - started)


@contextmanager
def demos_serving(keras_model: Path) -> Iterator[str]:
    """The demos' way as a server; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.demos_way", str(keras_model), str(port)]
    server = subprocess.Popen(command, cwd=REPOSITORY_ROOT, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/predict"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and server.poll() is None:
            try:
                httpx.get(url, trust_env=False, timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _png_studies(folder: Path, count: int) -> list[list[Path]]:
    """`count` studies of one PNG each, no two alike."""
    folder.mkdir(parents=True)
    studies: list[list[Path]] = []
    while len(studies) < count:
        for view in phantom_study(seed=1000 + len(studies), size_hw=PNG_SIZE_HW):
            path = folder / f"{len(studies):04d}_{view.image_laterality}{view.view_position}.png"
            path.write_bytes(view.to_png_bytes())
            studies.append([path])
    return studies[:count]


def _dicom_studies(folder: Path, count: int) -> list[list[Path]]:
    folder.mkdir(parents=True)
    studies = []
    for number in range(count):
        paths = []
        for index, view in enumerate(phantom_study(seed=5000 + number, size_hw=VIEW_SIZE_HW)):
            paths.append(folder / f"{number:04d}-{index}.dcm")
            paths[-1].write_bytes(view.to_dicom_bytes())
        studies.append(paths)
    return studies


def _shipped_package() -> Path:
    return max((REPOSITORY_ROOT / "model_registry" / "packages").glob("*/manifest.json")).parent


def main() -> None:
    console.print_json(json.dumps(run()))


if __name__ == "__main__":
    main()
