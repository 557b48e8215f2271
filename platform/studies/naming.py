"""Which breast and which view: from the header, a vendor's tag, the sender's field or the file's name — never from the picture.

Empty means that the source does not say. Nothing here guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from pydicom.dataset import Dataset

from studies.dicom_header import PYDICOM_ERRORS

LATERALITIES = ("L", "R")

#: View Position values of a mammogram (PS3.3 C.8.11.7, PS3.16 CID 4014).
VIEW_POSITIONS = ("CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "ISO", "XCC", "XCCL", "XCCM", "SPECIMEN")

#: PS3.16 CID 4014, as SNOMED CT and as the older SNOMED RT codes.
_VIEW_BY_CODE = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
    "399260004": "ML",
    "R-10224": "ML",
    "399352003": "LM",
    "R-10228": "LM",
    "399099002": "LMO",
    "R-10230": "LMO",
    "399196006": "FB",
    "R-10244": "FB",
    "399188001": "SIO",
    "R-102D0": "SIO",
    "441555000": "ISO",
    "R-40AAA": "ISO",
    "399192008": "XCCL",
    "R-1024A": "XCCL",
    "399101009": "XCCM",
    "R-1024B": "XCCM",
    "127457009": "SPECIMEN",
    "G-8310": "SPECIMEN",
}
_BREAST_CODES = frozenset({"76752008", "T-04000"})
_VIEW_WORD = "|".join(sorted(VIEW_POSITIONS, key=len, reverse=True))
_FUJI_VIEW = re.compile(rf"(?<![A-Z])({_VIEW_WORD})(?![A-Z])")
_NAME = re.compile(
    rf"(?<![A-Z])(?:(?P<side>LEFT|RIGHT|L|R)[ _-]?(?P<view>{_VIEW_WORD})"
    rf"|(?P<side_only>LEFT|RIGHT)|(?P<view_only>{_VIEW_WORD}))(?![A-Z])"
)


def _text(dataset: Dataset, keyword: str) -> str:
    """A value as text; empty where it is missing, empty or unreadable."""
    try:
        value = dataset.get(keyword)
    except PYDICOM_ERRORS:
        return ""
    return "" if value is None else str(value).strip(" \0").upper()


def _codes(dataset: Dataset, keyword: str) -> Iterable[str]:
    try:
        items = dataset.get(keyword) or []
        return [_text(item, "CodeValue") for item in items if isinstance(item, Dataset)]
    except PYDICOM_ERRORS:
        return []


def dicom_laterality(dataset: Dataset) -> str:
    """Image Laterality (0020,0062), else Laterality (0020,0060); “B” names no single breast."""
    for keyword in ("ImageLaterality", "Laterality"):
        if (value := _text(dataset, keyword)) in LATERALITIES:
            return value
    return ""


def dicom_view_position(dataset: Dataset) -> str:
    """View Position, else View Code Sequence, else Fujifilm's (0018,1400), else empty."""
    if (value := _text(dataset, "ViewPosition")) in VIEW_POSITIONS:
        return value
    for code in _codes(dataset, "ViewCodeSequence"):
        if view := _VIEW_BY_CODE.get(code):
            return view
    if "FUJI" in _text(dataset, "Manufacturer"):
        found = set(_FUJI_VIEW.findall(_text(dataset, "AcquisitionDeviceProcessingDescription")))
        if len(found) == 1:
            return str(found.pop())
    return ""


def says_breast(dataset: Dataset) -> bool:
    """Whether the header places the image in mammography: body part, anatomic region, or a mammographic view."""
    if _text(dataset, "BodyPartExamined") == "BREAST" or dicom_view_position(dataset):
        return True
    return any(code in _BREAST_CODES for code in _codes(dataset, "AnatomicRegionSequence"))


def name_tokens(file_name: str) -> tuple[str, str]:
    """(laterality, view) from tokens such as RCC or L_MLO in a file name; empty where absent or contradictory."""
    sides: set[str] = set()
    views: set[str] = set()
    for match in _NAME.finditer(PurePath(file_name).stem.upper()):
        if side := match["side"] or match["side_only"]:
            sides.add(side[0])
        if view := match["view"] or match["view_only"]:
            views.add(view)
    return (sides.pop() if len(sides) == 1 else "", views.pop() if len(views) == 1 else "")
