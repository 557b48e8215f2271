"""Whether a package may be trusted, step by step: whole, signed, sound, true to its golden inputs. The first step that fails ends
it, because each stands on the one before: nobody hands an altered or unsound model to an engine.

Decides; prints nothing. A package's signature is only judged where trusted keys are given.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from model_registry.inspection import Finding, InspectionLimits, Severity, model_inspect
from model_registry.inspection.isolation import ROOT, child_environment
from model_registry.packaging.package import SIGNATURE_NAME, Package, PackageError, package_verify
from model_registry.packaging.signature import TrustedKeys, signature_verify

GOLDEN_SECONDS_MAXIMUM = 600
SESSION_FAILED = "model:session_failed"


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is stable: files, signature, inspection, golden. `findings` say why it failed, and what it only warns of."""

    name: str
    outcome: Outcome
    detail: str
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Verification:
    """`package` is None when not even the files passed."""

    package: Package | None
    steps: tuple[Step, ...]

    @property
    def passed(self) -> bool:
        return not any(step.outcome is Outcome.FAILED for step in self.steps)


def package_prove(
    folder: Path, *, trusted_keys: TrustedKeys | None = None, limits: InspectionLimits | None = None, with_golden: bool = True
) -> Verification:
    """Carry out the steps. Raises nothing for what the package holds."""
    limits = limits or InspectionLimits()
    holder: list[Package] = []
    steps: list[Step] = []

    def package() -> Package:
        return holder[0]

    def files() -> tuple[str, tuple[Finding, ...]]:
        holder.append(package_verify(folder, model_bytes_maximum=limits.model_bytes))
        return f"{len(package().manifest.files)} files with their digests, nothing else", ()

    def signature() -> tuple[str, tuple[Finding, ...]]:
        if trusted_keys is None:
            signed = (folder / SIGNATURE_NAME).exists()
            return ("not judged: give --trusted-keys" if signed else "not signed, and no trusted keys given"), ()
        return f"signed by {signature_verify(folder, trusted_keys)}", ()

    def inspection() -> tuple[str, tuple[Finding, ...]]:
        return "sound", model_inspect(package().model_path, package().manifest, limits=limits)

    def golden() -> tuple[str, tuple[Finding, ...]]:
        return _golden_run(package().folder)

    actions: dict[str, Callable[[], tuple[str, tuple[Finding, ...]]]] = {
        "files": files, "signature": signature, "inspection": inspection, "golden": golden
    }  # fmt: skip
    for name, action in actions.items():
        if any(step.outcome is Outcome.FAILED for step in steps):
            steps.append(Step(name, Outcome.SKIPPED, "not tried: an earlier step failed"))
        elif name == "golden" and not with_golden:
            steps.append(Step(name, Outcome.SKIPPED, "left out"))
        else:
            steps.append(_carried_out(name, action, is_optional=name == "signature" and trusted_keys is None))
    return Verification(holder[0] if holder else None, tuple(steps))


def _carried_out(name: str, action: Callable[[], tuple[str, tuple[Finding, ...]]], *, is_optional: bool) -> Step:
    started = time.monotonic()
    try:
        detail, findings = action()
    except PackageError as error:
        detail, findings = error.detail, (Finding(error.code, error.detail),)
    seconds = time.monotonic() - started
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if errors:
        return Step(name, Outcome.FAILED, f"{errors} error{'s' if errors > 1 else ''}", findings, seconds)
    return Step(name, Outcome.SKIPPED if is_optional else Outcome.PASSED, detail, findings, seconds)


def _golden_run(folder: Path) -> tuple[str, tuple[Finding, ...]]:
    command = [sys.executable, "-m", "model_registry.inspection.golden_child", str(folder.absolute())]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=child_environment(),
            cwd=ROOT,
            timeout=GOLDEN_SECONDS_MAXIMUM,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", (Finding(SESSION_FAILED, f"the golden inputs took longer than {GOLDEN_SECONDS_MAXIMUM} s"),)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{") and line.endswith("}")]
    answer = json.loads(lines[-1]) if lines else {}
    if "used" in answer:
        share = f"{100 * answer['used']:.2g} % of the tolerance used"
        return f"{answer['cases']} golden inputs reproduced in {answer['seconds']:.2f} s, {share}", ()
    if "code" in answer:
        return "", (Finding(answer["code"], answer["detail"]),)
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "", (Finding(SESSION_FAILED, f"the engine failed (status {done.returncode}): {said[-1] if said else 'no message'}"),)
