"""`python -m model_registry evaluate PACKAGE --data PATH`: judge a package on your own cases.

Parses, calls, writes and prints: predictions.csv, evaluation.json, report.md and plots/. Images are named by the collection's own
names, so what is written is as confidential as the collection.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model_registry.datasets.errors import DatasetError
from model_registry.evaluation.collection import collection_arguments, collection_read, collection_warnings
from model_registry.evaluation.errors import EvaluationError
from model_registry.packaging import PackageError

if TYPE_CHECKING:
    from model_registry.datasets.records import Dataset
    from model_registry.evaluation.package_run import PackageAnswers
    from model_registry.evaluation.result import Evaluation
    from model_registry.packaging import Manifest, Package

REFUSED = 2
REFUSALS_LISTED = 20


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 2 when package, data or wish are refused, with code and reason on standard error."""
    options = _parser().parse_args(arguments)
    problems = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        _evaluate(options, Console(highlight=False, soft_wrap=True), problems)
    except (PackageError, DatasetError, EvaluationError) as error:
        problems.print(f"[red]{escape(error.code)}[/red] {escape(error.detail)}")
        return REFUSED
    return 0


def _evaluate(options: argparse.Namespace, console: Console, problems: Console) -> None:
    from model_registry.evaluation.package_run import package_answers, package_open
    from model_registry.evaluation.report import evaluate

    with problems.status("checking the package"):
        package = package_open(options.package)
    manifest = package.manifest
    out: Path = options.out or Path(f"evaluation-{manifest.name}-{manifest.version}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvaluationError("evaluation:output_exists", f"{out} exists and is not empty; name another folder with --out")
    with problems.status("reading the collection"):
        dataset = collection_read(options, manifest)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=problems) as progress:
        task = progress.add_task("images", total=len(dataset.records))
        answers = package_answers(
            package=package, dataset=dataset, threads=options.threads, advance=lambda: progress.advance(task)
        )
    with problems.status(f"{len(answers.image_ids)} images judged; computing figures and intervals"):
        evaluation = evaluate(
            cases=answers.cases,
            predictions=answers.predictions,
            classes=manifest.classes,
            suspicion_classes=manifest.suspicion.classes,
            targets=manifest.explanation.targets,
            activation=manifest.output_activation,
            method=f"{manifest.name} {manifest.version} on {dataset.title}" + (f", {options.split}" if options.split else ""),
            task=manifest.task,
            temperature=manifest.calibration.temperature if manifest.calibration else 1.0,
            threshold=manifest.suspicion.threshold,
            map_words={"grad-cam": "Grad-CAM"}.get(manifest.explanation.method, manifest.explanation.method),
            seed=options.seed,
            draws=options.draws,
        )
        evaluation = replace(evaluation, warnings=(*evaluation.warnings, *collection_warnings(dataset, manifest, answers)))
        _write(out, package=package, dataset=dataset, answers=answers, evaluation=evaluation)
    _print(console, evaluation, answers, out)


def _write(out: Path, *, package: Package, dataset: Dataset, answers: PackageAnswers, evaluation: Evaluation) -> None:
    from model_registry.evaluation.plots import plots_draw

    contents = {
        "predictions.csv": _predictions_csv(package.manifest, answers).encode(),
        "evaluation.json": _json(package, dataset, answers, evaluation).encode(),
        "report.md": _report(package, dataset, answers, evaluation).encode(),
        **plots_draw(evaluation),
    }
    try:
        for name, data in contents.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    except OSError as error:
        raise EvaluationError("evaluation:not_writable", f"{out}: {error.strerror}") from error


def _predictions_csv(manifest: Manifest, answers: PackageAnswers) -> str:
    """Calibrated probabilities and suspicion of every image, as the worker would report them, and those without an answer."""
    from model_registry.evaluation.calibration import probabilities_of

    temperature = manifest.calibration.temperature if manifest.calibration else 1.0
    probabilities = probabilities_of(answers.predictions.logits, activation=manifest.output_activation, temperature=temperature)
    suspicious = [manifest.classes.index(name) for name in manifest.suspicion.classes]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["image_id", "label", "named", *(f"probability {n}" for n in manifest.classes), "suspicion", "suspicious", "refusal"]
    )
    for image_id, label, row in zip(answers.image_ids, answers.cases.labels, probabilities, strict=True):
        suspicion = min(1.0, float(row[suspicious].sum()))
        named = manifest.classes[int(row.argmax())]
        above = "yes" if suspicion > manifest.suspicion.threshold else "no"
        writer.writerow([image_id, manifest.classes[label], named, *(f"{p:.6f}" for p in row), f"{suspicion:.6f}", above, ""])
    for refusal in answers.refusals:
        writer.writerow([refusal.image_id, "", "", *("" for _ in manifest.classes), "", "", refusal.code])
    return stream.getvalue()


def _json(package: Package, dataset: Dataset, answers: PackageAnswers, evaluation: Evaluation) -> str:
    content = {
        "package": {"name": package.manifest.name, "version": package.manifest.version, "digest": package.digest},
        "collection": {"kind": dataset.kind, "title": dataset.title, "images": len(dataset.records)},
        "refusals": [{"image_id": r.image_id, "code": r.code, "detail": r.detail} for r in answers.refusals],
        **evaluation.as_json(),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _report(package: Package, dataset: Dataset, answers: PackageAnswers, evaluation: Evaluation) -> str:
    from model_registry.evaluation.markdown import evaluation_markdown, text_escape

    manifest = package.manifest
    refused = [f"- {text_escape(r.image_id)}: {r.code} {text_escape(r.detail)}".rstrip() for r in answers.refusals]
    more = [f"- and {len(refused) - REFUSALS_LISTED} more, in predictions.csv"] if len(refused) > REFUSALS_LISTED else []
    return "\n".join(
        [
            f"# {text_escape(manifest.title)} on {text_escape(dataset.title)}",
            "",
            f"Package {manifest.name} {manifest.version}, `{package.digest}`. Its own calibration and threshold, as they stand.",
            "",
            f"**{text_escape(manifest.intended_use.statement)}**",
            "",
            *evaluation_markdown(evaluation),
            *(["## Images without an answer", "", *refused[:REFUSALS_LISTED], *more, ""] if refused else []),
            *(["## Source of the cases", "", text_escape(dataset.citation), ""] if dataset.citation else []),
        ]
    )


def _print(console: Console, evaluation: Evaluation, answers: PackageAnswers, out: Path) -> None:
    table = Table("figure", "value", "95 % interval", box=None, pad_edge=False)
    for metric in evaluation.metrics:
        table.add_row(metric.name, f"{metric.value:.3f}", "" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}")
    console.print(table)
    for warning in evaluation.warnings:
        console.print(f"[yellow]{escape(warning)}[/yellow]")
    console.print(f"{len(answers.image_ids)} images of {evaluation.patients} patients; {escape(str(out / 'report.md'))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry evaluate",
        description="Run a package's own graph over a collection, through its own preprocessing, and say how good it is there.",
    )
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="the package's folder")
    collection_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: evaluation-NAME-VERSION here)")
    return parser
