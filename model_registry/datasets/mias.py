"""mini-MIAS, 322 digitised film mammograms (MLO) of 161 women, in two layouts.

`mias`: 512-pixel PNGs with labels.csv and lesions.csv, folds by woman given. `mini-mias`: the published Info.txt and
1024-pixel PGMs.

Traps: the image number correlates with the class, so splits are by woman, two consecutive films each; mdb144 carries a benign
and a malignant finding and counts as malignant; some abnormal images have no circle; circles of mdb212 and mdb214 lie off the
breast; Info.txt counts rows from the bottom; its sides are wrong (odd numbers are left breasts); an image with several
findings has several lines. Where an abnormal image has no circle on the breast, nothing is known about its cells:
`is_located` says so. Reads files only; preprocessing is model_registry.preprocessing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import LesionCircle
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tables import table_read
from model_registry.datasets.tree import Tree, media_type_of

__all__ = ["CLASSES", "DatasetError", "MiasImage", "mias_dataset", "mias_read", "mini_mias_dataset"]

CLASSES = ("normal", "benign", "malignant")
SEVERITIES = {"B": 1, "M": 2}
# the circle's centre lies on film, not on tissue, by inspection of the truth file against the images
OFF_BREAST = frozenset({"mdb212", "mdb214"})
ORIGINAL_ROWS = 1024
# the collection's own codes, as people read them in tables
DENSITIES = {"F": "fatty", "G": "fatty-glandular", "D": "dense-glandular"}
FINDINGS = {
    "NORM": "normal",
    "CALC": "calcification",
    "CIRC": "circumscribed mass",
    "SPIC": "spiculated mass",
    "MISC": "ill-defined mass",
    "ARCH": "architectural distortion",
    "ASYM": "asymmetry",
}

CITATION = (
    "Suckling J, Parker J, Dance D, Astley S, Hutt I, Boggis C, Ricketts I, et al. (2015). Mammographic Image Analysis Society "
    "(MIAS) database v1.21. Apollo, University of Cambridge Repository. https://doi.org/10.17863/CAM.105113. Suckling J et al. "
    "(1994). The Mammographic Image Analysis Society Digital Mammogram Database. Excerpta Medica International Congress Series "
    "1069, 375-378."
)
LICENCE = "v1.21: CC BY 4.0; mini-MIAS copy: its Licence.txt, research purposes only, not to be rented, leased or sold"
_ABOUT = About("mias", "mini-MIAS at 512 pixels, folds by woman", CITATION, LICENCE)
_ABOUT_ORIGINAL = About("mini-mias", "mini-MIAS as published (Info.txt, PGM)", CITATION, LICENCE)
_INFO_LINE = re.compile(r"^(mdb\d{3})\w*\s+([FGD])\s+(CALC|CIRC|SPIC|MISC|ARCH|ASYM|NORM)\b\s*([BM])?\s*(.*)$")


@dataclass(frozen=True, slots=True)
class MiasImage:
    """One film. `label` indexes CLASSES; `fold` (0–4) and `patient_id` are by woman; `density` and `finding` are
    words of DENSITIES and FINDINGS.
    """

    image_id: str
    path: Path
    label: int
    density: str
    finding: str
    patient_id: str
    fold: int
    lesions: tuple[LesionCircle, ...]
    is_located: bool

    @property
    def is_abnormal(self) -> bool:
        return self.label > 0


def mias_read(folder: Path) -> tuple[MiasImage, ...]:
    """Read the 512-pixel layout in the order of labels.csv. Raises DatasetError as `mias_dataset`, and for a missing image."""
    dataset = mias_dataset(Tree(folder))
    if dataset.problems:
        problem = dataset.problems[0]
        raise DatasetError(problem.code, f"{problem.detail}: {problem.path}")
    return tuple(
        MiasImage(
            image_id=record.image_id,
            path=record.path,
            label=CLASSES.index(record.label),
            density=record.attributes["density"],
            finding=record.attributes["finding"],
            patient_id=record.patient_id or "",
            fold=record.fold or 0,
            lesions=record.lesions,
            is_located=record.is_located,
        )
        for record in dataset.records
    )


def mias_recognise(tree: Tree) -> str | None:
    if tree.named("labels.csv") and tree.named("lesions.csv") and tree.inside("png512"):
        return "labels.csv, lesions.csv and a folder png512"
    return None


def mias_dataset(tree: Tree) -> Dataset:
    """Raises DatasetError for missing tables or columns, for a label or number that is none, and for a woman in two folds."""
    problems = list(tree.problems)
    circles: dict[str, list[LesionCircle]] = {}
    for row in table_read(_table(tree, "lesions.csv"), columns=("image_id", "severity", "x_512", "y_512_from_top", "radius_512")):
        if row["x_512"] and row["radius_512"] and row["image_id"] not in OFF_BREAST:
            circle = LesionCircle(
                column=_number(row["x_512"]),
                row=_number(row["y_512_from_top"]),
                radius=_number(row["radius_512"]),
                label=SEVERITIES.get(row["severity"], 0),
            )
            circles.setdefault(row["image_id"], []).append(circle)
    records = []
    columns = ("image_id", "file", "label", "density", "abnormalities", "patient_id", "fold")
    for row in table_read(_table(tree, "labels.csv"), columns=columns):
        if row["label"] not in CLASSES:
            raise DatasetError("dataset:label_unknown", f"labels.csv has the label {row['label']!r}")
        name = tree.take(f"png512/{row['file']}", problems)
        if name is None:
            continue
        lesions = tuple(circles.get(row["image_id"], ()))
        records.append(
            ImageRecord(
                image_id=row["image_id"],
                path=tree.path(name),
                media_type="image/png",
                label=row["label"],
                patient_id=row["patient_id"],
                image_laterality={"left": "L", "right": "R"}.get(row["side_v121_filename"]),
                view_position="MLO",
                lesions=lesions,
                is_located=row["label"] == "normal" or bool(lesions),
                fold=int(_number(row["fold"])),
                attributes=_attributes(row["density"], row["abnormalities"]),
            )
        )
    return dataset_assemble(about=_ABOUT, classes=CLASSES, records=records, problems=problems)


def mini_mias_recognise(tree: Tree) -> str | None:
    if tree.named("Info.txt") and any(tree.named(f"mdb001.{ending}") for ending in ("pgm", "png", "jpg")):
        return "Info.txt and images mdb001 onwards"
    return None


def mini_mias_dataset(tree: Tree) -> Dataset:
    """Circles are in the pixels of the 1024-pixel image, rows from the top."""
    problems = list(tree.problems)
    path = _table(tree, "Info.txt")
    lines: dict[str, list[re.Match[str]]] = {}
    for line in path.read_bytes()[: 2**20].decode("latin-1").splitlines():
        if found := _INFO_LINE.match(line.strip()):
            lines.setdefault(found[1], []).append(found)
    files = {Path(name).stem.lower(): name for name in tree.images if re.fullmatch(r"mdb\d{3}", Path(name).stem.lower())}
    for image_id in sorted(set(files) - set(lines)):
        problems.append(Problem("dataset:label_missing", "Info.txt has no line for this image", files[image_id]))
    records = []
    for image_id, findings in sorted(lines.items()):
        if image_id not in files:
            problems.append(Problem("dataset:file_missing", "Info.txt names an image that is not there", image_id))
            continue
        name, number = files[image_id], int(image_id[3:])
        worst = max((SEVERITIES.get(found[4] or "", 0) for found in findings), default=0)
        circles = () if image_id in OFF_BREAST else tuple(filter(None, map(_circle, findings)))
        records.append(
            ImageRecord(
                image_id=image_id,
                path=tree.path(name),
                media_type=media_type_of(name) or "image/x-portable-graymap",
                label=CLASSES[worst],
                patient_id=f"p{(number + 1) // 2:03d}",
                image_laterality="L" if number % 2 else "R",
                view_position="MLO",
                lesions=circles,
                is_located=worst == 0 or bool(circles),
                attributes=_attributes(findings[0][2], findings[0][3]),
            )
        )
    return dataset_assemble(about=_ABOUT_ORIGINAL, classes=CLASSES, records=records, problems=problems)


def _attributes(density: str, finding: str) -> dict[str, str]:
    """Codes in words; what is no code of the collection stays as it stands."""
    return {"density": DENSITIES.get(density, density), "finding": FINDINGS.get(finding, finding)}


def _circle(found: re.Match[str]) -> LesionCircle | None:
    """Three whole numbers, or the film has none: widespread calcifications carry "*NOTE 3*" instead."""
    numbers = re.match(r"(\d+)\s+(\d+)\s+(\d+)$", found[5].strip())
    if numbers is None or found[4] is None:
        return None
    column, row_from_bottom, radius = (int(text) for text in numbers.groups())
    return LesionCircle(column=column, row=ORIGINAL_ROWS - row_from_bottom, radius=radius, label=SEVERITIES[found[4]])


def _table(tree: Tree, name: str) -> Path:
    found = tree.named(name)
    if not found:
        raise DatasetError("dataset:file_missing", f"{name} is not in this folder")
    return tree.path(found[0])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DatasetError("dataset:value_unreadable", f"{text!r} is not a number") from None
