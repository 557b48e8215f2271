"""`make bench`: run every benchmark in a process of its own and write RESULTS.md beside this file.

`python -m tests.benchmarks NAME …` runs some of them and replaces their own sections alone, with the day and the load.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.report import markdown_table, section_replace

HERE = Path(__file__).parent
#: Module → what its section says first.
BENCHMARKS = {
    "bench_throughput": "Studies per second, in turns within one run: the demos' way (Keras predict and an eager GradientTape, "
    "synchronous, model loaded once), this platform, and a bare decode, preprocess and run loop with the worker's threads. "
    "“platform” counts from the first submission to the last result, with the submitting clients on the same cores; “drained” "
    "has every study queued before the worker starts.",
    "bench_gradcam": "What the heatmaps of all targets cost over the plain graph, medians of alternating runs.",
    "bench_surcharge": "What the heatmaps of all classes cost over the plain graph for every family of the zoo at its reference "
    "input size, in percent: medians of pairs of alternating runs, with their quartiles. “ms” is the plain graph.",
    "bench_preprocessing": "Where the time of one full-size view goes, in milliseconds, one thread. “prepare” is the whole "
    "profile, “window_first” what it would cost to window every pixel instead.",
    "bench_queue": "What a long queue of twenty sites costs, in milliseconds: a dispatcher's round, places in the queue, "
    "and polls. “processor” is the process's own time, the rest by the wall clock.",
    "bench_viewer": "The result page of a four-view full-size study (4096 x 3328) in headless Chromium without a graphics card, "
    "server and worker on the same cores: milliseconds from the request to the first picture, to the first view and to all views "
    "with their full pixels, and between pictures of a window drag over all four. “pack_cpu_ms” is what keeping the pixels of "
    "one view costs the worker, “decode_cpu_ms” what decoding it costs, both on one thread.",
    "bench_batches": "A manifest of 10,000 items accepted, and what submitting and polling take in milliseconds while 1,000 and "
    "while 100,000 jobs wait: what the ratio of the 95th percentiles says is whether a long queue slows its users down.",
    "bench_worklist": "A worklist of 10,000 jobs. Polls that find it unchanged (304), in milliseconds of the server's own log; "
    "“processor” is what the web process used for one. The page in headless Chromium without a graphics card, server and worker "
    "on the same cores: from the request to the first row, between frames while a page of 50 rows is scrolled to its end and "
    "back, and what it takes to show that every row has changed. The longest task is what held the page up.",
}

console = Console()


def main() -> int:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        console.print(f"No benchmark is called {', '.join(sorted(unknown))}. There are {', '.join(BENCHMARKS)}.")
        return 2
    sections = {}
    for name in chosen:
        console.print(f"[bold]·[/bold] {name}")
        before, figures = os.getloadavg()[0], markdown_table(_outcome(name))
        measured = f"Measured {_today()}; the machine's load was {before:.1f} before."
        sections[name] = f"## {name}\n\n{BENCHMARKS[name]} {measured}\n\n{figures}"
        console.print(sections[name], markup=False)
    results = HERE / "RESULTS.md"
    if sys.argv[1:]:
        text = results.read_text()
        for name, section in sections.items():
            text = section_replace(text, name, section)
    else:
        text = "\n".join([_heading(), *sections.values()])
    results.write_text(text)
    console.print(f"Written to {results}")
    return 0


def _outcome(name: str) -> dict[str, Any]:
    """What `run()` of the module returns, computed in a fresh interpreter."""
    code = f"import json, sys; from tests.benchmarks.{name} import run; json.dump(run(), open(sys.argv[1], 'w'))"
    path = HERE / f".{name}.json"
    try:
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=HERE.parents[1])
        return dict(json.loads(path.read_text()))
    finally:
        path.unlink(missing_ok=True)


def _today() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"


def _heading() -> str:
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.processor(),
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("onnxruntime", "tensorflow-cpu", "numpy", "Django", "celery")
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        "# Benchmark results\n\n"
        f"{_today()}, {os.cpu_count()} cores of {processor}, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, {versions}.\n\n"
        "Written by `make bench`. The machine is shared and noisy: ratios within one run count, single figures do not.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
