"""INbreast: 410 digital mammograms of 115 women, DICOM, with BI-RADS and outlines, as "INbreast Release 1.0".

Traps: there is no pathology, only BI-RADS, so what counts as benign or malignant is a choice (`LABEL_OF_BIRADS`: 1 normal, 2
and 3 benign, 4 to 6 malignant); the patient is the hash in the file name, as tables and headers say "removed"; the table
writes 4a, 4b, 4c, whole numbers as 22678622.0, "Mass " with a space, and two rows without file at its end; INbreast.csv uses
semicolons; outlines are OsiriX property lists whose points are texts "(x, y)" and whose calcifications may be single points;
pectoral muscle outlines lie in the same format in another folder and are no lesions; an abnormal image may have no outline.
"""

from __future__ import annotations

import math
import plistlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.parsers.expat import ExpatError

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import LesionCircle, circle_around
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tables import Row, table_read
from model_registry.datasets.tree import Tree

CLASSES = ("normal", "benign", "malignant")
LABEL_OF_BIRADS = {"1": "normal", "2": "benign", "3": "benign", "4": "malignant", "5": "malignant", "6": "malignant"}
MAX_OUTLINE_BYTES = 32 * 2**20
# marks a radiologist drew that are not findings
_NOT_LESIONS = ("pectoral", "nipple")
_FINDINGS = {"Mass": "mass", "Micros": "calcification", "Distortion": "distortion", "Asymmetry": "asymmetry"}
_FILE = re.compile(r"^(\d+)_([0-9a-f]+)_MG_([LR])_(\w+?)_ANON\.dcm$", re.IGNORECASE)
_POINT = re.compile(r"^\(\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)$", re.IGNORECASE)
_ABOUT = About(
    "inbreast",
    "INbreast",
    "Moreira IC, Amaral I, Domingues I, Cardoso A, Cardoso MJ, Cardoso JS (2012). INbreast: toward a full-field digital "
    "mammographic database. Academic Radiology 19(2), 236-248. https://doi.org/10.1016/j.acra.2011.09.014",
    "by agreement with its authors, for research; not to be passed on",
)


def recognise(tree: Tree) -> str | None:
    table = _table(tree)
    return f"{table.rsplit('/', 1)[-1]} and DICOM files named <image>_<patient>_MG_…" if table and _files(tree) else None


def inbreast_dataset(tree: Tree, *, label_of_birads: Mapping[str, str] = LABEL_OF_BIRADS) -> Dataset:
    """`label_of_birads` maps BI-RADS categories, "4a" before "4", to CLASSES; a category it lacks leaves the image out.

    Raises DatasetError for a missing table or column, or a label that is no class.
    """
    if unknown := set(label_of_birads.values()) - set(CLASSES):
        raise DatasetError("dataset:label_unknown", f"BI-RADS is mapped to {sorted(unknown)}; the classes are {list(CLASSES)}")
    table = _table(tree)
    if table is None:
        raise DatasetError("dataset:file_missing", "INbreast.xls or INbreast.csv is not in this folder")
    problems = list(tree.problems)
    files = _files(tree)
    outlines = {Path(name).stem: name for name in tree.inside("AllXML") if name.lower().endswith(".xml")}
    records = []
    for row in table_read(tree.path(table), columns=("Laterality", "View", "File Name", "ACR", "Bi-Rads"), sheet="Sheet1"):
        image_id, birads = row["File Name"], row["Bi-Rads"].lower()
        if not image_id.isdecimal():
            continue
        label = label_of_birads.get(birads) or label_of_birads.get(birads[:1])
        if image_id not in files:
            problems.append(Problem("dataset:file_missing", "the table names an image that is not there", image_id))
        elif label is None:
            problems.append(Problem("dataset:label_missing", f"BI-RADS {birads!r} has no label", files[image_id][0]))
        else:
            outline = outlines.get(image_id) if label != "normal" else None
            lesions = tuple(_lesions(tree, outline, CLASSES.index(label), problems)) if outline else ()
            records.append(_record(row, image_id, label, lesions, tree=tree, file=files[image_id]))
    notes = ("Labels are BI-RADS assessments, not pathology.",)
    return dataset_assemble(about=_ABOUT, classes=CLASSES, records=records, problems=problems, notes=notes)


def _record(
    row: Row, image_id: str, label: str, lesions: tuple[LesionCircle, ...], *, tree: Tree, file: tuple[str, str, str, str]
) -> ImageRecord:
    name, patient, side, view = file
    findings = "+".join(finding for column, finding in _FINDINGS.items() if row[column].upper() == "X")
    values = {"density": row["ACR"], "birads": row["Bi-Rads"].lower(), "finding": findings}
    return ImageRecord(
        image_id=image_id,
        path=tree.path(name),
        media_type="application/dicom",
        label=label,
        patient_id=patient,
        image_laterality=side,
        view_position=view,
        lesions=lesions,
        is_located=label == "normal" or bool(lesions),
        attributes={key: value for key, value in values.items() if value},
    )


def _table(tree: Tree) -> str | None:
    names = (tree.named(f"INbreast.{ending}") for ending in ("xls", "xlsx", "csv"))
    return next((found[0] for found in names if found), None)


def _files(tree: Tree) -> dict[str, tuple[str, str, str, str]]:
    """Image number → file, patient, laterality and view, as the file name says them. ML is the table's MLO here."""
    files: dict[str, tuple[str, str, str, str]] = {}
    for name in tree.images:
        if found := _FILE.match(name.rsplit("/", 1)[-1]):
            view = found[4].upper()
            files.setdefault(found[1], (name, found[2].lower(), found[3].upper(), "MLO" if view == "ML" else view))
    return files


def _lesions(tree: Tree, name: str, label: int, problems: list[Problem]) -> Iterator[LesionCircle]:
    path = tree.path(name)
    try:
        if path.stat().st_size > MAX_OUTLINE_BYTES:
            raise ValueError("larger than an outline file can be")
        # plistlib refuses entity declarations, so an outline cannot unfold or fetch anything
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        rois = [roi for image in content["Images"] for roi in image["ROIs"]]
        for roi in rois:
            title = str(roi.get("Name", "")).lower()
            points = [_point(text) for text in roi.get("Point_px", ())]
            if points and not any(word in title for word in _NOT_LESIONS):
                column, row, radius = circle_around(points)
                # a single point is a calcification somebody clicked on: one pixel, not nothing
                yield LesionCircle(column=column, row=row, radius=max(radius, 1.0), label=label)
    except (OSError, ValueError, ExpatError, LookupError, TypeError, AttributeError, RecursionError) as error:
        problems.append(Problem("dataset:outline_unreadable", f"{type(error).__name__}: {error}"[:200], name))


def _point(text: object) -> tuple[float, float]:
    found = _POINT.match(str(text))
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is not a point")
    point = float(found[1]), float(found[2])
    if not all(map(math.isfinite, point)):
        raise ValueError(f"{str(text)[:40]!r} is not a point")
    return point
