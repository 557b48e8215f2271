"""An evaluation as pictures: SVG files with real text, on white so that they read in a light page and a dark one.

The same evaluation gives the same bytes: ids are salted alike, and no date or version is written. Draws; computes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from model_registry.evaluation import benchmark
from model_registry.evaluation.bootstrap import Estimate
from model_registry.evaluation.markdown import plot_names
from model_registry.evaluation.result import Curve, Evaluation, percent

# Okabe and Ito (2008): told apart by colour-blind readers. Normal blue, benign green, malignant red, as on the pages.
INK, GREY, FAINT = "#1f2933", "#6b7785", "#d5dbe1"
MAIN = "#243b53"
BENCHMARK_COLOUR = "#b4540a"
PALETTE = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#555555")
NAMED = (("normal", "#0072b2"), ("benign", "#009e73"), ("malignant", "#c8102e"), ("cancer", "#c8102e"))
POINTS_MAXIMUM = 400

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mammoserve",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "path.simplify": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.1,
}


def plots_draw(evaluation: Evaluation) -> dict[str, bytes]:
    """File name → SVG bytes, for every plot that report and card link."""
    drawn: dict[str, Callable[[Evaluation], Figure]] = {
        "plots/roc.svg": roc_figure,
        "plots/pr.svg": precision_recall_figure,
        "plots/reliability.svg": reliability_figure,
        "plots/confusion.svg": confusion_figure,
        "plots/scores.svg": scores_figure,
        "plots/subgroups.svg": subgroups_figure,
    }
    with mpl.rc_context(STYLE):
        return {name: _svg(drawn[name](evaluation)) for name in plot_names(evaluation)}


def class_colours(classes: Sequence[str]) -> list[str]:
    """A colour a class: the pages' where the names say which, else one of the palette each."""
    found = [next((colour for word, colour in NAMED if word == name.lower()), "") for name in classes]
    return found if all(found) and len(set(found)) == len(found) else [PALETTE[i % len(PALETTE)] for i in range(len(classes))]


