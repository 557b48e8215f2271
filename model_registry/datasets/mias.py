"""mini-MIAS, 322 digitised film mammograms (MLO) of 161 women, as a folder of 512-pixel PNGs with labels.csv and lesions.csv.

Traps: the image number correlates with the class, so folds are by woman and given; mdb144 carries a benign and a malignant
finding and counts as malignant; four abnormal images have no circle; circles of mdb212 and mdb214 lie off the breast. Where an
abnormal image has no circle on the breast, nothing is known about its cells, and `is_located` says so. Sides are not used: breast
isolation orients every image. Reads files only; preprocessing is model_registry.preprocessing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_registry.datasets.lesions import LesionCircle

CLASSES = ("normal", "benign", "malignant")
SEVERITIES = {"B": 1, "M": 2}
# the circle's centre lies on film, not on tissue, by inspection of the truth file against the images
OFF_BREAST = frozenset({"mdb212", "mdb214"})


class DatasetError(Exception):
    """The folder is not the collection it is taken for. The text says what is missing."""


@dataclass(frozen=True, slots=True)
class MiasImage:
    """One film. `label` indexes CLASSES; `fold` (0–4) and `patient_id` are by woman; `density` is F, G or D.

    `finding` is the collection's own code: NORM, CALC, CIRC, SPIC, MISC, ARCH or ASYM.
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
    """Read the collection in the order of labels.csv. Raises DatasetError for missing files, columns or a woman in two folds."""
    circles: dict[str, list[LesionCircle]] = {}
    for row in _rows(folder / "lesions.csv", ("image_id", "severity", "x_512", "y_512_from_top", "radius_512")):
        if row["x_512"] and row["radius_512"] and row["image_id"] not in OFF_BREAST:
            circle = LesionCircle(
                column=float(row["x_512"]),
                row=float(row["y_512_from_top"]),
                radius=float(row["radius_512"]),
                label=SEVERITIES[row["severity"]],
            )
            circles.setdefault(row["image_id"], []).append(circle)
    images = []
    for row in _rows(folder / "labels.csv", ("image_id", "file", "label", "density", "abnormalities", "patient_id", "fold")):
        lesions = tuple(circles.get(row["image_id"], ()))
        label = CLASSES.index(row["label"])
        path = folder / "png512" / Path(row["file"]).name
        if not path.is_file():
            raise DatasetError(f"labels.csv names {path.name}, which is not in png512")
        images.append(
            MiasImage(
                image_id=row["image_id"],
                path=path,
                label=label,
                density=row["density"],
                finding=row["abnormalities"],
                patient_id=row["patient_id"],
                fold=int(row["fold"]),
                lesions=lesions,
                is_located=label == 0 or bool(lesions),
            )
        )
    _folds_check(images)
    return tuple(images)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        stream = path.open(newline="", encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}") from error
    with stream:
        reader = csv.DictReader(stream)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise DatasetError(f"{path.name} lacks the columns {sorted(missing)}")
        yield from reader


def _folds_check(images: list[MiasImage]) -> None:
    folds: dict[str, int] = {}
    for image in images:
        if folds.setdefault(image.patient_id, image.fold) != image.fold:
            raise DatasetError(f"patient {image.patient_id} is in two folds; films of one woman must stay together")
