"""`python -m model_registry dataset inspect PATH`: what lies in a folder, whether it can be trained on, and what to respect.

Parses, calls and prints. Prints counts, relative names and problems; patients only as numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from model_registry.datasets.deep import dataset_look
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.masks import dataset_locate
from model_registry.datasets.records import Dataset
from model_registry.datasets.registry import AUTO, KINDS, dataset_read
from model_registry.datasets.summary import dataset_summary

REFUSED = 2
FAULTY = 1
BAR_AFTER_SECONDS = 2.0
SIZES_LISTED = 10
# a program reads the whole list; a person the first of it
_LEAKS = frozenset(
    {
        "dataset:duplicate_across_labels",
        "dataset:duplicate_across_patients",
        "dataset:duplicate_across_splits",
        "dataset:label_conflict",
        "dataset:patient_in_two_splits",
    }
)


def main(arguments: Sequence[str]) -> int:
    """Returns 0; 1 with --strict where problems were found; 2 when the folder is refused, with code and reason on stderr."""
    options = _parser().parse_args(arguments)
    problems = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        summary = _inspect(options, problems)
    except DatasetError as error:
        if options.json:
            sys.stdout.write(json.dumps({"error": {"code": error.code, "detail": error.detail}}) + "\n")
        problems.print(f"[red]{escape(error.code)}[/red] {escape(error.detail)}")
        return REFUSED
    if options.json:
        sys.stdout.write(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(Console(highlight=False), summary, is_deep=options.deep)
    return FAULTY if options.strict and summary["problems"] else 0


def _inspect(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    with console.status("reading tables and names"):
        dataset = dataset_read(options.path, kind=options.kind)
    if not options.deep:
        return dataset_summary(dataset)
    with _bar(console, "reading images", len(dataset.records)) as advance:
        deep = dataset_look(dataset, advance=advance)
    located = _located(dataset, console)
    return dataset_summary(located, deep=deep)


def _located(dataset: Dataset, console: Console) -> Dataset:
    """Circles of the masks, with the masks still counted."""
    if not any(record.mask_paths for record in dataset.records):
        return dataset
    with _bar(console, "reading masks", len(dataset.records)) as advance:
        located = dataset_locate(dataset, advance=advance)
    records = (
        replace(new, mask_paths=old.mask_paths, mask_labels=old.mask_labels)
        for new, old in zip(located.records, dataset.records, strict=True)
    )
    return replace(located, records=tuple(records))


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar that appears only when the work takes longer than a person waits without asking."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(title, total=total)
    started = time.monotonic()
    is_shown = False

    def advance() -> None:
        nonlocal is_shown
        progress.advance(task)
        if not is_shown and time.monotonic() - started > BAR_AFTER_SECONDS:
            is_shown = True
            progress.start()

    try:
        yield advance
    finally:
        progress.stop()


def _print(console: Console, summary: dict[str, Any], *, is_deep: bool) -> None:
    console.print(f"[bold]{escape(summary['title'])}[/bold] ({summary['kind']}), recognised by {escape(summary['reason'])}")
    console.print(_patients(summary))
    console.print(_classes(summary))
    for title, counts in _groups(summary):
        console.print(f"[bold]{escape(title)}[/bold]  " + escape("  ".join(f"{name} {count}" for name, count in counts.items())))
    if summary["sizes"] is not None:
        sizes = list(summary["sizes"].items())
        more = f"  and {len(sizes) - SIZES_LISTED} more sizes" if len(sizes) > SIZES_LISTED else ""
        listed = "  ".join(f"{name} ({count})" for name, count in sizes[:SIZES_LISTED])
        console.print(f"[bold]rows x columns[/bold]  {listed}{more}")
    _print_problems(console, summary, is_deep=is_deep)
    for note in summary["notes"]:
        console.print(f"[yellow]Note[/yellow] {escape(note)}")
    if summary["citation"]:
        console.print(f"[bold]cite[/bold] {escape(summary['citation'])}")
    console.print(f"[bold]licence[/bold] {escape(summary['licence'])}")


def _patients(summary: dict[str, Any]) -> str:
    if not summary["patients"]:
        copies = f", copies of {summary['originals']} originals" if summary["originals"] else ""
        return f"{summary['images']} images{copies}; whose they are is not known"
    spread = ", ".join(f"{number} with {count}" for count, number in summary["images_per_patient"].items())
    orphans = f"; {summary['images_without_patient']} without patient" if summary["images_without_patient"] else ""
    return f"{summary['images']} images of {summary['patients']} patients ({spread} images each){orphans}"


def _classes(summary: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for heading in ("images", "patients", "lesions", "masks", "not located"):
        table.add_column(heading, justify="right")
    for entry in summary["classes"]:
        counts = (entry["images"], entry["patients"], entry["lesions"], entry["masks"], entry["not_located"])
        table.add_row(escape(entry["name"]), *(f"{count:,}" for count in counts))
    return table


def _groups(summary: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    for name in ("image_laterality", "view_position", "media_type", "split", "fold", "bits_stored"):
        if summary[name]:
            yield name.replace("_", " "), summary[name]
    for name, counts in summary["attributes"].items():
        yield name.replace("_", " "), counts


def _print_problems(console: Console, summary: dict[str, Any], *, is_deep: bool) -> None:
    found = summary["problems"]
    leaks = [entry for entry in found if entry["code"] in _LEAKS]
    for entry in found:
        colour = "red" if entry in leaks else "yellow"
        console.print(f"[{colour}]{escape(entry['code'])}[/{colour}] {entry['count']:,}")
        for example in entry["examples"]:
            console.print(f"  {escape(example)}", soft_wrap=True)
    if not found:
        console.print("[green]no problems[/green]")
    if not leaks:
        checked = "by tables, names and pixels" if is_deep else "by tables and names; --deep compares the pixels"
        console.print(f"no leak found {checked}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_registry dataset", description="Look at collections of mammograms.")
    commands = parser.add_subparsers(required=True, metavar="inspect")
    inspect = commands.add_parser("inspect", help="what a folder holds, and what is wrong with it")
    inspect.add_argument("path", type=Path, metavar="PATH")
    inspect.add_argument("--kind", choices=(AUTO, *KINDS), default=AUTO, help="default: recognised by what lies there")
    inspect.add_argument("--deep", action="store_true", help="decode every image: sizes, unreadable files, duplicates, masks")
    inspect.add_argument("--json", action="store_true", help="for programs")
    inspect.add_argument("--strict", action="store_true", help="exit with 1 where problems were found")
    return parser
