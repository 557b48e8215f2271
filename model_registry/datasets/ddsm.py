"""DDSM volumes whose LJPEG films were converted to PNG or JPEG, above all the normal volumes: case folders with an .ics file.

Layout: …/normals/normal_01/case0200/A_0200_1.LEFT_CC.png beside A-0200-1.ics; converters also write "….LJPEG.png". The .ics
file is text: PATIENT_AGE, FILM_TYPE, DENSITY, DIGITIZER, one line of size and resolution per view.

Traps: the label is the volume's, by the name of a folder above (normal_…, benign_…, benign_without_callback_…, cancer_…), and
counts for the case, not for the breast; hyphens in the .ics name are underscores in the films'; a case is a woman; ages of 0
mean unknown; the four digitisers have their own grey levels, so that a model may learn the scanner for the class. Overlays
are not read: abnormal films of this layout have no location.
"""

from __future__ import annotations

import re

from model_registry.datasets.assembly import About, dataset_assemble
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tree import Tree, media_type_of

CLASSES = ("normal", "benign_without_callback", "benign", "malignant")
_VOLUMES = (
    ("benign_without_callback", re.compile(r"^benign_without_callbacks?([_-]?\d+)?$")),
    ("benign", re.compile(r"^benigns?([_-]?\d+)?$")),
    ("malignant", re.compile(r"^(cancer|malignant)s?([_-]?\d+)?$")),
    ("normal", re.compile(r"^normals?([_-]?\d+)?$")),
)
_FILM = re.compile(r"^(?:D\d_)?([A-D]_\d{4}_\d)\.(LEFT|RIGHT)_(CC|MLO)(?:\.LJPEG)?(?:\.\d)?\.(?:png|jpe?g)$", re.IGNORECASE)
_MAX_ICS_BYTES = 64 * 1024
_ABOUT = About(
    "ddsm",
    "DDSM volumes converted from LJPEG",
    "Heath M, Bowyer K, Kopans D, Moore R, Kegelmeyer WP (2001). The digital database for screening mammography. Proceedings of "
    "the 5th International Workshop on Digital Mammography, 212-218. Medical Physics Publishing.",
    "public; the authors ask to be cited",
)


def recognise(tree: Tree) -> str | None:
    cases = sum(name.lower().endswith(".ics") for name in tree.files)
    films = any(_FILM.match(name.rsplit("/", 1)[-1]) for name in tree.images)
    return f"{cases} case files (.ics) and films named <case>.LEFT_CC…" if cases and films else None


def ddsm_dataset(tree: Tree) -> Dataset:
    """Classes are the volumes that are there, in the order of CLASSES. Raises DatasetError when no film has a volume."""
    problems = list(tree.problems)
    cases = {name.rsplit("/", 1)[-1][:-4].replace("-", "_").upper(): name for name in tree.files if name.lower().endswith(".ics")}
    facts = {case: ics_read(tree, name) for case, name in cases.items()}
    records = []
    for name in tree.images:
        found = _FILM.match(name.rsplit("/", 1)[-1])
        if found is None:
            continue
        case, label = found[1].upper(), _volume(f"{tree.root.name}/{name}")
        if label is None:
            problems.append(Problem("dataset:label_missing", "no folder above says which volume this is", name))
            continue
        if case not in facts:
            problems.append(Problem("dataset:file_missing", f"case {case} has no .ics file", name))
        records.append(
            ImageRecord(
                image_id=f"{case}.{found[2].upper()}_{found[3].upper()}",
                path=tree.path(name),
                media_type=media_type_of(name) or "",
                label=label,
                patient_id=case,
                image_laterality=found[2][0].upper(),
                view_position=found[3].upper(),
                is_located=label == "normal",
                attributes=facts.get(case, {}),
            )
        )
    present = {record.label for record in records}
    classes = tuple(name for name in CLASSES if name in present)
    return dataset_assemble(about=_ABOUT, classes=classes, records=records, problems=problems)


def ics_read(tree: Tree, name: str) -> dict[str, str]:
    """Age, density, digitizer and film type of a case as text; what is 0 or missing is left out."""
    with tree.path(name).open("rb") as stream:
        lines = stream.read(_MAX_ICS_BYTES).decode("latin-1").splitlines()
    wanted = {"PATIENT_AGE": "age", "DENSITY": "density", "DIGITIZER": "digitizer", "FILM_TYPE": "film_type"}
    facts = {}
    for line in lines:
        keyword, _, value = line.strip().partition(" ")
        if keyword in wanted and value.strip().strip("0"):
            facts[wanted[keyword]] = value.strip()[:64]
    return facts


def _volume(path: str) -> str | None:
    """The label by the nearest folder that is named like a volume."""
    for part in reversed(path.lower().split("/")[:-1]):
        for label, pattern in _VOLUMES:
            if pattern.match(part):
                return label
    return None
