"""`python -m model_registry explain IN.onnx OUT.onnx`: give a classifier heatmaps, say what was chosen and what it costs.

Parses, calls and prints; the transform itself is explain.transform. Not for packaging: the output is a bare ONNX file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model_registry.explain.errors import GRADIENT_FREE, ExplainError, NoGradientRule, NoScores, NoTarget, UnknownShape
from model_registry.explain.files import data_file_of, model_load, model_save
from model_registry.explain.graph import Graph
from model_registry.explain.surcharge import NotMeasurable, Surcharge, surcharge_measure
from model_registry.explain.target import scores_find, target_find, targets_list
from model_registry.explain.transform import METHODS, ExplainedModel, explain_model

LISTED_MAXIMUM = 20
WIDE = 400
REFUSED = 2


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 when the model or the wish is refused, with the reason on standard error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    # names are there to be copied: a line may be longer than the terminal is wide rather than cut
    console = Console(highlight=False, soft_wrap=True, width=WIDE)
    try:
        if options.list:
            _list(console, options)
            return 0
        if options.output is None:
            parser.error("the following arguments are required: OUT.onnx")
        _explain(console, options)
    except ExplainError as error:
        problems = Console(stderr=True, highlight=False, soft_wrap=True)
        problems.print(f"[red]{escape(str(error))}[/red]")
        if isinstance(error, NoGradientRule | UnknownShape) and options.method != GRADIENT_FREE:
            problems.print(f"A map without gradients, one for all classes: add --method {GRADIENT_FREE}")
        elif isinstance(error, NoScores | NoTarget) and not options.list:
            problems.print("Tensors to choose from: --list")
        return REFUSED
    return 0


def _explain(console: Console, options: argparse.Namespace) -> None:
    loaded = model_load(options.input)
    taken = {options.input.resolve(), *(path.resolve() for path in loaded.data_files)}
    if {options.output.resolve(), data_file_of(options.output).resolve()} & taken:
        raise ExplainError("the output would overwrite the input; give it another name")
    explained = explain_model(loaded.model, scores=options.scores, target=options.target, method=options.method)
    original = len(loaded.model.graph.node)
    external = bool(loaded.data_files)
    written = model_save(explained.model, options.output, external=external)
    console.print(_summary(explained, original, written))
    if explained.is_class_independent:
        console.print(
            "[yellow]The map is the same for every class: it shows where the network is active, not what speaks for a class. "
            "Label it so.[/yellow]"
        )
    if not options.no_measure:
        try:
            measured = surcharge_measure(plain=str(options.input), explained=str(options.output), repeats=options.repeats)
        except NotMeasurable as error:
            console.print(f"Surcharge not measured: {escape(str(error))}")
        else:
            console.print(_costs(measured))


def _summary(explained: ExplainedModel, original: int, written: Sequence[Path]) -> Table:
    rows, columns = ("open" if size is None else size for size in explained.grid_hw)
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in (
        ("method", explained.method),
        ("scores", explained.scores),
        ("CAM layer", explained.target),
        ("grid", f"{rows} x {columns}"),
        ("maps", str(explained.columns)),
        ("nodes", f"{original} + {explained.added_nodes}"),
        ("written", ", ".join(map(str, written))),
    ):
        table.add_row(f"[bold]{name}[/bold]", escape(value))
    return table


def _costs(measured: Sequence[Surcharge]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("batch", "plain", "with heatmaps", "surcharge", "pairs of runs"):
        table.add_column(heading, justify="right")
    for cost in measured:
        table.add_row(
            str(cost.batch),
            f"{cost.plain_ms:.2f} ms",
            f"{cost.explained_ms:.2f} ms",
            f"{cost.paired_percent:+.1f} %",
            str(cost.repeats),
        )
    return table


def _list(console: Console, options: argparse.Namespace) -> None:
    graph = Graph(model_load(options.input).model)
    scores = scores_find(graph, options.scores)
    console.print(f"[bold]scores[/bold] {escape(scores)}, {_sizes(graph, scores)}")
    found = targets_list(graph, scores=scores)
    table = Table(box=None, pad_edge=False)
    for heading in ("CAM layer", "shape", "every way leads through it", ""):
        table.add_column(heading)
    try:
        default = target_find(graph, None, scores=scores)
    except NoTarget:
        default = None
    for candidate in found[:LISTED_MAXIMUM]:
        table.add_row(
            escape(candidate.name),
            _sizes(graph, candidate.name),
            "yes" if candidate.is_complete else "no",
            "default" if candidate.name == default else "",
        )
    console.print(table)
    if len(found) > LISTED_MAXIMUM:
        console.print(f"and {len(found) - LISTED_MAXIMUM} nearer to the image")
    console.print(f"[bold]methods[/bold] {', '.join(METHODS)}")


def _sizes(graph: Graph, name: str) -> str:
    return " x ".join("open" if size is None else str(size) for size in graph.shape(name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry explain",
        description="Add class heatmaps to an ONNX classifier, in the same run as its scores. No training framework is needed.",
    )
    parser.add_argument("input", type=Path, metavar="IN.onnx")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", nargs="?", help="not needed with --list")
    parser.add_argument("--target", metavar="NAME", help="the CAM layer (default: the last one with a spatial map)")
    parser.add_argument("--scores", metavar="NAME", help="the score tensor (default: what the softmax or sigmoid reads)")
    parser.add_argument("--method", choices=METHODS, default="grad-cam", help="default grad-cam; eigen-cam needs no gradients")
    parser.add_argument("--list", action="store_true", help="show the tensors to choose from and write nothing")
    parser.add_argument("--repeats", type=_positive, default=20, help="pairs of runs to measure the surcharge by (default 20)")
    parser.add_argument("--no-measure", action="store_true", help="do not run the models")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1")
    return int(text)
