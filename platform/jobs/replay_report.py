"""Whether a replay gave the answer of the job it repeats: identical within a stated tolerance, or exactly where it differs.

Pure functions of two results as the worker reported them. Different devices sum in different orders, so numbers are compared with
a tolerance; labels, assessments and digests must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Absolute for probabilities, relative to the larger of 1 and the value for logits.
SCORE_TOLERANCE = 1e-4
#: Relative: a map's maximum before scaling.
MAP_TOLERANCE = 1e-3
_EQUAL = ("label", "assessment")
_SCORES = ("logits", "probabilities", "calibrated_probabilities")


@dataclass(frozen=True, slots=True)
class Difference:
    """`where` is a path such as “images[0].logits.benign”; `difference` is absolute, or relative for maps; None for words."""

    where: str
    left: Any
    right: Any
    difference: float | None


def results_compare(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """Every difference beyond tolerance between two StudyResults as JSON; empty when they say the same."""
    return list(_differences(left, right))


def _differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for name in ("package_digest", "preprocessing_digest", "classes", "targets", "explanation_method"):
        if left[name] != right[name]:
            yield Difference(name, left[name], right[name], None)
    yield from _scored("study", left["study"], right["study"])
    for name in ("breasts", "images"):
        if len(left[name]) != len(right[name]):
            yield Difference(f"{name}.length", len(left[name]), len(right[name]), None)
        for index, (one, other) in enumerate(zip(left[name], right[name], strict=False)):
            yield from _scored(f"{name}[{index}]", one, other)
    for index, (one, other) in enumerate(zip(left["images"], right["images"], strict=False)):
        yield from _maps(f"images[{index}]", one, other)


def _scored(where: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _EQUAL:
        if left[name] != right[name]:
            yield Difference(f"{where}.{name}", left[name], right[name], None)
    for name in _SCORES:
        ours, theirs = left.get(name) or {}, right.get(name) or {}
        for label in sorted({*ours, *theirs}):
            yield from _numbers(f"{where}.{name}.{label}", ours.get(label), theirs.get(label), relative=name == "logits")
    yield from _numbers(f"{where}.suspicion", left.get("suspicion"), right.get("suspicion"))


def _maps(where: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    ours = {heatmap["target"]: heatmap["raw_maximum"] for heatmap in left["heatmaps"]}
    theirs = {heatmap["target"]: heatmap["raw_maximum"] for heatmap in right["heatmaps"]}
    for target in sorted({*ours, *theirs}):
        one, other = ours.get(target), theirs.get(target)
        path = f"{where}.heatmaps.{target}.raw_maximum"
        if one is None or other is None:
            yield Difference(path, one, other, None)
            continue
        relative = abs(one - other) / max(abs(one), abs(other), 1e-12)
        if relative > MAP_TOLERANCE and abs(one - other) > 1e-9:
            yield Difference(path, one, other, relative)


def _numbers(where: str, left: float | None, right: float | None, *, relative: bool = False) -> Iterator[Difference]:
    if left is None or right is None:
        if left is not right:
            yield Difference(where, left, right, None)
        return
    tolerance = SCORE_TOLERANCE * (max(1.0, abs(left)) if relative else 1.0)
    if abs(left - right) > tolerance:
        yield Difference(where, left, right, abs(left - right))
