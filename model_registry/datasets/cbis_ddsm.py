"""CBIS-DDSM: 3,103 scanned film mammograms of 1,566 women with masses or calcifications and their masks, as DICOM or as JPEG.

Layouts: the four case-description CSVs beside the download of The Cancer Imaging Archive, whose folders are named by UID or by
date and description (metadata.csv tells which), or beside the JPEG mirror (csv/dicom_info.csv, jpeg/<series UID>/).

Traps: the CSVs' paths are those of another download, so files are found by series UID, then metadata.csv, then subject folder;
the columns of mask and cropped image are swapped for part of the rows, so the two are told apart by size; an abnormality is a
row, so images with several have several rows, and one film may be in the mass and the calcification tables: rows merge by woman,
side and view, and the worst pathology is the image's label; some women are in a training and a test table; the DICOM Patient ID
names the view, not the woman; density 0 means unknown. There are no normal images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.cbis_ddsm_files import Sources, mask_choose
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tables import Row, table_read
from model_registry.datasets.tree import Tree, media_type_of

CLASSES = ("benign_without_callback", "benign", "malignant")
TABLES = {
    f"{finding}_case_description_{split}_set.csv": (name, split)
    for finding, name in (("mass", "mass"), ("calc", "calcification"))
    for split in ("train", "test")
}
COLUMNS = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality id",
    "pathology",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)
_CITATION = (
    "Lee RS, Gimenez F, Hoogi A, Miyake KK, Gorovoy M, Rubin DL (2017). A curated mammography data set for use in computer-aided "
    "detection and diagnosis research. Scientific Data 4, 170177. https://doi.org/10.1038/sdata.2017.177. Data: "
    "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY. Clark K et al. (2013). The Cancer Imaging Archive. Journal of Digital "
    "Imaging 26, 1045-1057."
)
_ABOUT = About("cbis-ddsm", "CBIS-DDSM (DICOM)", _CITATION, "CC BY 3.0")
_ABOUT_JPEG = About("cbis-ddsm-jpeg", "CBIS-DDSM (JPEG mirror)", _CITATION, "CC BY 3.0")
_NO_NORMALS = "No image of this collection is normal: normals of another source bring its scanner along as a shortcut."


@dataclass(slots=True)
class _Film:
    """The rows of one woman's side and view."""

    rows: list[tuple[Row, str, str]] = field(default_factory=list)


def recognise(tree: Tree) -> str | None:
    found = [name for name in TABLES if tree.named(name)]
    if not found or tree.named("dicom_info.csv"):
        return None
    return f"case descriptions {', '.join(found)}"


def recognise_jpeg(tree: Tree) -> str | None:
    found = [name for name in TABLES if tree.named(name)]
    return f"dicom_info.csv and case descriptions {', '.join(found)}" if found and tree.named("dicom_info.csv") else None


def cbis_ddsm_dataset(tree: Tree) -> Dataset:
    """Raises DatasetError for missing case descriptions or columns. Circles of the masks are read on demand (datasets.masks)."""
    problems = list(tree.problems)
    films = _films(tree, problems)
    sources = Sources(tree)
    records = filter(None, (_record(key, film, tree=tree, sources=sources, problems=problems) for key, film in films.items()))
    about = _ABOUT_JPEG if sources.is_jpeg else _ABOUT
    return dataset_assemble(about=about, classes=CLASSES, records=list(records), problems=problems, notes=(_NO_NORMALS,))


def _films(tree: Tree, problems: list[Problem]) -> dict[tuple[str, str, str], _Film]:
    films: dict[tuple[str, str, str], _Film] = {}
    tables = [(tree.named(name), *about) for name, about in TABLES.items()]
    if not any(found for found, _, _ in tables):
        raise DatasetError("dataset:file_missing", f"none of {', '.join(TABLES)} is in this folder")
    for found, finding, split in tables:
        for row in table_read(tree.path(found[0]), columns=COLUMNS) if found else ():
            label, side, where = row["pathology"].lower(), row["left or right breast"].upper(), row["image file path"][:200]
            if label not in CLASSES:
                problems.append(Problem("dataset:label_missing", f"pathology {row['pathology']!r}", where))
            elif not row["patient_id"] or side not in ("LEFT", "RIGHT"):
                problems.append(Problem("dataset:value_unreadable", "no patient or side in this row", where))
            else:
                key = (row["patient_id"], side, row["image view"].upper())
                films.setdefault(key, _Film()).rows.append((row, finding, split))
    return films


def _record(
    key: tuple[str, str, str], film: _Film, *, tree: Tree, sources: Sources, problems: list[Problem]
) -> ImageRecord | None:
    patient, side, view = key
    image = next(filter(None, (sources.full(row["image file path"]) for row, _, _ in film.rows)), None)
    if image is None:
        text = film.rows[0][0]["image file path"].strip()
        hostile = ".." in text or text.startswith("/")
        code = "dataset:path_refused" if hostile else "dataset:file_missing"
        problems.append(Problem(code, "no file of this image's series is there", text[:200]))
        return None
    masks, labels = [], []
    for row, _, _ in film.rows:
        candidates = sources.regions(row["cropped image file path"], row["ROI mask file path"], full=image)
        mask = mask_choose(candidates, full=image, tree=tree)
        if mask is None:
            detail = f"abnormality {row['abnormality id']} has no mask"
            problems.append(Problem("dataset:mask_missing", detail, image.name))
        elif tree.path(mask.name) not in masks:
            masks.append(tree.path(mask.name))
            labels.append(row["pathology"].lower())
    splits = {split for _, _, split in film.rows}
    if len(splits) > 1:
        detail = f"{patient}: this film is in a training and a test table; it counts as training"
        problems.append(Problem("dataset:patient_in_two_splits", detail, image.name))
    return ImageRecord(
        image_id="_".join(key),
        path=tree.path(image.name),
        media_type=media_type_of(image.name) or "",
        label=max((row["pathology"].lower() for row, _, _ in film.rows), key=CLASSES.index),
        patient_id=patient,
        image_laterality=side[0],
        view_position=view,
        mask_paths=tuple(masks),
        mask_labels=tuple(labels),
        is_located=len(masks) == len(film.rows),
        # a film in a training and a test table: assembly moves the woman, this keeps the film in one place
        split="train" if "train" in splits else "test",
        attributes=_attributes(film.rows, splits),
    )


def _attributes(rows: Sequence[tuple[Row, str, str]], splits: set[str]) -> dict[str, str]:
    def first(column: str) -> Iterator[str]:
        return (row[column] for row, _, _ in rows if re.fullmatch(r"[1-6]", row[column]))

    values = {
        "density": next(first("breast density"), ""),
        "finding": "+".join(sorted({finding for _, finding, _ in rows})),
        "birads": max(first("assessment"), default=""),
        "subtlety": min(first("subtlety"), default=""),
        "abnormalities": str(len(rows)),
        "given_split": "+".join(sorted(splits)) if len(splits) > 1 else "",
    }
    return {name: value for name, value in values.items() if value}
