"""Random changes of training images: one affine warp for picture, masks and lesions together, then exposure and noise.

Pure NumPy and OpenCV, everything drawn from the generator that is given. For training folds only; nothing else calls it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from model_registry.datasets.lesions import lesions_move
from model_registry.training.config import AugmentationSection


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What the network is shown and what it is held to: `tensor` (rows, columns, C) float32; `lesions` (n, 4: column, row,
    radius, label) in its pixels; `masks` (rows, columns, classes) float32 of the lesions, or None."""

    tensor: np.ndarray
    lesions: np.ndarray
    masks: np.ndarray | None = None


def example_augment(
    example: Example, *, settings: AugmentationSection, random: np.random.Generator, has_mask: bool, full_scale: float
) -> Example:
    """A randomly moved and re-exposed copy. With `has_mask` the last channel is a breast mask: it is moved, never re-exposed, and
    what lies outside stays black. `full_scale` is the value of white. All picture channels hold one grey picture."""
    rows, columns, channels = example.tensor.shape
    affine = random_affine(random, settings, rows=rows, columns=columns)
    planes = [example.tensor[..., 0]] + ([example.tensor[..., -1]] if has_mask else [])
    moved = [_warp(plane, affine) for plane in planes]
    picture = _exposed(moved[0], settings=settings, random=random, full_scale=full_scale)
    if settings.erase and random.uniform() < settings.erase:
        _erase(picture, random=random, area=settings.erase_area)
    if has_mask:
        picture = picture * moved[1]
    pictures = [picture] * (channels - has_mask)
    tensor = np.stack([*pictures, *moved[1:]], axis=-1).astype(np.float32)
    masks = None if example.masks is None else _warp(example.masks, affine).reshape(example.masks.shape)
    return Example(tensor, lesions_move(example.lesions, affine), masks)


def random_affine(random: np.random.Generator, settings: AugmentationSection, *, rows: int, columns: int) -> np.ndarray:
    """Source → result, (2, 3) over (column, row), about the centre of the image."""
    angle = math.radians(random.uniform(-settings.rotation_degrees, settings.rotation_degrees))
    scale = _factor(random, settings.zoom)
    aspect = math.sqrt(_factor(random, settings.aspect))
    shear = random.uniform(-settings.shear, settings.shear)
    across = -1.0 if random.uniform() < settings.horizontal_flip else 1.0
    down = -1.0 if random.uniform() < settings.vertical_flip else 1.0
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag([across * scale * aspect, down * scale / aspect])
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    shift = random.uniform(-settings.shift, settings.shift, 2) * [columns, rows]
    return np.hstack([linear, (centre + shift - linear @ centre)[:, None]])


def _factor(random: np.random.Generator, limits: tuple[float, float]) -> float:
    return math.exp(random.uniform(math.log(limits[0]), math.log(limits[1])))


def _warp(plane: np.ndarray, affine: np.ndarray) -> np.ndarray:
    rows, columns = plane.shape[:2]
    if (affine == np.array([[1.0, 0, 0], [0, 1.0, 0]])).all():
        return np.array(plane, dtype=np.float32)
    plane = np.ascontiguousarray(plane, dtype=np.float32)
    return cv2.warpAffine(plane, affine, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _exposed(picture: np.ndarray, *, settings: AugmentationSection, random: np.random.Generator, full_scale: float) -> np.ndarray:
    v = picture / np.float32(full_scale)
    if settings.gamma != (1.0, 1.0):
        v = np.power(np.maximum(v, 0), np.float32(_factor(random, settings.gamma)))
    v = v * np.float32(random.uniform(1 - settings.gain, 1 + settings.gain))
    v = v + np.float32(random.uniform(-settings.brightness, settings.brightness))
    if settings.noise:
        v = v + random.standard_normal(v.shape, dtype=np.float32) * np.float32(random.uniform(0, settings.noise))
    return v * np.float32(full_scale)


def _erase(picture: np.ndarray, *, random: np.random.Generator, area: float) -> None:
    """Blacken a box of a random place, shape and area (Zhong 2020)."""
    rows, columns = picture.shape
    wanted, aspect = random.uniform(0, area) * rows * columns, math.exp(random.uniform(-math.log(2), math.log(2)))
    height, width = min(rows, max(1, round(math.sqrt(wanted * aspect)))), min(columns, max(1, round(math.sqrt(wanted / aspect))))
    top, left = random.integers(0, rows - height + 1), random.integers(0, columns - width + 1)
    picture[top : top + height, left : left + width] = 0
