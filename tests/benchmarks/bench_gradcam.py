"""What Grad-CAM of all targets costs over the plain graph, for the shipped model and EfficientNetB2.

Measured as `python -m model_registry explain` measures it: alternating runs in one process, medians of single runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from model_registry.explain.surcharge import surcharge_measure
from model_registry.packaging import Package, package_read
from tests.benchmarks.packages_for_bench import efficientnet_b2_package

PACKAGES = Path(__file__).resolve().parents[2] / "model_registry" / "packages"
THREADS = 2
SECONDS_MAXIMUM = 60.0  # for each batch size of a model


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
    measured = surcharge_measure(
        plain=plain_of(model, package).SerializeToString(),
        explained=model.SerializeToString(),
        batches=batch_sizes,
        repeats=repeats,
        seconds_maximum=SECONDS_MAXIMUM,
        threads=threads,
    )
    return {
        f"batch_{cost.batch}": {
            "plain_ms": round(cost.plain_ms, 2),
            "explained_ms": round(cost.explained_ms, 2),
            "surcharge_percent": round(cost.percent, 1),
            "surcharge_percent_paired": round(cost.paired_percent, 1),
        }
        for cost in measured
    }


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
