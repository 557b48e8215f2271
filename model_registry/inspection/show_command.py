"""`python -m model_registry show FOLDER`: what a package is, by its manifest and its graph. Judges nothing: `verify` does."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model_registry.inspection import Inspection, Severity, model_report
from model_registry.inspection.advice import ADVICE
from model_registry.inspection.findings import printable
from model_registry.packaging.package import SIGNATURE_NAME, Package, PackageError, package_read
from model_registry.packaging.profile import PreprocessingProfile

REFUSED = 1


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 for a folder that is no package."""
    parser = argparse.ArgumentParser(prog="python -m model_registry show", description="Show what a model package is.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="the same for a program")
    options = parser.parse_args(arguments)
    try:
        package = package_read(options.folder)
    except PackageError as error:
        sys.stderr.write(f"{error.code}: {error.detail}\n{ADVICE.get(error.code, '')}\n")
        return REFUSED
    inspection = model_report(package.model_path, package.manifest)
    if options.json:
        sys.stdout.write(json.dumps(as_json(package, inspection), indent=2) + "\n")
    else:
        _print(package, inspection)
    return 0


def as_json(package: Package, inspection: Inspection) -> dict[str, Any]:
    return {
        "digest": package.digest,
        "size_bytes": package.size_bytes,
        "is_signed": (package.folder / SIGNATURE_NAME).is_file(),
        "manifest": package.manifest.model_dump(mode="json"),
        "profile_digest": package.manifest.preprocessing.digest,
        "model": dataclasses.asdict(inspection.facts) if inspection.facts else None,
        "findings": [dataclasses.asdict(finding) for finding in inspection.findings],
    }


def _print(package: Package, inspection: Inspection) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in (*_identity(package), *_answers(package), *_graph(inspection), *_origin(package)):
        table.add_row(name, escape(printable(value, 4000)))
    console.print(table)
    errors = sum(finding.severity is Severity.ERROR for finding in inspection.findings)
    if errors:
        console.print(f"[red]The model has {errors} errors:[/red] python -m model_registry verify {escape(str(package.folder))}")


def _identity(package: Package) -> list[tuple[str, str]]:
    manifest = package.manifest
    megabytes = package.size_bytes / 1e6
    return [
        ("package", f"{manifest.name} {manifest.version}"),
        ("title", manifest.title),
        ("digest", package.digest),
        ("size", f"{megabytes:.2f} MB in {len(manifest.files)} files"),
        ("signature", "there; verify --trusted-keys says whose" if (package.folder / SIGNATURE_NAME).is_file() else "none"),
        ("task", manifest.task),
    ]


def _answers(package: Package) -> list[tuple[str, str]]:
    manifest = package.manifest
    suspicion, explanation = manifest.suspicion, manifest.explanation
    calibration = manifest.calibration
    threshold = f"{suspicion.threshold:g}" + (f", {suspicion.operating_point}" if suspicion.operating_point else "")
    lines = [
        ("classes, in order", ", ".join(f"{index} {name}" for index, name in enumerate(manifest.classes))),
        ("activation", manifest.output_activation),
        ("suspicion", f"{' + '.join(suspicion.classes)}; threshold {threshold}"),
        ("calibration", f"temperature {calibration.temperature:g}, fitted on {calibration.fitted_on}" if calibration else "none"),
        ("maps", f"{explanation.method} at {explanation.cam_layer}, {explanation.grid_hw[0]} x {explanation.grid_hw[1]}"),
        ("map targets", ", ".join(explanation.targets)),
        ("aggregation", f"breast: {manifest.aggregation.image_to_breast}, study: {manifest.aggregation.breast_to_study}"),
        ("input", f"{' x '.join(map(str, manifest.input_shape))} {manifest.preprocessing.tensor_layout}"),
        ("profile", f"{manifest.preprocessing.name} ({manifest.preprocessing.digest[:19]}…)"),
        *(("", line) for line in profile_lines(manifest.preprocessing)),
        ("batch sizes", ", ".join(map(str, manifest.batch_sizes))),
    ]
    for metric in manifest.metrics:
        interval = f" ({metric.low:.3g} to {metric.high:.3g})" if metric.low is not None and metric.high is not None else ""
        lines.append(("metric", f"{metric.name} {metric.value:.3g}{interval}, {metric.method}"))
    return lines


def profile_lines(profile: PreprocessingProfile) -> list[str]:
    """One line for each step: its name, then every parameter that is not the default."""
    lines = []
    for number, step in enumerate(profile.steps, start=1):
        fields = step.model_dump(mode="json", exclude_defaults=True)
        fields.pop("step", None)
        words = ", ".join(f"{name} {_plain(value)}" for name, value in fields.items())
        lines.append(f"{number}. {step.step}" + (f": {words}" if words else ""))
    return lines


def _graph(inspection: Inspection) -> list[tuple[str, str]]:
    facts = inspection.facts
    if facts is None:
        return [("model", "cannot be read")]
    operators = sorted(facts.operators.items(), key=lambda entry: (-entry[1], entry[0]))
    return [
        ("model", f"{facts.nodes} nodes, {facts.parameters:,} parameters, made by {facts.producer or 'nobody named'}"),
        ("opset", ", ".join(f"{domain} {version}" for domain, version in facts.opsets.items()) + f"; IR {facts.ir_version}"),
        *(("tensor in", f"{name} {_sizes(shape)}") for name, shape in facts.inputs.items()),
        *(("tensor out", f"{name} {_sizes(shape)}") for name, shape in facts.outputs.items()),
        ("operators", ", ".join(f"{name} {count}" for name, count in operators)),
        *([("data beside it", ", ".join(facts.external_files))] if facts.external_files else []),
    ]


def _origin(package: Package) -> list[tuple[str, str]]:
    origin, use = package.manifest.provenance, package.manifest.intended_use
    lines = [
        ("architecture", origin.architecture),
        ("training data", origin.training_data),
        ("training command", origin.training_command),
        ("created", origin.created + (f", seed {origin.seed}" if origin.seed is not None else "")),
        ("software", ", ".join(f"{name} {version}" for name, version in origin.software.items())),
        ("licence", origin.licence),
        ("citation", origin.citation),
        ("intended use", use.statement + (" Research only." if use.research_only else "")),
        ("not validated", "; ".join(use.not_validated)),
    ]
    return [(name, value) for name, value in lines if value]


def _sizes(shape: Sequence[int | str | None]) -> str:
    return " x ".join("open" if size is None else str(size) for size in shape)


def _plain(value: object) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)
