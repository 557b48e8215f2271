"""`python -m model_registry verify FOLDER`: prove a package whole, signed, sound and true to its golden inputs, and say so.

Parses, calls and prints; the steps are verification's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model_registry.inspection import Finding, InspectionLimits, Severity
from model_registry.inspection.advice import ADVICE
from model_registry.inspection.verification import Outcome, Verification, package_prove
from model_registry.packaging.signature import KeyUnusable, TrustedKeys, trusted_keys_read

REFUSED = 1
UNUSABLE = 2
_MARKS = {Outcome.PASSED: "[green]✓[/green]", Outcome.FAILED: "[red]✗[/red]", Outcome.SKIPPED: "[dim]–[/dim]"}


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when the package passed, 1 when it did not, 2 when the trusted keys cannot be used."""
    options = _parser().parse_args(arguments)
    keys: TrustedKeys | None = None
    try:
        if options.trusted_keys is not None:
            keys = trusted_keys_read(options.trusted_keys)
    except KeyUnusable as error:
        sys.stderr.write(f"{error}\n")
        return UNUSABLE
    limits = InspectionLimits(model_bytes=options.max_model_mb * 2**20)
    verification = package_prove(options.folder, trusted_keys=keys, limits=limits, with_golden=not options.no_golden)
    if options.json:
        sys.stdout.write(json.dumps(as_json(verification), indent=2) + "\n")
    else:
        _print(verification, options.folder)
    return 0 if verification.passed else REFUSED


def as_json(verification: Verification) -> dict[str, object]:
    package = verification.package
    return {
        "passed": verification.passed,
        "name": package.manifest.name if package else None,
        "version": package.manifest.version if package else None,
        "digest": package.digest if package else None,
        "steps": [dataclasses.asdict(step) for step in verification.steps],
    }


def _print(verification: Verification, folder: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    package = verification.package
    if package is not None:
        console.print(f"[bold]{escape(package.manifest.name)} {escape(package.manifest.version)}[/bold]  {package.digest}")
    table = Table(show_header=False, box=None, pad_edge=False)
    for step in verification.steps:
        table.add_row(_MARKS[step.outcome], f"[bold]{step.name}[/bold]", escape(step.detail), f"[dim]{step.seconds:.2f} s[/dim]")
    console.print(table)
    findings = [finding for step in verification.steps for finding in step.findings]
    for finding in findings:
        console.print(_line(finding))
    errors = dict.fromkeys(finding.code for finding in findings if finding.severity is Severity.ERROR)
    for code in errors:
        if advice := ADVICE.get(code):
            console.print(f"[bold]What to do[/bold] ({code}): {escape(advice)}")
    if verification.passed:
        console.print(f"[green]✓ {escape(folder.name)} can be installed.[/green]")
    else:
        console.print(f"[red]✗ {escape(folder.name)} is refused.[/red]")


def _line(finding: Finding) -> str:
    colour = "red" if finding.severity is Severity.ERROR else "yellow"
    place = "".join(f", {kind} {escape(name)}" for kind, name in (("node", finding.node), ("tensor", finding.tensor)) if name)
    return f"  [{colour}]{finding.severity}[/{colour}] {finding.code}{place}: {escape(finding.detail)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry verify",
        description="Prove a package: digests, signature, a static inspection of the model, then its golden inputs on this CPU.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--trusted-keys", type=Path, metavar="FILE_OR_FOLDER", help="public keys (*.pem); the package must then be signed by one"
    )
    parser.add_argument("--max-model-mb", type=_positive, default=2048, metavar="MB", help="largest model.onnx (default 2048)")
    parser.add_argument("--no-golden", action="store_true", help="do not run the model")
    parser.add_argument("--json", action="store_true", help="the same for a program")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1")
    return int(text)
