"""An evaluation as plain Markdown: what model cards and reports share. No raw HTML; text that came with the data is escaped."""

from __future__ import annotations

import math
import re

from model_registry.evaluation import benchmark
from model_registry.evaluation.bootstrap import Estimate
from model_registry.evaluation.result import Cell, Evaluation, Table, percent

PLOT_TITLES = {
    "plots/roc.svg": "ROC curve of suspicion with its 95 % band",
    "plots/pr.svg": "Precision and recall of suspicion",
    "plots/reliability.svg": "Calibrated suspicion against what was observed",
    "plots/confusion.svg": "Confusion matrix",
    "plots/scores.svg": "Calibrated suspicion by true class",
    "plots/subgroups.svg": "AUC of suspicion by subgroup",
}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def text_escape(text: str) -> str:
    """Text from outside as literal Markdown on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def cell_text(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Estimate):
        if not cell.is_defined:
            return "–"
        return f"{cell.value:.3f} ({cell.low:.3f} to {cell.high:.3f})"
    if isinstance(cell, float):
        return f"{cell:.3f}" if math.isfinite(cell) else "–"
    return text_escape(cell) if isinstance(cell, str) else f"{cell:,}"


def table_markdown(table: Table) -> list[str]:
    """The table and its note, as lines."""
    numbers = ["---" if isinstance(cell, str) else "---:" for cell in table.rows[0]] if table.rows else []
    lines = [
        _row([text_escape(name) for name in table.columns]),
        _row(numbers or ["---"] * len(table.columns)),
        *(_row([cell_text(cell) for cell in row]) for row in table.rows),
    ]
    return [*lines, "", *([table.note, ""] if table.note else [])]


def figures_markdown(evaluation: Evaluation) -> list[str]:
    """Every metric with its interval, as lines."""
    rows = [
        _row([metric.name, f"{metric.value:.3f}", "–" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"])
        for metric in evaluation.metrics
    ]
    return [_row(["Figure", "Value", "95 % interval"]), _row(["---", "---:", "---:"]), *rows, ""]


def evaluation_markdown(evaluation: Evaluation, *, level: int = 2) -> list[str]:
    """Figures, tables and plots with their explanations, headings from `level` on, as lines. Plots are plots/NAME.svg."""
    heading, plots = "#" * level, plot_names(evaluation)
    point = evaluation.operating_point
    lines = [
        *(line for warning in evaluation.warnings for line in (f"> **Warning.** {warning}", "")),
        f"{heading} Figures",
        "",
        f"{evaluation.method}: {evaluation.images:,} images of {evaluation.patients:,} patients (images, where patients are not "
        f"known). 95 % intervals by bootstrap over them. Suspicion tells {evaluation.suspicion_words}.",
        "",
        *figures_markdown(evaluation),
        f"Operating point: calibrated suspicion above {point.threshold:.3f} gives sensitivity "
        f"{percent(point.sensitivity, 1)} and specificity {percent(point.specificity, 1)} on these cases.",
        "",
        *_plot("plots/roc.svg", plots),
        benchmark.WORDS,
        "",
        *_plot("plots/pr.svg", plots),
    ]
    placed = {
        "confusion": ("plots/confusion.svg",),
        "calibration": ("plots/reliability.svg", "plots/scores.svg"),
        "subgroups": ("plots/subgroups.svg",),
    }
    for table in evaluation.tables:
        lines += [f"{heading} {table.title}", "", *table_markdown(table)]
        for name in placed.get(table.name, ()):
            lines += _plot(name, plots)
    return lines


def plot_names(evaluation: Evaluation) -> tuple[str, ...]:
    """The plots there are for this evaluation."""
    missing = () if evaluation.curves.subgroups else ("plots/subgroups.svg",)
    return tuple(name for name in PLOT_TITLES if name not in missing)


def _plot(name: str, plots: tuple[str, ...]) -> list[str]:
    return [f"![{PLOT_TITLES[name]}]({name})", ""] if name in plots else []


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
