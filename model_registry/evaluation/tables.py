"""Tables of an evaluation: by class, confusion matrix, calibration. Each makes one Table of arrays; see report for the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_registry.evaluation.bootstrap import Estimate, Resampling, Statistic, mean_of
from model_registry.evaluation.calibration import calibration_error_of
from model_registry.evaluation.classification import Confusions, f1, precision, recall
from model_registry.evaluation.result import Cell, Table, percent


def classes_table(
    confusions: Confusions, areas: dict[str, tuple[Estimate, Estimate]], classes: Sequence[str], resampling: Resampling
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for index, name in enumerate(classes):
        figures = (
            resampling.estimate(confusions.statistic(lambda matrix, f=figure, i=index: f(matrix)[..., i]))  # type: ignore[misc]
            for figure in (precision, recall, f1)
        )
        rows.append((name, int((confusions.labels == index).sum()), *figures, *areas[name]))
    return Table(
        name="classes",
        title="By class",
        columns=("Class", "Images", "Precision", "Recall", "F1", "AUC", "Average precision"),
        rows=tuple(rows),
        note="Precision, recall and F1 are those of the most probable class; AUC and average precision are against the rest.",
    )


def confusion_table(confusions: Confusions, classes: Sequence[str]) -> Table:
    matrix = confusions.matrix(np.ones((1, len(confusions.labels))))[0].astype(int)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(f"{count} ({percent(count / max(1, row.sum()))})" for count in row), int(row.sum()))
        for name, row in zip(classes, matrix, strict=True)
    )
    return Table(
        name="confusion",
        title="Confusion matrix",
        columns=("True class", *(f"named {name}" for name in classes), "Images"),
        rows=rows,
        note="Rows are true classes, columns the most probable class; percentages are of the row.",
    )


def calibration_table(
    *,
    before: np.ndarray,
    after: np.ndarray,
    positive: np.ndarray,
    likelihoods: Sequence[np.ndarray],
    resampling: Resampling,
    words: str,
) -> Table:
    def pair(make: Sequence[Statistic]) -> tuple[Cell, ...]:
        return tuple(resampling.estimate(statistic) for statistic in make)

    scores = (before, after)
    rows: list[tuple[Cell, ...]] = [
        ("Expected calibration error, bins of equal count", *pair([calibration_error_of(s, positive) for s in scores])),
        (
            "Expected calibration error, bins of equal width",
            *pair([calibration_error_of(s, positive, binning="equal_width") for s in scores]),
        ),
        ("Largest error of a bin of equal count", *pair([calibration_error_of(s, positive, worst=True) for s in scores])),
        ("Brier score", *pair([mean_of((s - positive) ** 2) for s in scores])),
        ("Negative log-likelihood, all classes", *pair([mean_of(values) for values in likelihoods])),
    ]
    return Table(
        name="calibration",
        title="Calibration of suspicion",
        columns=("Figure", "As the network says", "Calibrated"),
        rows=tuple(rows),
        note=f"{words} Ten bins. Errors of calibration are never negative, so their intervals lean upwards.",
    )


def temperature_words(temperature: float, *, given: bool, crossed: bool) -> str:
    start = f"Temperature {temperature:.3f}."
    if given:
        return f"{start} It is the package's own, as it stands: nothing was fitted on these cases."
    if crossed:
        return f"{start} The figures are of temperatures fitted on other patients than those they are judged on."
    return f"{start} Too few patients to judge it on others than it was fitted on: the figures are optimistic."
