"""A stranger's model is parsed and checked in a child process, never in the caller's.

The parser and ONNX's checks are native code: a file made for it can crash them or make them take all memory, and a worker that
dies with them takes its other jobs along. The child has limits of memory and time, no secrets in its environment, and writes
what it finds line by line. A child that breaks off is itself a finding: such a file is refused.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from model_registry.inspection.findings import CORRUPT, Finding, Inspection, ModelFacts, Severity
from model_registry.inspection.limits import InspectionLimits
from model_registry.packaging.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
_CHILD = "model_registry.inspection.child"


def child_environment() -> dict[str, str]:
    """Enough to start Python and find this package; no broker, no store, no keys. One thread, as each would reserve memory."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def model_checks_isolated(path: Path, *, manifest: Manifest | None, limits: InspectionLimits, module: str = _CHILD) -> Inspection:
    """As checks.model_checks, in a child process. Whatever happens to the child, this returns."""
    request = {
        "path": str(path.absolute()),
        "manifest": None if manifest is None else manifest.model_dump_json(),
        "limits": dataclasses.asdict(limits),
    }
    command = [sys.executable, "-m", module]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env=child_environment(),
            cwd=ROOT,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        said = expired.stdout or b""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return _read(text, broke_off=f"they took longer than {limits.seconds} s")
    return _read(done.stdout, broke_off=_ending(done.returncode, done.stderr))


def _read(text: str, *, broke_off: str) -> Inspection:
    findings: list[Finding] = []
    facts: ModelFacts | None = None
    is_complete = False
    for line in text.splitlines():
        if not line.endswith("}"):
            break  # cut short as the child died
        entry = json.loads(line)
        if "finding" in entry:
            found = entry["finding"]
            findings.append(Finding(**{**found, "severity": Severity(found["severity"])}))
        elif "facts" in entry:
            facts = ModelFacts(**entry["facts"])
        is_complete = is_complete or "end" in entry
    if not is_complete:
        findings.append(Finding(CORRUPT, f"the checks broke off on this file ({broke_off}); no engine may be given it"))
    return Inspection(tuple(findings), facts)


def _ending(status: int, errors: str) -> str:
    if status < 0:
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"
    last = [line.strip() for line in errors.splitlines() if line.strip()]
    return last[-1][:300] if last else f"status {status}"
