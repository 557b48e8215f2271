"""Which collections can be read, and how a folder is recognised as one of them.

To add one: a module with a function that says why a tree is this collection (or None) and one that reads it, and a line in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_registry.datasets import cbis_ddsm, class_folders, ddsm, inbreast, mendeley, mias, mini_ddsm
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset
from model_registry.datasets.tree import Tree

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Kind:
    """`recognise` says why a tree is this collection, or None. `origins` are the collections its films come from."""

    summary: str
    recognise: Callable[[Tree], str | None]
    read: Callable[..., Dataset]
    origins: frozenset[str]


KINDS: dict[str, Kind] = {
    "mias": Kind("mini-MIAS, 512-pixel PNGs", mias.mias_recognise, mias.mias_dataset, frozenset({"MIAS"})),
    "mini-mias": Kind("mini-MIAS as published", mias.mini_mias_recognise, mias.mini_mias_dataset, frozenset({"MIAS"})),
    "cbis-ddsm": Kind("CBIS-DDSM, DICOM", cbis_ddsm.recognise, cbis_ddsm.cbis_ddsm_dataset, frozenset({"DDSM"})),
    "cbis-ddsm-jpeg": Kind("CBIS-DDSM, JPEG mirror", cbis_ddsm.recognise_jpeg, cbis_ddsm.cbis_ddsm_dataset, frozenset({"DDSM"})),
    "inbreast": Kind("INbreast", inbreast.recognise, inbreast.inbreast_dataset, frozenset({"INbreast"})),
    "mini-ddsm": Kind("Mini-DDSM", mini_ddsm.recognise, mini_ddsm.mini_ddsm_dataset, frozenset({"DDSM", "DDSM normals"})),
    "ddsm": Kind("DDSM volumes as PNG or JPEG", ddsm.recognise, ddsm.ddsm_dataset, frozenset({"DDSM normals"})),
    "mendeley-density": Kind(
        "Mendeley x7bvzv6cvr", mendeley.density_recognise, mendeley.density_dataset, frozenset({"INbreast"})
    ),
    "mendeley-masses": Kind(
        "Mendeley ywsbh3ndr8", mendeley.masses_recognise, mendeley.masses_dataset, frozenset({"INbreast", "MIAS", "DDSM"})
    ),
    "class-folders": Kind("a folder per class", class_folders.recognise, class_folders.class_folders_dataset, frozenset()),
}
# what nearly every folder of images looks like: asked only when nothing else fits
FALLBACK = "class-folders"


def dataset_read(path: Path, *, kind: str = AUTO, options: Mapping[str, Any] | None = None) -> Dataset:
    """Read the collection that lies at `path`. `options` are the loader's own, such as inbreast's `label_of_birads`.

    Raises DatasetError: `dataset:folder_missing`, `dataset:kind_unknown`, `dataset:not_recognised`, `dataset:ambiguous` (several
    collections in one folder), `dataset:option_unknown`, and what the loader raises. Smaller faults are Dataset.problems.
    """
    if kind != AUTO and kind not in KINDS:
        raise DatasetError("dataset:kind_unknown", f"{kind!r} is none of {AUTO}, {', '.join(KINDS)}")
    tree = Tree(path)
    reason = f"asked for as {kind}"
    if kind == AUTO:
        kind, reason = kind_recognise(tree)
    try:
        dataset = KINDS[kind].read(tree, **(options or {}))
    except TypeError as error:
        if options and "unexpected keyword argument" in str(error):
            raise DatasetError("dataset:option_unknown", f"{kind} has no option {sorted(options)}") from error
        raise
    return replace(dataset, kind=kind, reason=reason)


def kind_recognise(tree: Tree) -> tuple[str, str]:
    """The one kind that fits and why. Raises DatasetError when none or several do."""
    found = {name: why for name, kind in KINDS.items() if name != FALLBACK and (why := kind.recognise(tree))}
    if len(found) > 1:
        listed = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise DatasetError("dataset:ambiguous", f"several collections lie here ({listed}); name one, or its own folder")
    if found:
        return next(iter(found.items()))
    if why := KINDS[FALLBACK].recognise(tree):
        return FALLBACK, why
    raise DatasetError(
        "dataset:not_recognised",
        f"{len(tree.files)} files, {len(tree.images)} of them images, are none of: "
        + ", ".join(f"{name} ({kind.summary})" for name, kind in KINDS.items()),
    )
