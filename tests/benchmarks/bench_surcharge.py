"""What the heatmaps of all classes cost over the plain graph, for every family of the zoo at its reference input size.

Weights are random: what is computed does not depend on them. The plain graph is the explained one without its heatmaps. Both
run in turns in one process on one thread, and each pair gives one ratio of processor times, which a machine busy with other work
hardly moves; the median of the pairs and their quartiles are reported. ONNX Runtime on the CPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_registry.explain.surcharge import surcharge_measure

THREADS = 1
BATCHES = (1, 8)
CLASSES = ("normal", "benign", "malignant")
SECONDS_MAXIMUM = 4.0  # for each batch size of a family, once three pairs are measured
REPEATS = 40


def run(*, names: Sequence[str] = (), seconds_maximum: float = SECONDS_MAXIMUM, repeats: int = REPEATS) -> dict[str, Any]:
    """A row for each family, and the median over the families; about five minutes on two cores."""
    from model_registry.zoo.registry import zoo_names

    rows = {name: _family(name, seconds_maximum=seconds_maximum, repeats=repeats) for name in names or zoo_names()}
    medians = {
        f"batch {batch}, median over {len(rows)} families, %": round(
            statistics.median(row[f"batch {batch}, %"] for row in rows.values()), 1
        )
        for batch in BATCHES
    }
    return {"threads": THREADS, **medians, "surcharge of all classes": rows}


def _family(name: str, *, seconds_maximum: float, repeats: int) -> dict[str, Any]:
    import keras

    from model_registry.export.onnx_export import keras_to_onnx
    from model_registry.zoo.registry import zoo_build

    zoo_model = zoo_build(name, classes=CLASSES)
    exported = keras_to_onnx(zoo_model=zoo_model, suspicion_classes=CLASSES[1:])
    rows, columns, _ = zoo_model.input_shape
    row: dict[str, Any] = {"input": f"{rows}x{columns}"}
    with tempfile.TemporaryDirectory() as folder:
        # from files: alexnet's two graphs in memory beside TensorFlow would need gigabytes
        paths = [Path(folder) / "plain.onnx", Path(folder) / "explained.onnx"]
        for path, model in zip(paths, (exported.plain, exported.explained), strict=True):
            path.write_bytes(model.SerializeToString())
        del zoo_model, exported
        keras.backend.clear_session()
        gc.collect()
        for cost in surcharge_measure(
            plain=str(paths[0]),
            explained=str(paths[1]),
            batches=BATCHES,
            repeats=repeats,
            seconds_maximum=seconds_maximum,
            threads=THREADS,
            clock=time.process_time,
        ):
            low, high = cost.quartiles_percent
            row[f"batch {cost.batch}, ms"] = round(cost.plain_ms, 2)
            row[f"batch {cost.batch}, %"] = round(cost.paired_percent, 1)
            row[f"batch {cost.batch}, quartiles"] = f"{low:+.1f} to {high:+.1f}"
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="families (default: all)")
    parser.add_argument("--seconds", type=float, default=SECONDS_MAXIMUM)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    figures = run(names=options.names, seconds_maximum=options.seconds, repeats=options.repeats)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
