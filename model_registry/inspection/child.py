"""The process in which a stranger's model is taken apart: `python -m model_registry.inspection.child`, started by isolation.

Reads one request from standard input and writes a line of JSON for everything it finds, at once, so that a crash loses nothing;
the last line says that it came to the end.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from pathlib import Path
from typing import Any

from model_registry.inspection.checks import model_checks
from model_registry.inspection.findings import ModelFacts
from model_registry.inspection.limits import InspectionLimits
from model_registry.packaging.manifest import manifest_read


def main() -> int:
    request = json.load(sys.stdin)
    limits = InspectionLimits(**request["limits"])
    _limit_itself(limits)
    manifest = None if request["manifest"] is None else manifest_read(request["manifest"].encode())

    def facts_found(facts: ModelFacts) -> None:
        _say({"facts": dataclasses.asdict(facts)})

    for finding in model_checks(Path(request["path"]), manifest=manifest, limits=limits, facts_found=facts_found):
        _say({"finding": dataclasses.asdict(finding)})
    _say({"end": True})
    return 0


def _limit_itself(limits: InspectionLimits) -> None:
    """No core dump, no file written, no more memory or time than the limits say: a bomb ends this process, not the machine."""
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.seconds),
    ):
        ceiling = resource.getrlimit(kind)[1]
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(kind, (value, value))


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
