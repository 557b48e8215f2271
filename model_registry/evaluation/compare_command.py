"""`python -m model_registry compare FIRST SECOND --data PATH`: is one package better than another on your own cases?

Parses, calls, prints, and writes JSON where asked to. Both packages answer the same images through their own profiles; images
that either cannot answer are in no figure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model_registry.datasets.errors import DatasetError
from model_registry.evaluation.collection import collection_arguments, collection_read, collection_warnings
from model_registry.evaluation.errors import EvaluationError
from model_registry.packaging import PackageError

if TYPE_CHECKING:
    from model_registry.evaluation.cases import Cases, Predictions
    from model_registry.evaluation.compare import Difference
    from model_registry.evaluation.package_run import PackageAnswers
    from model_registry.packaging import Manifest, Package

REFUSED = 2
WIDE = 200


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 2 when packages, data or wish are refused, with code and reason on standard error."""
    options = _parser().parse_args(arguments)
    problems = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        # a row may be longer than the terminal is wide rather than broken
        _compare(options, Console(highlight=False, soft_wrap=True, width=WIDE), problems)
    except (PackageError, DatasetError, EvaluationError) as error:
        problems.print(f"[red]{escape(error.code)}[/red] {escape(error.detail)}")
        return REFUSED
    return 0


def _compare(options: argparse.Namespace, console: Console, problems: Console) -> None:
    from model_registry.evaluation.compare import compare
    from model_registry.evaluation.package_run import package_answers, package_open

    if options.json is not None and options.json.exists():
        raise EvaluationError("evaluation:output_exists", f"{options.json} exists; name another file with --json")
    with problems.status("checking the packages"):
        packages = [package_open(folder) for folder in (options.first, options.second)]
    manifests = [package.manifest for package in packages]
    _comparable(*manifests)
    with problems.status("reading the collection"):
        dataset = collection_read(options, manifests[0])
    answers = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=problems) as progress:
        for package in packages:
            task = progress.add_task(_name(package.manifest), total=len(dataset.records))
            own = replace(dataset, classes=package.manifest.classes)
            answers.append(
                package_answers(package=package, dataset=own, threads=options.threads, advance=partial(progress.advance, task))
            )
    cases, predictions = _shared(answers, manifests)
    with problems.status(f"{len(cases)} images judged; computing differences and intervals"):
        differences = compare(
            cases=cases,
            first=predictions[0],
            second=predictions[1],
            classes=manifests[0].classes,
            suspicion_classes=manifests[0].suspicion.classes,
            activations=(manifests[0].output_activation, manifests[1].output_activation),
            temperatures=(_temperature(manifests[0]), _temperature(manifests[1])),
            seed=options.seed,
            draws=options.draws,
        )
    warnings = list(dict.fromkeys(w for m, a in zip(manifests, answers, strict=True) for w in collection_warnings(dataset, m, a)))
    _print(console, packages, cases, differences, warnings)
    if options.json is not None:
        _write(options.json, packages, cases, differences, warnings)


def _comparable(first: Manifest, second: Manifest) -> None:
    """Raises EvaluationError unless both tell the same classes apart and suspect the same of them."""
    for what, one, other in (
        ("classes", first.classes, second.classes),
        ("suspicious classes", first.suspicion.classes, second.suspicion.classes),
    ):
        if set(one) != set(other):
            raise EvaluationError(
                "evaluation:models_differ",
                f"{_name(first)} has the {what} {', '.join(one)} and {_name(second)} has {', '.join(other)}; their figures would "
                "not mean the same. Judge each with evaluate",
            )


def _shared(answers: Sequence[PackageAnswers], manifests: Sequence[Manifest]) -> tuple[Cases, list[Predictions]]:
    """The cases that both answered and what each said of them, in the first's order of images and of classes."""
    from model_registry.evaluation.cases import Cases, Predictions

    first, second = answers
    place = {image_id: index for index, image_id in enumerate(second.image_ids)}
    pairs = [(index, place[image_id]) for index, image_id in enumerate(first.image_ids) if image_id in place]
    if not pairs:
        raise EvaluationError("evaluation:no_cases", "there is no image that both packages could judge")
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    logits = second.predictions.logits[theirs]
    if manifests[0].classes != manifests[1].classes:
        logits = logits[:, [manifests[1].classes.index(name) for name in manifests[0].classes]]
    cases = Cases(
        labels=first.cases.labels[ours],
        groups=first.cases.groups[ours],
        lesions=tuple(first.cases.lesions[index] for index in ours),
        is_located=first.cases.is_located[ours],
        input_hw=first.cases.input_hw,
    )
    return cases, [Predictions(first.predictions.logits[ours]), Predictions(logits)]


def _temperature(manifest: Manifest) -> float:
    return manifest.calibration.temperature if manifest.calibration else 1.0


def _name(manifest: Manifest) -> str:
    return f"{manifest.name} {manifest.version}"


def _print(
    console: Console, packages: Sequence[Package], cases: Cases, differences: Sequence[Difference], warnings: Sequence[str]
) -> None:
    for place, package in zip(("first", "second"), packages, strict=True):
        console.print(f"[bold]{place}[/bold] {escape(_name(package.manifest))}, {package.digest}")
    table = Table("figure", "first", "second", "difference", "95 % interval", "", box=None, pad_edge=False)
    for row in differences:
        if not np.isfinite(row.difference.value):
            continue  # not defined on these cases, as where a class has none
        better = "first" if row.difference.value > 0 else "second"
        table.add_row(
            row.name,
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            f"{row.difference.value:+.3f}",
            f"{row.difference.low:+.3f} to {row.difference.high:+.3f}",
            f"{better} is better" if row.is_distinct else "not told apart",
        )
    console.print(table)
    for warning in warnings:
        console.print(f"[yellow]{escape(warning)}[/yellow]")
    patients = len(set(cases.groups.tolist()))
    console.print(
        f"{len(cases)} images of {patients} patients that both could judge. Intervals draw whole patients, the same for both "
        "packages; one that leaves out 0 tells them apart. Of many figures, one may do so by chance."
    )


def _write(
    path: Path, packages: Sequence[Package], cases: Cases, differences: Sequence[Difference], warnings: Sequence[str]
) -> None:
    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    content = {
        "packages": [{"name": p.manifest.name, "version": p.manifest.version, "digest": p.digest} for p in packages],
        "images": len(cases),
        "patients": len(set(cases.groups.tolist())),
        "figures": [
            {
                "name": row.name,
                "first": number(row.first),
                "second": number(row.second),
                "difference": number(row.difference.value),
                "interval": [number(row.difference.low), number(row.difference.high)],
                "is_distinct": bool(row.is_distinct),
            }
            for row in differences
        ],
        "warnings": list(warnings),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise EvaluationError("evaluation:not_writable", f"{path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry compare",
        description="Run two packages over one collection and say which figures differ by more than chance, paired by patient.",
    )
    parser.add_argument("first", type=Path, metavar="FIRST", help="a package's folder")
    parser.add_argument("second", type=Path, metavar="SECOND", help="another's, with the same classes in any order")
    collection_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the differences there too")
    return parser
