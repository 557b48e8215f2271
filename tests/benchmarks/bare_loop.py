"""The floor under the platform: decode, preprocess and run in a plain loop, with the worker's threads and engine settings.

No queue, no database, no HTTP, no pictures: what is left is what the hardware can do at best with this package. Runs as a
process of its own, so that nothing else lives in it: `python -m tests.benchmarks.bare_loop PACKAGE THREADS STUDY...`, where a
STUDY is a comma-separated list of files. Prints {"studies", "seconds"} as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from inference_worker.settings import available_cores
from model_registry.packaging import package_read
from model_registry.preprocessing import image_decode, image_prepare

MEDIA_TYPES = {".dcm": "application/dicom", ".png": "image/png", ".jpg": "image/jpeg"}


def studies_per_second(*, package_folder: Path, threads: int, studies: list[list[Path]]) -> dict[str, float]:
    """Run every study once, `threads` side by side, each study's views as one batch; the warm-up is not counted."""
    cv2.setNumThreads(1)
    package = package_read(package_folder)
    manifest = package.manifest
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as the worker: spinning would slow the decoding
    session = onnxruntime.InferenceSession(str(package.model_path), options, providers=["CPUExecutionProvider"])

    def study_run(paths: list[Path]) -> None:
        tensors = []
        for path in paths:
            image = image_decode(data=path.read_bytes(), media_type=MEDIA_TYPES[path.suffix])
            tensors.append(image_prepare(image=image, profile=manifest.preprocessing).tensor)
        names = [manifest.tensors.logits, manifest.tensors.probabilities, manifest.tensors.heatmaps]
        session.run(names, {manifest.tensors.image: np.stack(tensors)})

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(study_run, studies[: 2 * threads]))
        started = time.perf_counter()
        list(pool.map(study_run, studies))
        seconds = time.perf_counter() - started
    return {"studies": len(studies), "seconds": seconds}


def main() -> None:
    studies = [[Path(name) for name in study.split(",")] for study in sys.argv[3:]]
    outcome = studies_per_second(package_folder=Path(sys.argv[1]), threads=int(sys.argv[2]), studies=studies)
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
