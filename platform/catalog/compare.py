"""Two packages side by side, from their manifests: what differs, and what of it a person must not overlook.

Knows no HTTP and reads no file: a manifest lists every file with its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from catalog.models import ModelPackage

_LABELS = ("task", "classes", "output_activation")
_THRESHOLDS = ("suspicion", "calibration", "aggregation", "batch_sizes")
_PROVENANCE = ("name", "version", "title", "provenance", "intended_use")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact of both; None where a package does not state it."""

    field: str
    left: Any
    right: Any

    @property
    def same(self) -> bool:
        return bool(self.left == self.right)


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    rows: tuple[Row, ...]

    @property
    def same(self) -> bool:
        return all(row.same for row in self.rows)


class CautionCode(StrEnum):
    """Stable, for programs; src/strings/es-server.js says each in Spanish."""

    LABELS_REORDERED = "labels_reordered"
    LABELS_DIFFER = "labels_differ"
    TASKS_DIFFER = "tasks_differ"
    SUSPICION_DIFFERS = "suspicion_differs"
    THRESHOLD_DIFFERS = "threshold_differs"
    PREPROCESSING_DIFFERS = "preprocessing_differs"
    HEATMAPS_DIFFER = "heatmaps_differ"
    VIEWS_DIFFER = "views_differ"
    ACQUISITIONS_DIFFER = "acquisitions_differ"


@dataclass(frozen=True, slots=True)
class Caution:
    """What a person must not overlook. `message` says it with what each side states."""

    code: CautionCode
    message: str
    left: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`cautions` are for the person who is about to put one in the other's place."""

    sections: tuple[Section, ...]
    cautions: tuple[Caution, ...]


def packages_compare(*, left: ModelPackage, right: ModelPackage) -> Comparison:
    """Everything both manifests state, section by section, in the manifest's order."""
    one, other = left.manifest, right.manifest
    sections = (
        _section("labels", _chosen(one, _LABELS), _chosen(other, _LABELS)),
        _section("preprocessing", *(_flat({**m["preprocessing"], "input_shape": m.get("input_shape")}) for m in (one, other))),
        _section("explanation", _flat(one["explanation"]), _flat(other["explanation"])),
        _section("thresholds", _chosen(one, _THRESHOLDS), _chosen(other, _THRESHOLDS)),
        _section("metrics", _metrics(one), _metrics(other)),
        _section(
            "provenance",
            {**_chosen(one, _PROVENANCE), "signed_by": left.signed_by or None},
            {**_chosen(other, _PROVENANCE), "signed_by": right.signed_by or None},
        ),
        _section("files", _files(one), _files(other)),
    )
    return Comparison(sections=sections, cautions=tuple(_cautions(one, other)))


def _section(name: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Section:
    fields = [*left, *(field for field in right if field not in left)]
    return Section(name, tuple(Row(field, left.get(field), right.get(field)) for field in fields))


def _chosen(manifest: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return _flat({field: manifest.get(field) for field in fields})


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested facts under dotted names; a list of plain values stays one fact, so that its order is seen."""
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= _flat(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and any(isinstance(entry, Mapping) for entry in inner):
            for position, entry in enumerate(inner, start=1):
                label = entry.get("step", "") if isinstance(entry, Mapping) else ""
                flat |= _flat(entry, f"{prefix}{name} {position} {label}".rstrip() + ".")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat


def _metrics(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """By name; figures that share one (the same measure on two collections) are told apart by how they were measured."""
    metrics = manifest.get("metrics", [])
    names = [metric["name"] for metric in metrics]
    flat: dict[str, Any] = {}
    for metric in metrics:
        name = metric["name"] if names.count(metric["name"]) == 1 else f"{metric['name']} ({metric['method']})"
        flat |= {
            name: metric["value"],
            f"{name}, 95 % interval": [metric.get("low"), metric.get("high")],
            f"{name}, method": metric["method"],
        }
    return flat


def _files(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["path"]: entry["sha256"] for entry in manifest["files"]}


def _cautions(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Caution]:
    yield from _label_cautions(left, right)
    mine, theirs = left["suspicion"], right["suspicion"]
    if sorted(mine["classes"]) != sorted(theirs["classes"]):
        ours, others = " + ".join(mine["classes"]), " + ".join(theirs["classes"])
        words = f"Suspicion means something else: left {ours}, right {others}. The worklist's order will change its meaning."
        yield Caution(CautionCode.SUSPICION_DIFFERS, words, ours, others)
    if mine["threshold"] != theirs["threshold"]:
        ours, others = f"{mine['threshold']:g}", f"{theirs['threshold']:g}"
        words = f"Another operating point: suspicion is marked above {ours} on the left, {others} on the right."
        yield Caution(CautionCode.THRESHOLD_DIFFERS, words, ours, others)
    if left["preprocessing"] != right["preprocessing"]:
        words = "The images are prepared differently, so views that one can assess the other may not."
        yield Caution(CautionCode.PREPROCESSING_DIFFERS, words)
    ours, others = left["explanation"]["method"], right["explanation"]["method"]
    if ours != others:
        words = f"The heatmaps are made differently: left {ours}, right {others}."
        yield Caution(CautionCode.HEATMAPS_DIFFER, words, ours, others)
    for code, name in ((CautionCode.VIEWS_DIFFER, "views"), (CautionCode.ACQUISITIONS_DIFFER, "acquisitions")):
        ours, others = (", ".join(sorted(one["intended_use"][name])) or "—" for one in (left, right))
        if ours != others:
            yield Caution(code, f"They were made for different {name}: left {ours}, right {others}.", ours, others)


def _label_cautions(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Caution]:
    first, second = list(left["classes"]), list(right["classes"])
    if first != second:
        ours, others = ", ".join(first), ", ".join(second)
        words = f"left {ours}; right {others}"
        if sorted(first) == sorted(second):
            message = (
                f"The labels are the same but stand in another order: {words}. Read scores by their labels, never by position."
            )
            yield Caution(CautionCode.LABELS_REORDERED, message, ours, others)
        else:
            message = f"The labels differ: {words}. Results of the two cannot be compared label by label."
            yield Caution(CautionCode.LABELS_DIFFER, message, ours, others)
    ours, others = (str(one.get("task", "classification")) for one in (left, right))
    if ours != others:
        yield Caution(CautionCode.TASKS_DIFFER, f"The tasks differ: left {ours}, right {others}.", ours, others)
