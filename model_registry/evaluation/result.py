"""What an evaluation finds: figures for the manifest, tables and curves for people. Plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model_registry.evaluation.bootstrap import Estimate
from model_registry.evaluation.calibration import ReliabilityBin
from model_registry.evaluation.discrimination import OperatingPoint
from model_registry.packaging.manifest import Metric

Cell = str | int | float | Estimate | None


def percent(share: float, decimals: int = 0) -> str:
    """A share as people read it: "87 %"; "not defined" where it is not."""
    return f"{100 * share:.{decimals}f} %" if math.isfinite(share) else "not defined"


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is stable, `title` and `note` are for people. None is a figure that these cases do not define."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A ROC (x = 1 − specificity, y = sensitivity) or precision–recall curve (x = recall, y = precision).

    `band` is (grid, low, high), the 95 % interval of y at each x of the grid, where it was computed. `base` is the y of a useless
    score on a precision–recall curve: the prevalence.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    area: Estimate
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    base: float = 0.0


@dataclass(frozen=True, slots=True)
class Subgroup:
    """AUC of suspicion in the cases where `attribute` is `value`; `against_all`: it holds no negative of its own."""

    attribute: str
    value: str
    positives: int
    negatives: int
    area: Estimate
    against_all: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What the plots are drawn from. `confusion` (true, named) counts; `histograms` class name → counts between `edges`."""

    roc: tuple[Curve, ...]
    precision_recall: tuple[Curve, ...]
    reliability_before: tuple[ReliabilityBin, ...]
    reliability: tuple[ReliabilityBin, ...]
    confusion: np.ndarray
    edges: np.ndarray
    histograms: Mapping[str, np.ndarray]
    subgroups: tuple[Subgroup, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """`metrics` go into the manifest; `temperature` and `operating_point` are what the package declares because of them.

    `suspicion_words` names the contrast ("abnormal against normal"). `warnings` are sentences that must stand beside the figures.
    """

    metrics: tuple[Metric, ...]
    temperature: float
    operating_point: OperatingPoint
    method: str
    classes: tuple[str, ...]
    suspicion_words: str
    images: int
    patients: int
    tables: tuple[Table, ...]
    curves: Curves
    warnings: tuple[str, ...] = field(default_factory=tuple)

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)

    def metric(self, name: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file: figures, tables and curves; what is not defined is null."""
        return {
            "method": self.method,
            "images": self.images,
            "patients": self.patients,
            "classes": list(self.classes),
            "suspicion": self.suspicion_words,
            "warnings": list(self.warnings),
            "temperature": plain(self.temperature),
            "operating_point": plain(self.operating_point),
            "metrics": [metric.model_dump(mode="json") for metric in self.metrics],
            "tables": {table.name: plain(table) for table in self.tables},
            "curves": plain(self.curves),
        }


def plain(value: Any) -> Any:
    """Dataclasses, arrays and numbers as JSON values, floats to six digits; NaN and infinities are null."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return int(value) if isinstance(value, np.integer) else value
