"""Lesion masks read into circles, or carried into a network's input. Masks are whole images, so this is done when somebody needs
it, not when a collection is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.header import header_read
from model_registry.datasets.lesions import LesionCircle, circle_around
from model_registry.datasets.pixels import record_image
from model_registry.datasets.records import Dataset, ImageRecord, Problem
from model_registry.datasets.tree import media_type_of
from model_registry.preprocessing import affine

# a mask of another shape than its image was drawn on another image
ASPECT_TOLERANCE = 0.01


def mask_read(path: Path) -> np.ndarray:
    """Read a mask as (rows, columns) bool: above half its own maximum, which a lossy edge does not reach. Raises DatasetError."""
    record = ImageRecord(image_id=path.name, path=path, media_type=media_type_of(path.name) or "", label="")
    stored = record_image(record).stored
    highest = stored.max()
    return stored > highest / 2 if highest > 0 else np.zeros(stored.shape, dtype=bool)


def mask_circle(mask: np.ndarray, *, image_hw: tuple[int, int]) -> tuple[float, float, float] | None:
    """The smallest circle around a mask (rows, columns) in the pixels of an image of `image_hw`: column, row, radius.

    None for an empty mask. Raises DatasetError `dataset:mask_size_differs` where mask and image have different shapes.
    """
    rows, columns = image_hw[0] / mask.shape[0], image_hw[1] / mask.shape[1]
    if abs(rows / columns - 1) > ASPECT_TOLERANCE:
        raise DatasetError("dataset:mask_size_differs", f"the mask has {mask.shape} pixels, its image {image_hw}")
    if (points := cv2.findNonZero(mask.astype(np.uint8))) is None:
        return None
    hull = cv2.convexHull(points).reshape(-1, 2)
    column, row, radius = circle_around(hull)
    # scaled about pixel edges; half a pixel is the extent of the outermost ones
    return (column + 0.5) * columns - 0.5, (row + 0.5) * rows - 0.5, (radius + 0.5) * (rows + columns) / 2


def mask_move(
    mask: np.ndarray, *, source_hw: tuple[int, int], model_from_source: np.ndarray, input_hw: tuple[int, int]
) -> np.ndarray:
    """Carry a mask, of its image's size `source_hw` or another of the same shape, into the input: uint8, 255 = lesion.

    Area-averaged: a warp alone would drop whatever falls between the pixels it samples, and small lesions are small.
    """
    rows, columns = input_hw
    enlarged = affine.scale(from_hw=(mask.shape[0], mask.shape[1]), to_hw=source_hw)
    matrix = affine.compose(after=model_from_source, before=enlarged)
    shrink = max(1, int(1 / max(np.sqrt(abs(np.linalg.det(matrix[:, :2]))), 1e-6)))
    large = affine.scale(from_hw=(rows, columns), to_hw=(rows * shrink, columns * shrink))
    fine = cv2.warpAffine(
        mask.astype(np.uint8) * 255, affine.compose(after=large, before=matrix), (columns * shrink, rows * shrink)
    )
    return np.asarray(cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA))


def discs_draw(lesions: np.ndarray, *, input_hw: tuple[int, int]) -> np.ndarray:
    """Circles (n, 4: column, row, radius, label) as (n, rows, columns) bool; the smallest still covers a pixel."""
    grid_rows, grid_columns = np.mgrid[0 : input_hw[0], 0 : input_hw[1]]
    drawn = np.zeros((len(lesions), *input_hw), dtype=bool)
    for index, (column, row, radius, _) in enumerate(lesions):
        drawn[index] = np.hypot(grid_columns - column, grid_rows - row) <= max(radius, 1.0)
    return drawn


def record_locate(record: ImageRecord, *, classes: Sequence[str]) -> tuple[ImageRecord, tuple[Problem, ...]]:
    """The record with the circles of its masks added. A mask that cannot be used makes the image not located, with a problem."""
    problems: list[Problem] = []
    lesions = list(record.lesions)
    header = header_read(record.path)
    for path, label in zip(record.mask_paths, record.mask_labels, strict=True):
        try:
            if header is None:
                raise DatasetError("dataset:image_unreadable", "the image of this mask cannot be read")
            circle = mask_circle(mask_read(path), image_hw=header.image_hw)
        except DatasetError as error:
            problems.append(Problem(error.code, error.detail, path.name))
            continue
        if circle is None:
            problems.append(Problem("dataset:mask_empty", "nothing is marked", path.name))
        else:
            lesions.append(LesionCircle(*circle, label=classes.index(label)))
    located = record.is_located and not problems
    return replace(record, lesions=tuple(lesions), mask_paths=(), mask_labels=(), is_located=located), tuple(problems)


def dataset_locate(dataset: Dataset, *, advance: Callable[[], None] = lambda: None) -> Dataset:
    """All records with circles instead of masks, and the problems that came up. `advance` is called once a record."""

    def locate(record: ImageRecord) -> tuple[ImageRecord, tuple[Problem, ...]]:
        result = record_locate(record, classes=dataset.classes) if record.mask_paths else (record, ())
        advance()
        return result

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(locate, dataset.records))
    problems = [problem for _, found in results for problem in found]
    return replace(dataset, records=tuple(record for record, _ in results), problems=(*dataset.problems, *problems))
