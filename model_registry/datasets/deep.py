"""What only the pixels of a collection show: files that do not decode, sizes, and one picture under two labels or two patients.

Found are files of equal bytes and of equal decoded pixels. Not found are mirrored, rotated or re-exposed copies.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.pixels import record_image
from model_registry.datasets.records import Dataset, ImageRecord, Problem


@dataclass(frozen=True, slots=True)
class DeepReading:
    """`sizes` counts images by (rows, columns), `bits` by bits stored; `problems` are those the pixels show."""

    sizes: Counter[tuple[int, int]]
    bits: Counter[int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    record: ImageRecord
    image_hw: tuple[int, int]
    bits_stored: int
    digest: str


def dataset_look(dataset: Dataset, *, advance: Callable[[], None] = lambda: None) -> DeepReading:
    """Decode every image as serving would. `advance` is called once an image."""

    def look(record: ImageRecord) -> _Picture | Problem:
        try:
            image = record_image(record)
        except DatasetError as error:
            return Problem(error.code, error.detail, record.image_id)
        finally:
            advance()
        stored = np.ascontiguousarray(image.stored)
        digest = hashlib.sha256(f"{stored.shape}".encode() + stored.astype("<i4").tobytes()).hexdigest()
        return _Picture(record, (stored.shape[0], stored.shape[1]), image.bits_stored, digest)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(look, dataset.records))
    pictures = [result for result in results if isinstance(result, _Picture)]
    problems = [result for result in results if isinstance(result, Problem)]
    problems.extend(_duplicates(pictures))
    problems.extend(_off_image(pictures))
    return DeepReading(
        sizes=Counter(picture.image_hw for picture in pictures),
        bits=Counter(picture.bits_stored for picture in pictures),
        problems=tuple(problems),
    )


def _duplicates(pictures: Iterable[_Picture]) -> Iterable[Problem]:
    same: dict[str, list[ImageRecord]] = {}
    for picture in pictures:
        same.setdefault(picture.digest, []).append(picture.record)
    for records in same.values():
        if len(records) == 1:
            continue
        names = ", ".join(record.image_id for record in records[:4])
        detail = f"{len(records)} images have the same pixels: {names}"
        if len({record.label for record in records}) > 1:
            yield Problem("dataset:duplicate_across_labels", detail, records[0].image_id)
        if len({record.group_id for record in records}) > 1:
            yield Problem("dataset:duplicate_across_patients", detail, records[0].image_id)
        elif len({record.label for record in records}) == 1:
            yield Problem("dataset:duplicate", detail, records[0].image_id)
        if len({record.split for record in records}) > 1 or len({record.fold for record in records}) > 1:
            yield Problem("dataset:duplicate_across_splits", detail, records[0].image_id)


def _off_image(pictures: Iterable[_Picture]) -> Iterable[Problem]:
    for picture in pictures:
        rows, columns = picture.image_hw
        for lesion in picture.record.lesions:
            if not (0 <= lesion.column < columns and 0 <= lesion.row < rows):
                detail = f"a lesion's centre ({lesion.column:g}, {lesion.row:g}) lies outside {columns} x {rows} pixels"
                yield Problem("dataset:lesion_off_image", detail, picture.record.image_id)
