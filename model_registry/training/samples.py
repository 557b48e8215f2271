"""Training samples: prepared images with their lesions, the random changes made to them, and the targets of the cells.

Pure NumPy and OpenCV. Preprocessing is the serving path's own, so a network never sees in service what it did not see here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from model_registry.datasets.lesions import lesions_array, lesions_move
from model_registry.datasets.mias import MiasImage
from model_registry.packaging.profile import PreprocessingProfile
from model_registry.preprocessing import image_decode, image_prepare
from model_registry.training.recipe import Augmentation, Recipe

CELL = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """`tensor` (rows, columns, 2: v, m) float32; `lesions` (n, 4: column, row, radius, label) in the tensor's pixels.

    `is_located` is False where cells must not be supervised: an abnormal image with no circle on the breast.
    """

    image_id: str
    patient_id: str
    fold: int
    label: int
    density: str
    finding: str
    tensor: np.ndarray
    lesions: np.ndarray
    is_located: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """`images` (N, rows, columns, 2); `labels` (N,); `cell_labels` and `cell_weights` (N, rows/8, columns/8)."""

    images: np.ndarray
    labels: np.ndarray
    cell_labels: np.ndarray
    cell_weights: np.ndarray


def samples_prepare(images: Iterable[MiasImage], *, profile: PreprocessingProfile) -> list[Sample]:
    """Decode and prepare with the package's own profile. Raises PreprocessingError for a file that cannot be decoded."""
    samples = []
    for image in images:
        prepared = image_prepare(image=image_decode(data=image.path.read_bytes(), media_type="image/png"), profile=profile)
        lesions = lesions_move(lesions_array(image.lesions), prepared.model_from_source)
        samples.append(
            Sample(
                image_id=image.image_id,
                patient_id=image.patient_id,
                fold=image.fold,
                label=image.label,
                density=image.density,
                finding=image.finding,
                tensor=prepared.tensor,
                lesions=lesions,
                is_located=image.is_located,
            )
        )
    return samples


def cell_targets(sample: Sample, *, mask: np.ndarray, lesions: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Class index and weight of every cell, (rows/8, columns/8) each. Weight 0 means ignored.

    Positive near a lesion's centre, ignored in the ring around it, off the breast, and everywhere when nothing is located.
    """
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    inside = mask.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)) >= 0.5
    labels = np.zeros((rows, columns), dtype=np.int32)
    weights = inside.astype(np.float32)
    if not sample.is_located:
        return labels, np.zeros_like(weights)
    y = (np.arange(rows) * CELL + (CELL - 1) / 2)[:, None]
    x = (np.arange(columns) * CELL + (CELL - 1) / 2)[None, :]
    distances = [np.hypot(x - column, y - row) for column, row, _, _ in lesions]
    for distance, (_, _, radius, _) in zip(distances, lesions, strict=True):
        weights[distance <= recipe.ignored_radius_factor * radius + recipe.ignored_margin] = 0
    for distance, (_, _, radius, label) in zip(distances, lesions, strict=True):
        positive = (distance <= max(recipe.positive_radius_factor * radius, recipe.positive_radius_minimum)) & inside
        labels[positive] = int(label)
        weights[positive] = recipe.cell_weight_positive
    return labels, weights


def sample_augment(sample: Sample, *, random: np.random.Generator, settings: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """A randomly moved and re-exposed copy: the tensor and its lesions."""
    rows, columns = sample.tensor.shape[:2]
    affine = _random_affine(random, settings, rows, columns)
    moved = cv2.warpAffine(sample.tensor, affine, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    v, mask = moved[..., 0], moved[..., 1]
    gamma = math.exp(random.uniform(-settings.log_gamma, settings.log_gamma))
    v = np.power(np.maximum(v, 0), gamma) * random.uniform(1 - settings.gain, 1 + settings.gain)
    v = v + random.uniform(-settings.offset, settings.offset)
    v = v + random.normal(0, 1, v.shape).astype(np.float32) * random.uniform(0, settings.noise_sigma)
    return np.stack([v * mask, mask], axis=-1).astype(np.float32), lesions_move(sample.lesions, affine)


def _random_affine(random: np.random.Generator, settings: Augmentation, rows: int, columns: int) -> np.ndarray:
    """Source → result, (2, 3), about the centre of the image."""
    angle = math.radians(random.uniform(-settings.rotation_degrees, settings.rotation_degrees))
    scale = math.exp(random.uniform(-settings.log_scale, settings.log_scale))
    aspect = math.exp(random.uniform(-settings.log_aspect, settings.log_aspect) / 2)
    shear = random.uniform(-settings.shear, settings.shear)
    flip = -1.0 if random.uniform() < settings.vertical_flip else 1.0
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag([scale * aspect, flip * scale / aspect])
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    shift = random.uniform(-settings.shift, settings.shift, 2) * [columns, rows]
    return np.hstack([linear, (centre + shift - linear @ centre)[:, None]])


def batch_make(samples: Sequence[Sample], *, random: np.random.Generator | None, recipe: Recipe) -> Batch:
    """Stack samples and their targets; augmented when `random` is given."""
    tensors, labels, weights = [], [], []
    for sample in samples:
        tensor, lesions = sample.tensor, sample.lesions
        if random is not None:
            tensor, lesions = sample_augment(sample, random=random, settings=recipe.augmentation)
        cell_label, cell_weight = cell_targets(sample, mask=tensor[..., 1], lesions=lesions, recipe=recipe)
        tensors.append(tensor)
        labels.append(cell_label)
        weights.append(cell_weight)
    return Batch(
        np.stack(tensors), np.asarray([sample.label for sample in samples], dtype=np.int32), np.stack(labels), np.stack(weights)
    )
