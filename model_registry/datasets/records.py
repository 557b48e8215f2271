"""What every loader returns: images with their labels, patients and findings, and what is wrong with the collection.

Plain values: no pixels, no arrays. Reading pixels is model_registry.preprocessing; dividing is datasets.splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from model_registry.datasets.lesions import LesionCircle

Grouping = Literal["patient", "image"]


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image to train on or to look at.

    `media_type` is application/dicom, image/png, image/jpeg or image/x-portable-graymap; `label` a name of Dataset.classes.
    `lesions` are circles in the pixels of the source image, the bounding circle where the source has an outline. `mask_paths` are
    lesion masks, and `mask_labels` the class name of each; masks are pixels, so their circles are read on demand
    (datasets.masks.dataset_locate). `is_located` is False where the image is abnormal and the place is not known.
    `source_image_id` names the original where the image is one of several copies of it, augmented ones included.
    `fold` and `split` ("train", "test") are what the source gives; `attributes` what subgroup tables are made from.
    """

    image_id: str
    path: Path
    media_type: str
    label: str
    patient_id: str | None = None
    image_laterality: str | None = None
    view_position: str | None = None
    lesions: tuple[LesionCircle, ...] = ()
    mask_paths: tuple[Path, ...] = ()
    is_located: bool = True
    fold: int | None = None
    split: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    mask_labels: tuple[str, ...] = ()
    source_image_id: str | None = None

    @property
    def group_id(self) -> str:
        """What must stay on one side of a split: the patient; the original image where the patient is not known."""
        return self.patient_id or self.source_image_id or self.image_id


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that does not stop the reading. `code` is "dataset:…"; `path` is relative to the collection's folder."""

    code: str
    detail: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A collection as read. `kind` names the loader, `reason` says how it was recognised, `notes` what to know before training.

    `grouping` is "patient" where every record says whose image it is, "image" where splitting by patient is impossible.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    problems: tuple[Problem, ...]
    grouping: Grouping
    citation: str = ""
    licence: str = ""
    kind: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
