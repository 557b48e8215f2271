"""Training samples: a collection's images, prepared once by the serving path's own code and kept on disk as arrays.

The cache is keyed by the profile's digest and the file's, so a changed profile or file is prepared again. Arrays are mapped, not
loaded: a collection may be larger than memory. Not for augmentation or targets.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import lesions_array, lesions_move
from model_registry.datasets.masks import discs_draw, mask_move, mask_read, record_locate
from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.packaging.profile import PreprocessingProfile
from model_registry.preprocessing import PreprocessingError, image_decode, image_prepare
from model_registry.training.config import DataSection
from model_registry.training.errors import DataRefused

CACHE_FORMAT = 2
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
    lesions: np.ndarray
    is_located: bool
    masks_path: Path | None = None

    @property
    def tensor(self) -> np.ndarray:
        return np.load(self.tensor_path, mmap_mode="r", allow_pickle=False)

    def masks(self, *, classes: int) -> np.ndarray:
        """Lesion masks in input space, (rows, columns, classes) float32 in [0, 1]; circles as discs where there is no mask."""
        if self.masks_path is not None:
            return np.load(self.masks_path, allow_pickle=False).astype(np.float32) / np.float32(255)
        rows, columns = self.tensor.shape[:2]
        drawn = np.zeros((rows, columns, classes), np.float32)
        for disc, label in zip(discs_draw(self.lesions, input_hw=(rows, columns)), self.lesions[:, 3], strict=True):
            drawn[disc, int(label)] = 1
        return drawn


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    digest: str
    tensor_path: Path
    model_from_source: np.ndarray
    source_hw: tuple[int, int]


def samples_prepare(
    dataset: Dataset,
    *,
    folds: np.ndarray,
    settings: DataSection,
    profile: PreprocessingProfile,
    cache: Path,
    report: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """Prepare every image of `dataset`, or find it in `cache`. Raises DataRefused, naming images that cannot be read."""
    folder = cache / profile.digest.removeprefix("sha256:")[:24]
    folder.mkdir(parents=True, exist_ok=True)
    samples, refused = [], []
    for index, (record, fold) in enumerate(zip(dataset.records, folds, strict=True)):
        if report is not None:
            report(index, len(dataset.records))
        try:
            samples.append(_sample(record, fold=int(fold), classes=dataset.classes, profile=profile, folder=folder))
        except (PreprocessingError, DatasetError, OSError) as problem:
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


def _sample(record: ImageRecord, *, fold: int, classes: Sequence[str], profile: PreprocessingProfile, folder: Path) -> Sample:
    prepared = _prepared(record, profile=profile, folder=folder)
    located = record
    if record.mask_paths:
        located, _ = record_locate(record, classes=classes)  # a mask that cannot be used leaves the image not located
    usable = bool(record.mask_paths) and located.is_located
    return Sample(
        image_id=record.image_id,
        label=classes.index(record.label),
        group=record.group_id,
        fold=fold,
        record=record,
        file_digest=prepared.digest,
        tensor_path=prepared.tensor_path,
        lesions=lesions_move(lesions_array(located.lesions), prepared.model_from_source),
        is_located=located.is_located,
        masks_path=_masks(record, prepared=prepared, classes=classes) if usable else None,
    )


def _prepared(record: ImageRecord, *, profile: PreprocessingProfile, folder: Path) -> _Prepared:
    """From the cache, or made now. The .json is written last, so what it stands beside is whole."""
    data = record.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    tensor_path, facts_path = folder / f"{digest}.npy", folder / f"{digest}.json"
    if facts_path.exists() and tensor_path.exists():
        facts = json.loads(facts_path.read_text())
        if facts["format"] == CACHE_FORMAT and tensor_path.stat().st_size == facts["size_bytes"]:
            rows, columns = facts["source_hw"]
            return _Prepared(digest, tensor_path, np.asarray(facts["model_from_source"]), (rows, columns))
    image = image_decode(data=data, media_type=record.media_type)
    prepared = image_prepare(image=image, profile=profile)
    if not prepared.assessable:
        raise PreprocessingError("input:no_breast_found", "there is no breast in the picture")
    if not np.isfinite(prepared.tensor).all():
        raise DatasetError("dataset:not_finite", f"{record.path.name} is prepared to values that are not finite")
    _array_write(tensor_path, prepared.tensor)
    source_hw = (int(image.stored.shape[0]), int(image.stored.shape[1]))
    facts = {
        "format": CACHE_FORMAT,
        "size_bytes": tensor_path.stat().st_size,
        "source_hw": source_hw,
        "model_from_source": prepared.model_from_source.tolist(),
    }
    temporary = facts_path.with_suffix(f".{os.getpid()}.partial")
    temporary.write_text(json.dumps(facts))
    temporary.replace(facts_path)
    return _Prepared(digest, tensor_path, prepared.model_from_source, source_hw)


def _masks(record: ImageRecord, *, prepared: _Prepared, classes: Sequence[str]) -> Path:
    """The lesion masks in input space, (rows, columns, classes) uint8, 255 = lesion, from the cache or made now."""
    key = hashlib.sha256(json.dumps([prepared.digest, list(classes), list(record.mask_labels)]).encode())
    for path in record.mask_paths:
        key.update(path.read_bytes())
    found = prepared.tensor_path.with_name(f"{key.hexdigest()}.masks.npy")
    if found.exists():
        return found
    rows, columns = np.load(prepared.tensor_path, mmap_mode="r", allow_pickle=False).shape[:2]
    drawn = np.zeros((rows, columns, len(classes)), np.uint8)
    for path, label in zip(record.mask_paths, record.mask_labels, strict=True):
        moved = mask_move(
            mask_read(path),
            source_hw=prepared.source_hw,
            model_from_source=prepared.model_from_source,
            input_hw=(rows, columns),
        )
        plane = drawn[..., classes.index(label)]
        np.maximum(plane, moved, out=plane)
    _array_write(found, drawn)
    return found


def _array_write(path: Path, array: np.ndarray) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.partial")
    with temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    temporary.replace(path)
