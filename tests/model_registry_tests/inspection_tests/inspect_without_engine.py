"""Inspects every package folder of the folder given, in a process where the engine cannot be imported; prints the findings.

A session cannot exist here: importing ONNX Runtime raises. Runs the checks in this one process, so that fifty packages cost
one start of Python; that they also run isolated is tested apart.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

sys.modules["onnxruntime"] = None  # type: ignore[assignment]

from model_registry.inspection import InspectionLimits  # noqa: E402
from model_registry.inspection.checks import model_checks  # noqa: E402
from model_registry.inspection.interface import profile_check  # noqa: E402
from model_registry.packaging.manifest import manifest_read  # noqa: E402


def main() -> None:
    answers = {}
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        manifest = manifest_read((folder / "manifest.json").read_bytes())
        found = model_checks(folder / "model.onnx", manifest=manifest, limits=InspectionLimits(), facts_found=lambda _: None)
        answers[folder.name] = [dataclasses.asdict(finding) for finding in (*profile_check(manifest), *found)]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
