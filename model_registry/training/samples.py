"""Training samples: a collection's images, prepared once by the serving path's own code and kept on disk as arrays.

The cache is keyed by the profile's digest and the file's, so a changed profile or file is prepared again. Arrays are mapped, not
loaded: a collection may be larger than memory. Not for augmentation or targets.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from model_registry.datasets.lesions import lesions_array, lesions_move
from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.packaging.profile import PreprocessingProfile
from model_registry.preprocessing import PreprocessingError, image_decode, image_prepare
from model_registry.training.config import DataSection
from model_registry.training.errors import DataRefused

CACHE_FORMAT = 1
NAMED_MAXIMUM = 5


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One prepared image. `tensor` (rows, columns, C) float32 is mapped from `tensor_path`; `lesions` (n, 4: column, row, radius,
    label) in its pixels; `label` indexes the model's labels; `group` is the patient, or the image where nobody is named.

    `is_located` is False where cells and pixels must not be supervised: an abnormal image with nothing marked in the picture.
    """

    image_id: str
    label: int
    group: str
    fold: int
    record: ImageRecord
    file_digest: str
    tensor_path: Path
    model_from_source: np.ndarray
    lesions: np.ndarray
    mask_labels: tuple[int, ...]
    is_located: bool

    @property
    def tensor(self) -> np.ndarray:
        return np.load(self.tensor_path, mmap_mode="r", allow_pickle=False)

    def masks(self, *, classes: int) -> np.ndarray:
        """Lesion masks in input space, (rows, columns, classes) float32 in [0, 1]; circles as discs where there is no file."""
        rows, columns = self.tensor.shape[:2]
        drawn = np.zeros((classes, rows, columns), np.float32)
        for path, label in zip(self.record.mask_paths, self.mask_labels, strict=True):
            mask = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise DataRefused(f"the mask {path.name} of {self.image_id} cannot be decoded")
            moved = cv2.warpAffine((mask > 0).astype(np.float32), self.model_from_source, (columns, rows), flags=cv2.INTER_AREA)
            np.maximum(drawn[label], moved, out=drawn[label])
        if not self.record.mask_paths:
            grid_rows, grid_columns = np.mgrid[0:rows, 0:columns]
            for column, row, radius, label in self.lesions:
                drawn[int(label)][np.hypot(grid_columns - column, grid_rows - row) <= max(radius, 1.0)] = 1
        return np.ascontiguousarray(drawn.transpose(1, 2, 0))


def dataset_fit(dataset: Dataset, *, settings: DataSection, labels: Sequence[str]) -> Dataset:
    """The collection with the model's labels: excluded images gone, names mapped. Raises DataRefused for a label without one."""
    names = {name: settings.classes.get(name, name) for name in dataset.classes}
    kept = [
        record
        for record in dataset.records
        if record.label not in settings.exclude_labels and record.image_id not in settings.exclude_images
    ]
    if unknown := sorted({record.label for record in kept if names[record.label] not in labels}):
        raise DataRefused(
            f"the collection's {', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} no label of the model's "
            f"({', '.join(labels)}). "
            "Map them under data.classes or name them in data.exclude_labels"
        )
    if not kept:
        raise DataRefused("no image is left after exclusion")
    records = tuple(replace(record, label=names[record.label]) for record in kept)
    if missing := [label for label in labels if label not in {record.label for record in records}]:
        raise DataRefused(f"no image of {', '.join(missing)} in the collection")
    return replace(dataset, records=records)


def samples_prepare(
    dataset: Dataset,
    *,
    source: Dataset,
    folds: np.ndarray,
    settings: DataSection,
    labels: Sequence[str],
    profile: PreprocessingProfile,
    cache: Path,
    report: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """Prepare every image of `dataset`, whose labels were fitted, or find it in `cache`. `source` is the collection as read:
    lesions index its classes. Raises DataRefused, naming images that cannot be read."""
    folder = cache / profile.digest.removeprefix("sha256:")[:24]
    folder.mkdir(parents=True, exist_ok=True)
    label_of = {
        index: labels.index(settings.classes.get(name, name))
        for index, name in enumerate(source.classes)
        if settings.classes.get(name, name) in labels
    }
    samples, refused = [], []
    for index, (record, fold) in enumerate(zip(dataset.records, folds, strict=True)):
        if report is not None:
            report(index, len(dataset.records))
        try:
            samples.append(_sample(record, fold=int(fold), labels=labels, label_of=label_of, profile=profile, folder=folder))
        except (PreprocessingError, OSError) as problem:
            refused.append(f"{record.path.name} ({getattr(problem, 'code', None) or type(problem).__name__})")
    if refused and settings.unreadable == "stop":
        raise DataRefused(
            f"{len(refused)} of {len(dataset.records)} images cannot be used: {', '.join(refused[:NAMED_MAXIMUM])}"
            f"{' …' if len(refused) > NAMED_MAXIMUM else ''}. Mend them, name them in data.exclude_images, or set "
            "data.unreadable: skip"
        )
    if not samples:
        raise DataRefused("no image could be read")
    return samples


def _sample(
    record: ImageRecord,
    *,
    fold: int,
    labels: Sequence[str],
    label_of: dict[int, int],
    profile: PreprocessingProfile,
    folder: Path,
) -> Sample:
    digest, tensor_path, matrix = _prepared(record, profile=profile, folder=folder)
    lesions = lesions_array(tuple(lesion for lesion in record.lesions if lesion.label in label_of))
    lesions[:, 3] = [label_of[int(label)] for label in lesions[:, 3]]
    label = labels.index(record.label)
    return Sample(
        image_id=record.image_id,
        label=label,
        group=record.group_id,
        fold=fold,
        record=record,
        file_digest=digest,
        tensor_path=tensor_path,
        model_from_source=matrix,
        lesions=lesions_move(lesions, matrix),
        mask_labels=tuple(labels.index(n) if n in labels else label for n in record.mask_labels)
        or (label,) * len(record.mask_paths),
        is_located=record.is_located,
    )


def _prepared(record: ImageRecord, *, profile: PreprocessingProfile, folder: Path) -> tuple[str, Path, np.ndarray]:
    """(file digest, path of the tensor, model_from_source) from the cache, or made now. The .json is written last."""
    data = record.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    tensor_path, facts_path = folder / f"{digest}.npy", folder / f"{digest}.json"
    if facts_path.exists():
        facts = json.loads(facts_path.read_text())
        if facts["format"] == CACHE_FORMAT and tensor_path.stat().st_size == facts["size_bytes"]:
            return digest, tensor_path, np.asarray(facts["model_from_source"])
    prepared = image_prepare(image=image_decode(data=data, media_type=record.media_type), profile=profile)
    if not prepared.assessable:
        raise PreprocessingError("input:no_breast_found", "there is no breast in the picture")
    temporary = folder / f"{digest}.{os.getpid()}.partial"
    with temporary.open("wb") as stream:
        np.save(stream, _channels_last(prepared.tensor, profile), allow_pickle=False)
    temporary.replace(tensor_path)
    facts = {
        "format": CACHE_FORMAT,
        "size_bytes": tensor_path.stat().st_size,
        "model_from_source": prepared.model_from_source.tolist(),
    }
    temporary.write_text(json.dumps(facts))
    temporary.replace(facts_path)
    return digest, tensor_path, prepared.model_from_source


def _channels_last(tensor: np.ndarray, profile: PreprocessingProfile) -> np.ndarray:
    return tensor if profile.tensor_layout == "nhwc" else np.ascontiguousarray(tensor.transpose(1, 2, 0))
