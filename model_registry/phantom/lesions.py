"""Synthetic findings drawn into a breast: round and spiculated masses, clusters of microcalcifications.

Believable to the eye and known to the pixel, so that tests can ask where a heatmap ought to be. Not a disease model: what is
learned from these says nothing about detection in women.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

LesionKind = Literal["round-mass", "spiculated-mass", "calcifications"]
LESION_KINDS: tuple[LesionKind, ...] = ("round-mass", "spiculated-mass", "calcifications")

_RADIUS_MM: dict[LesionKind, tuple[float, float]] = {
    "round-mass": (6.0, 11.0),
    "spiculated-mass": (5.0, 9.0),
    "calcifications": (5.0, 9.0),
}


@dataclass(frozen=True, slots=True)
class Lesion:
    """`centre` is (column, row) in pixels of the view as it is stored; `radius` in pixels covers the body, not its spicules."""

    kind: LesionKind
    centre: tuple[float, float]
    radius: float


@dataclass(frozen=True, slots=True)
class LesionPlan:
    """One finding of one breast, shared by its views: `depth` behind the nipple as a share of the way to the chest wall,
    `across` from the nipple's axis as a share of the breast's half height."""

    kind: LesionKind
    depth: float
    across: float
    radius_mm: float


def lesion_plan(*, rng: np.random.Generator, kind: LesionKind) -> LesionPlan:
    low, high = _RADIUS_MM[kind]
    across = float(rng.uniform(0.15, 0.42) * rng.choice((-1.0, 1.0)))
    return LesionPlan(kind=kind, depth=float(rng.uniform(0.35, 0.6)), across=across, radius_mm=float(rng.uniform(low, high)))


def lesion_draw(
    *, values: np.ndarray, rng: np.random.Generator, kind: LesionKind, centre: tuple[float, float], radius: float, pixel_mm: float
) -> None:
    """Brighten `values` (rows, columns, float32 in [0, 1]) in place around `centre` (column, row); `radius` in pixels."""
    reach = int(np.ceil(radius * 2.6)) + 2
    top, left = max(0, round(centre[1]) - reach), max(0, round(centre[0]) - reach)
    patch = values[top : round(centre[1]) + reach + 1, left : round(centre[0]) + reach + 1]
    across = np.arange(patch.shape[0], dtype=np.float32)[:, None] + np.float32(top - centre[1])
    along = np.arange(patch.shape[1], dtype=np.float32)[None, :] + np.float32(left - centre[0])
    if kind == "calcifications":
        share = _calcifications(rng, along, across, radius, pixel_mm)
    else:
        distance, angle = cv2.cartToPolar(np.broadcast_to(along, patch.shape).copy(), np.broadcast_to(across, patch.shape).copy())
        share = _mass(rng, distance, angle, radius, spiculated=kind == "spiculated-mass")
    # attenuation adds up and film saturates: brightening takes a share of what is left to white, and none of it in air
    patch += (1 - patch) * share * np.clip(patch * 8, 0, 1)


def _mass(rng: np.random.Generator, distance: np.ndarray, angle: np.ndarray, radius: float, *, spiculated: bool) -> np.ndarray:
    wobble = np.zeros_like(angle)
    for order in range(2, 7):
        wobble += np.float32(rng.normal(0, 0.12 / order)) * np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    relative = distance / (np.float32(radius) * (1 + wobble))
    sharpness = 3.0 if spiculated else 5.0
    share = np.float32(0.72) * np.exp(-(relative**sharpness))
    if spiculated:
        for _ in range(int(rng.integers(16, 26))):
            direction, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25)
            length, breadth = rng.uniform(1.5, 2.4), rng.uniform(0.05, 0.09)
            turn = np.mod(angle - np.float32(direction) - np.float32(bend) * relative + np.pi, 2 * np.pi) - np.pi
            aside = np.abs(turn) * relative  # in radii, so a spicule keeps its breadth on its way out
            fade = np.clip(1 - relative / np.float32(length), 0, 1)
            share = np.maximum(share, np.float32(0.6) * np.exp(-np.square(aside / np.float32(breadth))) * fade)
    return share


def _calcifications(
    rng: np.random.Generator, along: np.ndarray, across: np.ndarray, radius: float, pixel_mm: float
) -> np.ndarray:
    share = np.zeros((across.shape[0], along.shape[1]), dtype=np.float32)
    for _ in range(int(rng.integers(12, 26))):
        away, direction = radius * np.sqrt(rng.uniform(0, 1)), rng.uniform(0, 2 * np.pi)
        column, row = np.float32(away * np.cos(direction)), np.float32(away * np.sin(direction))
        # 0.3 to 0.7 mm, and never finer than the pixels can show
        size = np.float32(max(rng.uniform(0.15, 0.35) / pixel_mm, 0.7))
        speck = np.exp(-np.square((across - row) / size)) * np.exp(-np.square((along - column) / size))
        share = np.maximum(share, np.float32(rng.uniform(0.55, 0.9)) * speck)
    return share
