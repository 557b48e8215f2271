"""Where the time goes between a full-size file and a model's input: decode, each profile step, preview; per transfer syntax.

Run `python -m tests.benchmarks.bench_preprocessing` from the repository root. One thread. Not a test: it asserts nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
from rich.console import Console
from rich.table import Table

from model_registry.packaging.profile import (
    Channels,
    Display,
    IsolateBreast,
    NormalisePercentile,
    PreprocessingProfile,
    ProfileStep,
    ReduceTo,
    Resize,
)
from model_registry.phantom import PhantomView, phantom_study
from model_registry.preprocessing import image_decode, image_prepare, image_preview

SYNTAXES = ("explicit-le", "jpeg-lossless", "jpeg-ls", "jpeg-2000", "rle")
STEPS: tuple[ProfileStep, ...] = (
    ReduceTo(longer_side=512),
    Display(bits=8),
    IsolateBreast(),
    NormalisePercentile(),
    Resize(size_hw=(384, 256), mode="fit", margin_rows=4, margin_columns=4, align="left", margin_left=2),
    Channels(layout="grey_mask"),
)
PROFILE = PreprocessingProfile(name="bench-384x256", steps=STEPS)


def run(*, size_hw: tuple[int, int] = (4096, 3328), repeats: int = 7) -> dict[str, Any]:
    """Median milliseconds by transfer syntax and stage. "prepare" is the whole profile; "window_first" the same profile
    without ReduceTo, which is what displaying every pixel would cost."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return {"size_hw": list(size_hw), "unit": "ms", "stages": {name: _syntax(name, size_hw, repeats) for name in SYNTAXES}}
    finally:
        cv2.setNumThreads(threads)


def _syntax(name: str, size_hw: tuple[int, int], repeats: int) -> dict[str, float]:
    view: PhantomView = phantom_study(seed=7, size_hw=size_hw, transfer_syntax=name)[3]
    data = view.to_dicom_bytes()
    image = image_decode(data=data, media_type="application/dicom")
    result = {"file_mb": round(len(data) / 1e6, 1)}
    result["decode"] = _median(lambda: image_decode(data=data, media_type="application/dicom"), repeats)
    before = 0.0
    # the cost of a step is what the profile costs with it, less what it costs without
    for count, label in ((2, "reduce+display"), (3, "isolate"), (4, "normalise"), (5, "resize"), (6, "channels")):
        profile = PreprocessingProfile(name="bench", steps=STEPS[:count])
        elapsed = _median(lambda profile=profile: image_prepare(image=image, profile=profile), repeats)  # type: ignore[misc]
        result[label] = round(max(elapsed - before, 0.0), 2)
        before = elapsed
    result["prepare"] = _median(lambda: image_prepare(image=image, profile=PROFILE), repeats)
    result["preview"] = _median(lambda: image_preview(image=image, longer_side=1024), repeats)
    display_only = PreprocessingProfile(name="bench", steps=STEPS[1:2])
    result["window_first"] = _median(lambda: image_prepare(image=image, profile=display_only), max(2, repeats // 2))
    result["prepare_over_decode"] = round(result["prepare"] / result["decode"], 3)
    return result


def _median(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 2)


def main() -> None:
    outcome = run()
    rows, columns = outcome["size_hw"]
    table = Table(title=f"Preprocessing of one {rows} x {columns} view, milliseconds, one thread")
    table.add_column("stage")
    stages: dict[str, dict[str, float]] = outcome["stages"]
    for name in stages:
        table.add_column(name, justify="right")
    for label in next(iter(stages.values())):
        table.add_row(label, *(f"{values[label]:g}" for values in stages.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