def roc_figure(evaluation: Evaluation) -> Figure:
    figure, axes = _square("1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
    main, *others = evaluation.curves.roc
    if main.band is not None:
        grid, low, high = main.band
        axes.fill_between(grid, low, high, color=MAIN, alpha=0.14, linewidth=0, step="post")
    _step(axes, main, color=MAIN, linewidth=2.2, label=_labelled(f"Suspicion: {main.name}", main.area))
    for curve, colour in zip(others, _colours_of(evaluation, others), strict=True):
        _step(axes, curve, color=colour, linewidth=1.1, label=_labelled(f"{curve.name} against the rest", curve.area))
    point = evaluation.operating_point
    if np.isfinite([point.sensitivity, point.specificity]).all():
        label = f"Operating point: {percent(point.sensitivity)} / {percent(point.specificity)}"
        axes.plot(1 - point.specificity, point.sensitivity, "o", color=MAIN, markersize=7, zorder=5, label=label)
    reference: dict[str, Any] = {"color": BENCHMARK_COLOUR, "linewidth": 0.9, "linestyle": (0, (2, 3)), "zorder": 2}
    axes.axhline(benchmark.SENSITIVITY, **reference)
    axes.axvline(1 - benchmark.SPECIFICITY, **reference)
    axes.plot(
        1 - benchmark.SPECIFICITY,
        benchmark.SENSITIVITY,
        "P",
        color=BENCHMARK_COLOUR,
        markeredgecolor="white",
        markersize=10,
        zorder=6,
        linestyle="none",
        label=f"US radiologists, screening: {percent(benchmark.SENSITIVITY, 1)} / {percent(benchmark.SPECIFICITY, 1)}",
    )
    _legend_below(figure, axes)
    return figure


def precision_recall_figure(evaluation: Evaluation) -> Figure:
    figure, axes = _square("Recall (sensitivity)", "Precision")
    main, *others = evaluation.curves.precision_recall
    axes.axhline(
        main.base, color=GREY, linewidth=1, linestyle=(0, (4, 3)), label=f"A useless score: {main.base:.2f}, the prevalence"
    )
    _step(axes, main, color=MAIN, linewidth=2.2, label=_labelled(f"Suspicion: {main.name}", main.area, "AP"), backwards=True)
    for curve, colour in zip(others, _colours_of(evaluation, others), strict=True):
        label = _labelled(f"{curve.name} against the rest", curve.area, "AP")
        _step(axes, curve, color=colour, linewidth=1.1, label=label, backwards=True)
    _legend_below(figure, axes)
    return figure


def reliability_figure(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(5.4, 6.2), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
    before, after = evaluation.curves.reliability_before, evaluation.curves.reliability
    axes.plot([b.predicted for b in before], [b.observed for b in before], "o-", color="#9fb3c8", markersize=4, linewidth=1)
    observed = np.array([b.observed for b in after])
    spread = [observed - [b.low for b in after], np.array([b.high for b in after]) - observed]
    axes.errorbar(
        [b.predicted for b in after],
        observed,
        np.maximum(spread, 0),
        fmt="o-",
        color=MAIN,
        markersize=5,
        linewidth=1.8,
        elinewidth=1,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="Observed share of positives")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(
        [axes.lines[0], axes.lines[1], axes.containers[0]],
        ["Perfect", "As the network says", "Calibrated, with 95 % intervals"],
        loc="upper left",
    )
    edges = evaluation.curves.edges
    total = sum(evaluation.curves.histograms.values())
    counts.bar(edges[:-1], total, width=np.diff(edges), align="edge", color="#9fb3c8", edgecolor="white", linewidth=0.6)
    counts.set(xlabel="Calibrated suspicion", ylabel="Images")
    return figure


def confusion_figure(evaluation: Evaluation) -> Figure:
    matrix, classes = evaluation.curves.confusion, evaluation.classes
    size = 1.9 + 0.95 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1.25, edgecolors="white", linewidth=2)
    for row, column in np.ndindex(matrix.shape):
        colour = "white" if shares[row, column] > 0.6 else INK
        centre = (column + 0.5, row + 0.5)
        axes.annotate(
            f"{matrix[row, column]:,}", centre, (0, 3), textcoords="offset points", ha="center", va="bottom", color=colour
        )
        axes.annotate(
            percent(shares[row, column]),
            centre,
            (0, -2),
            textcoords="offset points",
            ha="center",
            va="top",
            color=colour,
            fontsize=8,
        )
    places = np.arange(len(classes)) + 0.5
    turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if max(map(len, classes)) > 10 else {}
    axes.set_xticks(places, classes, **turned)
    axes.set_yticks(places, classes)
    axes.set(xlabel="Most probable class", ylabel="True class", aspect="equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def scores_figure(evaluation: Evaluation) -> Figure:
    classes, edges = evaluation.classes, evaluation.curves.edges
    figure = Figure(figsize=(5.8, 0.9 + 1.05 * len(classes)), layout="constrained")
    rows = np.atleast_1d(figure.subplots(len(classes), 1, sharex=True))
    threshold = evaluation.operating_point.threshold
    for index, (axes, name, colour) in enumerate(zip(rows, classes, class_colours(classes), strict=True)):
        counts = evaluation.curves.histograms[name]
        shares = counts / max(1, counts.sum())
        axes.bar(
            edges[:-1], shares, width=np.diff(edges), align="edge", color=colour, alpha=0.85, edgecolor="white", linewidth=0.6
        )
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title(f"{name}, {counts.sum():,} images", loc="left", fontsize=9.5, pad=3)
        axes.set(xlim=(0, 1), ylim=(0, max(0.05, float(shares.max())) * 1.12), yticks=())
        axes.spines["left"].set_visible(False)
        if index == 0:
            side = ("left", 5) if threshold < 0.6 else ("right", -5)
            axes.annotate(
                f"threshold {threshold:.2f}",
                (threshold, 1.0),
                (side[1], 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha=side[0],
                va="top",
                fontsize=8.5,
            )
    rows[-1].set_xlabel("Calibrated suspicion; height is the share of the class")
    rows[-1].xaxis.set_major_formatter(PercentFormatter(1))
    return figure


def subgroups_figure(evaluation: Evaluation) -> Figure:
    rows = evaluation.curves.subgroups
    main = evaluation.curves.roc[0]
    figure = Figure(figsize=(7.0, 1.3 + 0.3 * (len(rows) + len({row.attribute for row in rows}))), layout="constrained")
    axes = figure.subplots()
    lowest = min([0.45, *(row.area.low for row in rows)]) - 0.02
    if main.area.is_defined:
        axes.axvspan(main.area.low, main.area.high, color=MAIN, alpha=0.1, linewidth=0)
        axes.axvline(main.area.value, color=MAIN, linewidth=1)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    place, labels, places, attribute = 0, [], [], ""
    for row in rows:
        if row.attribute != attribute:
            attribute, place = row.attribute, place + 1
            axes.annotate(
                attribute, (0, place - 0.05), (-6, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                ha="right", va="center", fontsize=9, color=GREY, fontweight="bold",
            )  # fmt: skip
            place += 1
        area = row.area
        axes.plot([area.low, area.high], [place, place], color=INK, linewidth=1.4)
        axes.plot(area.value, place, "s", color=INK, markersize=5)
        axes.annotate(
            f"{area.value:.2f} ({area.low:.2f}–{area.high:.2f})", (1.02, place), xycoords=axes.get_yaxis_transform(),
            va="center", fontsize=8.5,
        )  # fmt: skip
        star = " *" if row.against_all else ""
        labels.append(f"{row.value}{star}  ({row.positives} / {row.negatives})")
        places.append(place)
        place += 1
    axes.set_yticks(places, labels)
    axes.set(xlim=(lowest, 1.0), ylim=(place - 0.4, 0.4), xlabel="AUC of suspicion; line and band: all cases; dashed: chance")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def _square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.8, 6.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color="#edf0f3", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _legend_below(figure: Figure, axes: Axes) -> None:
    """Under the plot: a legend inside would sooner or later hide a curve."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=1)


def _step(axes: Axes, curve: Curve, *, color: str, linewidth: float, label: str, backwards: bool = False) -> None:
    keep = np.unique(np.linspace(0, len(curve.x) - 1, min(len(curve.x), POINTS_MAXIMUM)).round().astype(int))
    style = "steps-pre" if backwards else "default"
    axes.plot(
        curve.x[keep], curve.y[keep], color=color, linewidth=linewidth, label=label, drawstyle=style, solid_joinstyle="round"
    )


def _colours_of(evaluation: Evaluation, curves: Sequence[Curve]) -> list[str]:
    colours = dict(zip(evaluation.classes, class_colours(evaluation.classes), strict=True))
    return [colours[curve.name] for curve in curves]


def _labelled(words: str, area: Estimate, name: str = "AUC") -> str:
    if not area.is_defined:
        return f"{words}, {name} not defined"
    return f"{words}, {name} {area.value:.2f} ({area.low:.2f}–{area.high:.2f})"


def _svg(figure: Figure) -> bytes:
    FigureCanvasSVG(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    # drawn with the widths of DejaVu Sans; a reader without it takes one about as wide
    return stream.getvalue().replace(b"'DejaVu Sans'", b"'DejaVu Sans', Verdana, sans-serif")
