"""What Grad-CAM of all targets costs over the plain graph, for the shipped model and EfficientNetB2.

Both graphs run alternately in one process, so that a busy machine slows both alike; medians of single runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from model_registry.packaging import Package, package_read
from tests.benchmarks.packages_for_bench import efficientnet_b2_package

PACKAGES = Path(__file__).resolve().parents[2] / "model_registry" / "packages"
THREADS = 2


def shipped_package() -> Package:
    """The newest package that ships."""
    return package_read(max(path.parent for path in PACKAGES.glob("*/manifest.json")))


def plain_of(model: onnx.ModelProto, package: Package) -> onnx.ModelProto:
    """The same graph without its heatmaps: only what logits and probabilities need."""
    names = package.manifest.tensors
    return onnx.utils.Extractor(model).extract_model([names.image], [names.logits, names.probabilities])


def surcharge(package: Package, *, batch_sizes: Sequence[int], repeats: int, threads: int = THREADS) -> dict[str, Any]:
    """Milliseconds of the plain and the explained graph for each batch size, and the surcharge in percent."""
    model = onnx.load(package.model_path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    graphs = {"plain": plain_of(model, package), "explained": model}
    sessions = {
        name: onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for name, graph in graphs.items()
    }
    random = np.random.default_rng(0)
    result: dict[str, Any] = {}
    for batch in batch_sizes:
        image = random.random((batch, *package.manifest.input_shape), dtype=np.float32)
        seconds: dict[str, list[float]] = {name: [] for name in sessions}
        for repeat in range(repeats + 3):
            for name, session in sessions.items():
                started = time.perf_counter()
                session.run(None, {package.manifest.tensors.image: image})
                if repeat >= 3:  # the first runs allocate
                    seconds[name].append(time.perf_counter() - started)
        plain, explained = (statistics.median(seconds[name]) for name in ("plain", "explained"))
        paired = statistics.median(e / p for e, p in zip(seconds["explained"], seconds["plain"], strict=True))
        result[f"batch_{batch}"] = {
            "plain_ms": round(plain * 1e3, 2),
            "explained_ms": round(explained * 1e3, 2),
            "surcharge_percent": round((explained / plain - 1) * 100, 1),
            "surcharge_percent_paired": round((paired - 1) * 100, 1),
        }
    return result


def run(*, folder: Path = Path("build/bench-packages"), repeats: int = 60) -> dict[str, Any]:
    """Both models, batches of 1 and 8."""
    shipped, efficientnet = shipped_package(), package_read(efficientnet_b2_package(folder).package)
    return {
        package.manifest.name: surcharge(
            package, batch_sizes=(1, 8), repeats=repeats if package is shipped else max(10, repeats // 3)
        )
        for package in (shipped, efficientnet)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/bench-packages"))
    parser.add_argument("--repeats", type=int, default=60)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(run(folder=options.folder, repeats=options.repeats), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
