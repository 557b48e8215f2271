"""Mini-DDSM: the 7,808 films of DDSM's complete cases as small JPEG-8 or PNG-16 files with masks and ages.

Layouts: MINI-DDSM-Complete-JPEG-8 or -PNG-16 with DataWMask.xlsx, and Data-MoreThanTwoMasks with its own table; columns
fullPath, fileName, View, Side, Status, Tumour_Contour, Tumour_Contour2 (to 6), Age, Density.

Traps: paths have backslashes and "-" means no mask; Status is the case's, not the breast's: the other breast of a woman with
cancer carries "Cancer" too, although nothing is marked on it, so `unmarked_breasts="drop"` leaves such breasts out and the
default keeps them with `breast_marked` "no" and no location; masks are lossy JPEGs whose edges are not two-valued; density 0
means unknown; the patient is the case in the file name (C_0029_1), and one of several tables is taken.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tables import Row, table_read
from model_registry.datasets.tree import Tree, media_type_of

CLASSES = ("normal", "benign", "malignant")
LABEL_OF_STATUS = {"normal": "normal", "benign": "benign", "cancer": "malignant"}
TABLES = ("DataWMask.xlsx", "Data-MoreThanTwoMasks.xlsx", "DataWMask.csv", "Data-MoreThanTwoMasks.csv")
CONTOURS = ("Tumour_Contour", *(f"Tumour_Contour{number}" for number in range(2, 7)))
_ABOUT = About(
    "mini-ddsm",
    "Mini-DDSM",
    "Lekamlage CD, Afzal F, Westerberg E, Cheddad A (2020). Mini-DDSM: mammography-based automatic age estimation. DMIP 2020. "
    "https://doi.org/10.1145/3441369.3441370. From DDSM: Heath M, Bowyer K, Kopans D, Moore R, Kegelmeyer WP (2001). The digital "
    "database for screening mammography. IWDM 2000, 212-218.",
    "the files name none: the terms of the page it was downloaded from, and DDSM's citations",
)


def recognise(tree: Tree) -> str | None:
    found = [name for name in TABLES if tree.named(name)]
    return f"the table {found[0]}" if found else None


def mini_ddsm_dataset(tree: Tree, *, unmarked_breasts: Literal["keep", "drop"] = "keep") -> Dataset:
    """Raises DatasetError for a missing table or column. Circles of the masks are read on demand (datasets.masks)."""
    tables = [name for table in TABLES for name in tree.named(table)]
    if not tables:
        raise DatasetError("dataset:file_missing", f"none of {', '.join(TABLES)} is in this folder")
    # 16-bit copies keep what 8-bit ones lost; the smaller table of extra masks covers part of the films
    table = min(tables, key=lambda name: ("MoreThanTwo" in name, "PNG-16" not in name, name))
    problems = list(tree.problems)
    for other in sorted(set(tables) - {table}):
        problems.append(Problem("dataset:table_unused", f"{table} was read instead", other))
    rows = table_read(tree.path(table), columns=("fullPath", "View", "Side", "Status", "Tumour_Contour"), sheet="Data")
    marked = Counter((_case(row), row["Side"].lower()) for row in rows if _contours(row))
    records = []
    for row in rows:
        label = LABEL_OF_STATUS.get(row["Status"].lower())
        if label is None:
            problems.append(Problem("dataset:label_missing", f"Status {row['Status']!r}", row["fullPath"][:200]))
            continue
        is_marked = bool(marked[_case(row), row["Side"].lower()])
        if label != "normal" and not is_marked and unmarked_breasts == "drop":
            continue
        record = _record(row, label, is_marked, tree=tree, beside=table.rpartition("/")[0], problems=problems)
        if record:
            records.append(record)
    unmarked = sum(record.attributes.get("breast_marked") == "no" for record in records)
    notes = [f"{unmarked} images are of a breast on which nothing is marked; their label is the case's."] if unmarked else []
    return dataset_assemble(about=_ABOUT, classes=CLASSES, records=records, problems=problems, notes=notes)


def _record(row: Row, label: str, is_marked: bool, *, tree: Tree, beside: str, problems: list[Problem]) -> ImageRecord | None:
    name = tree.take(row["fullPath"], problems, beside=beside)
    if name is None:
        return None
    media_type = media_type_of(name)
    if media_type is None:
        problems.append(Problem("dataset:not_an_image", "the table names a file that is no image", name))
        return None
    contours = _contours(row)
    masks = [mask for text in contours if (mask := tree.take(text, problems, beside=beside)) is not None]
    values = {
        "density": row["Density"] if row["Density"] not in ("0", "-") else "",
        "age": row["Age"] if row["Age"].isdecimal() else "",
        "breast_marked": "" if label == "normal" else "yes" if is_marked else "no",
    }
    return ImageRecord(
        image_id=name.rsplit("/", 1)[-1].rsplit(".", 1)[0],
        path=tree.path(name),
        media_type=media_type,
        label=label,
        patient_id=_case(row) or None,
        image_laterality={"left": "L", "right": "R"}.get(row["Side"].lower()),
        view_position=row["View"].upper() or None,
        mask_paths=tuple(tree.path(mask) for mask in masks),
        mask_labels=(label,) * len(masks),
        is_located=label == "normal" or (bool(masks) and len(masks) == len(contours)),
        attributes={key: value for key, value in values.items() if value},
    )


def _contours(row: Row) -> list[str]:
    return [row[column] for column in CONTOURS if len(row[column]) > 1]


def _case(row: Row) -> str:
    """C_0029_1.LEFT_CC.jpg → C_0029_1."""
    return row["fullPath"].replace("\\", "/").rsplit("/", 1)[-1].split(".", 1)[0]
