"""Runs a package's golden inputs on ONNX Runtime, CPU: `python -m model_registry.inspection.golden_child FOLDER`.

A process of its own, because the engine is native code that runs what strangers wrote. Only for packages whose inspection found
no error. Prints one line of JSON: {"code", "detail"} of a failure, or {"used", "cases", "seconds"}.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from model_registry.packaging.package import Package, package_read
from model_registry.preprocessing.golden import Array, GoldenAnswer, GoldenFailure, golden_prove


def main() -> int:
    package = package_read(sys.argv[1])
    started = time.monotonic()
    try:
        used = golden_prove(package=package, run=_runner(package))
    except GoldenFailure as error:
        _say({"code": error.code, "detail": error.detail})
        return 1
    _say({"used": used, "cases": len(package.manifest.golden), "seconds": time.monotonic() - started})
    return 0


def _runner(package: Package) -> Any:
    import onnxruntime  # only here: whoever imports this room gets no engine

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(package.model_path), providers=["CPUExecutionProvider"])
    names = package.manifest.tensors

    def run(tensor: Array) -> GoldenAnswer:
        outputs = session.run([names.logits, names.probabilities, names.heatmaps], {names.image: tensor[np.newaxis]})
        return GoldenAnswer(*(np.asarray(output)[0] for output in outputs))

    return run


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    sys.exit(main())
