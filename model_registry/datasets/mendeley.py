"""Two Mendeley collections of 227-pixel mass images by Lin and Huang, each original turned into dozens of copies before
publication.

`mendeley-density` (x7bvzv6cvr): folders Density1Benign to Density4Malignant, from INbreast. `mendeley-masses` (ywsbh3ndr8):
"INbreast Dataset", "MIAS Dataset", "DDSM Dataset" and their union, each with "Benign Masses" and "Malignant Masses".

Traps: "20586908 (3).png" is a rotated or mirrored copy of image 20586908, so an image-level split puts copies of one original
on both sides: the 98 % accuracies published on these collections are that. Copies are kept together by the name before the
brackets, and where that name tells the woman (a DDSM case, a mini-MIAS pair of films), by woman. The union repeats the other
three folders and is read only where they are missing. Some cases lie in both the benign and the malignant folder. Copies
carry no lesion marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tree import Tree, media_type_of

DENSITY_CLASSES = tuple(f"Density{density}{finding}" for density in range(1, 5) for finding in ("Benign", "Malignant"))
MASS_CLASSES = ("benign", "malignant")
_DENSITY_FOLDER = re.compile(r"^density([1-4])(benign|malign(?:ant)?)$", re.IGNORECASE)
_MASS_FOLDERS = {"benign masses": "benign", "malignant masses": "malignant"}
_UNION = "inbreast+mias+ddsm dataset"
_COPY = re.compile(r"^(.+?)\s*(?:\((\d+)\))?\.\w+$")
_INBREAST = re.compile(r"^\d{8}$")
_MIAS = re.compile(r"^mdb(\d{3})", re.IGNORECASE)
_DDSM = re.compile(r"^(?:D\d_)?([A-D]_\d{4}_\d)(?:\.(LEFT|RIGHT)_(CC|MLO))?", re.IGNORECASE)
_AUTHORS = "Huang M-L, Lin T-Y"
_ABOUT_DENSITY = About(
    "mendeley-density",
    "INbreast masses by density and finding (Mendeley x7bvzv6cvr)",
    f"{_AUTHORS}. Mendeley Data. https://doi.org/10.17632/x7bvzv6cvr.1. {_AUTHORS} (2020). Dataset of breast mammography images "
    "with masses. Data in Brief 31, 105928.",
    "CC BY 4.0 by its page; its originals are INbreast's, with INbreast's terms",
)
_ABOUT_MASSES = About(
    "mendeley-masses",
    "Masses of INbreast, MIAS and DDSM (Mendeley ywsbh3ndr8)",
    "Lin T-Y, Huang M-L (2020). Dataset of breast mammography images with masses. Mendeley Data, V2. "
    "https://doi.org/10.17632/ywsbh3ndr8.2. Data in Brief 31, 105928.",
    "CC BY 4.0 by its page; its originals keep the terms of INbreast, MIAS and DDSM",
)
_COPIES = "Most images are augmented copies: count originals, not files, and augment nothing further before splitting."


def density_recognise(tree: Tree) -> str | None:
    folders = {part.lower() for name in tree.images for part in name.split("/")[:-1] if _DENSITY_FOLDER.match(part)}
    return f"{len(folders)} folders named Density<1-4><Benign|Malignant>" if len(folders) >= 2 else None


def density_dataset(tree: Tree) -> Dataset:
    """Eight classes in the order of their names. Raises DatasetError when no image lies in such a folder."""
    problems = list(tree.problems)
    records = []
    for name in tree.images:
        folder = next(filter(None, map(_DENSITY_FOLDER.match, reversed(name.split("/")[:-1]))), None)
        if folder is None:
            problems.append(Problem("dataset:label_missing", "no folder above says density and finding", name))
            continue
        label = f"Density{folder[1]}{'Benign' if folder[2].lower() == 'benign' else 'Malignant'}"
        records.append(_record(name, label, {"density": folder[1]}, tree=tree, problems=problems))
    return dataset_assemble(
        about=_ABOUT_DENSITY, classes=DENSITY_CLASSES, records=records, problems=_torn(records, problems), notes=(_COPIES,)
    )


def masses_recognise(tree: Tree) -> str | None:
    found = [name for name in ("Benign Masses", "Malignant Masses") if tree.inside(name)]
    return f"folders {' and '.join(found)}" if found else None


def masses_dataset(tree: Tree) -> Dataset:
    """`attributes["source"]` says which collection an image is from. Raises DatasetError when no image lies in such a folder."""
    problems = list(tree.problems)
    found = list(_masses(tree))
    whole = [entry for entry in found if entry[2] == _UNION]
    if whole and len(whole) < len(found):
        problems.append(
            Problem("dataset:folder_unused", f"{len(whole)} images of the union repeat the single folders", whole[0][0])
        )
        found = [entry for entry in found if entry[2] != _UNION]
    records = [_record(name, label, {"source": _source(name)}, tree=tree, problems=problems) for name, label, _ in found]
    return dataset_assemble(
        about=_ABOUT_MASSES, classes=MASS_CLASSES, records=records, problems=_torn(records, problems), notes=(_COPIES,)
    )


def _masses(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """File, label and the folder of the collection, in lower case."""
    for name in tree.images:
        parts = name.lower().split("/")
        for depth in range(len(parts) - 2, -1, -1):
            if parts[depth] in _MASS_FOLDERS:
                yield name, _MASS_FOLDERS[parts[depth]], parts[depth - 1] if depth else tree.root.name.lower()
                break


def _source(name: str) -> str:
    original = name.rsplit("/", 1)[-1]
    if _DDSM.match(original):
        return "DDSM"
    return "MIAS" if _MIAS.match(original) else "INbreast" if re.match(r"\d{8}\b", original) else "unknown"


def _record(name: str, label: str, attributes: dict[str, str], *, tree: Tree, problems: list[Problem]) -> ImageRecord:
    file = name.rsplit("/", 1)[-1]
    parsed = _COPY.match(file)
    original = parsed[1] if parsed else file
    ddsm, mias = _DDSM.match(original), _MIAS.match(original)
    patient = ddsm[1].upper() if ddsm else f"mias-p{(int(mias[1]) + 1) // 2:03d}" if mias else None
    is_known = bool(patient) or bool(_INBREAST.match(original))
    if not is_known:
        problems.append(Problem("dataset:original_unknown", "the name does not tell which original this is a copy of", name))
    return ImageRecord(
        image_id=name.rsplit(".", 1)[0],
        path=tree.path(name),
        media_type=media_type_of(name) or "",
        label=label,
        patient_id=patient,
        image_laterality=ddsm[2][0].upper() if ddsm and ddsm[2] else None,
        view_position=ddsm[3].upper() if ddsm and ddsm[3] else "MLO" if mias else None,
        is_located=False,
        attributes=attributes,
        source_image_id=original.lower() if is_known else None,
    )


def _torn(records: list[ImageRecord], problems: list[Problem]) -> list[Problem]:
    """Originals whose copies carry two labels: no model can learn both."""
    labels: dict[str, set[str]] = {}
    for record in records:
        if record.source_image_id:
            labels.setdefault(record.source_image_id, set()).add(record.label)
    for original, names in sorted(labels.items()):
        if len(names) > 1:
            problems.append(Problem("dataset:label_conflict", f"copies of {original} are labelled {' and '.join(sorted(names))}"))
    return problems
