"""The shape and tissue of a synthetic breast, chest wall at the left edge, in display values: 0 is air, 1 the densest.

Lengths are in millimetres on a grid of stated spacing; everything is drawn from one generator, so a seed is a breast.
Not for DICOM, markers or lesions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from model_registry.phantom.texture import power_law_field, strands

Density = Literal["A", "B", "C", "D"]
ViewPosition = Literal["CC", "MLO"]

# glandular prior and contrast: from almost entirely fat to extremely dense (ACR BI-RADS a to d)
_GLANDULAR_BIAS: dict[Density, float] = {"A": -2.1, "B": -1.0, "C": 0.0, "D": 1.1}


@dataclass(frozen=True, slots=True)
class BreastShape:
    """One woman's proportions, shared by her four views; `reach` and `span` as shares of the field's width and height."""

    reach: float
    span: float
    roundness: float
    pectoral_foot: float
    pectoral_top: float
    density: Density


@dataclass(frozen=True, slots=True, eq=False)
class BreastView:
    """`values` float32 in [0, 1]; `distance_mm` to the skin (0 outside); `glandular` float32 in [0, 1]; `nipple` (row,
    column)."""

    values: np.ndarray
    distance_mm: np.ndarray
    glandular: np.ndarray
    nipple: tuple[float, float]


def shape_draw(*, rng: np.random.Generator, density: Density) -> BreastShape:
    """Proportions within what a field of 24 x 29 cm usually shows."""
    return BreastShape(
        reach=float(rng.uniform(0.52, 0.72)),
        span=float(rng.uniform(0.34, 0.41)),
        roundness=float(rng.uniform(1.9, 2.3)),
        pectoral_foot=float(rng.uniform(0.52, 0.68)),
        pectoral_top=float(rng.uniform(0.30, 0.40)),
        density=density,
    )


def view_draw(
    *, rng: np.random.Generator, shape: BreastShape, view_position: ViewPosition, hw: tuple[int, int], spacing_mm: float
) -> BreastView:
    """Draw one view on a (rows, columns) grid."""
    edge, nipple = _outline(rng, shape, view_position, hw)
    columns = np.arange(hw[1], dtype=np.float32)[None, :]
    mask = (columns < edge[:, None]).astype(np.uint8)
    distance_mm = _skin_distance(mask) * np.float32(spacing_mm)
    glandular = _glandular(rng, shape, distance_mm, nipple, hw, spacing_mm)
    tissue = 0.25 + 0.075 * power_law_field(rng=rng, hw=hw, beta=3.0)
    tissue += 0.38 * glandular * (1.0 + 0.10 * power_law_field(rng=rng, hw=hw, beta=2.7, low_cut=6.0))
    fibres = strands(rng=rng, hw=hw, focus=nipple, scale=9.0 / spacing_mm, width=0.13)
    fine = strands(rng=rng, hw=hw, focus=nipple, scale=5.0 / spacing_mm, width=0.09)
    tissue += (0.12 * fibres + 0.08 * fine) * np.clip(distance_mm / 12.0, 0, 1)
    if view_position == "MLO":
        muscle = _pectoral(rng, shape, hw, spacing_mm)
        striation = cv2.GaussianBlur(power_law_field(rng=rng, hw=hw, beta=2.2, low_cut=8.0), (0, 0), 1.2)
        tissue = tissue * (1 - 0.72 * muscle) + muscle * (0.42 + 0.025 * striation)
    # the compressed breast thins towards its rim; presentation processing lifts it, so only the last stretch darkens
    rim = np.clip(distance_mm / 16.0, 0, 1)
    thickness = np.sqrt(1 - np.square(1 - rim))
    skin = np.exp(-np.square((distance_mm - 1.0) / 0.8)) * (distance_mm > 0)
    values = thickness * np.clip(tissue, 0.05, 1.0) * 0.92 + 0.10 * skin + 0.05 * (distance_mm > 0)
    areola = _spot(hw, (nipple[0], nipple[1] - 3.0 / spacing_mm), 4.0 / spacing_mm)
    values += 0.22 * areola * (distance_mm > 0)
    return BreastView(
        values=np.clip(values, 0, 1).astype(np.float32), distance_mm=distance_mm, glandular=glandular, nipple=nipple
    )


def _outline(
    rng: np.random.Generator, shape: BreastShape, view_position: ViewPosition, hw: tuple[int, int]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Column of the skin for every row (negative where there is none), and the nipple."""
    rows = np.arange(hw[0], dtype=np.float64) / hw[0]
    reach = shape.reach * hw[1]
    if view_position == "CC":
        centre = 0.5 + rng.uniform(-0.03, 0.03)
        offset = np.abs(rows - centre) / shape.span
        edge = reach * np.clip(1 - offset**shape.roundness, 0, None) ** (1 / shape.roundness)
        edge[offset >= 1] = -1
    else:
        centre = 0.60 + rng.uniform(-0.03, 0.03)
        top = shape.pectoral_top * hw[1] * rng.uniform(1.06, 1.18)
        upper = np.clip((centre - rows) / centre, 0, 1)
        lower = np.clip((rows - centre) / (shape.span * 0.92), 0, None)
        above = top + (reach - top) * (0.5 + 0.5 * np.cos(np.pi * upper**1.15)) ** 0.9
        below = reach * np.clip(1 - lower**shape.roundness, 0, None) ** (1 / shape.roundness)
        edge = np.where(rows < centre, above, below)
        edge[lower >= 1] = -1
    wave = cv2.GaussianBlur(rng.standard_normal((hw[0], 1)), (0, 0), hw[0] / 18).ravel()
    edge = edge * (1 + 0.05 * wave / max(float(np.abs(wave).max()), 1e-9))
    nipple_row = (centre + rng.uniform(-0.02, 0.02)) * hw[0]
    bump = np.exp(-np.square((np.arange(hw[0]) - nipple_row) / (hw[0] * 0.013)))
    edge = np.where(edge > 0, edge + bump * hw[1] * 0.016, edge)
    return edge.astype(np.float32), (float(nipple_row), float(edge[int(nipple_row)]))


def _skin_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the skin in pixels. The chest wall, and in MLO the top, are where the picture ends, not the breast."""
    pad = max(mask.shape) // 3
    extended = cv2.copyMakeBorder(mask, pad, 0, pad, 0, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(extended, cv2.DIST_L2, 5)[pad:, pad:].copy()


def _glandular(
    rng: np.random.Generator,
    shape: BreastShape,
    distance_mm: np.ndarray,
    nipple: tuple[float, float],
    hw: tuple[int, int],
    spacing_mm: float,
) -> np.ndarray:
    """Glandular share: a fan behind the nipple, broken up by the texture, with fat under the skin and before the muscle."""
    rows, columns = np.meshgrid(np.arange(hw[0], dtype=np.float32), np.arange(hw[1], dtype=np.float32), indexing="ij")
    depth = (nipple[1] - columns) / np.float32(nipple[1])
    across = (rows - np.float32(nipple[0])) / np.float32(hw[0] * shape.span)
    fan = np.square((depth - 0.42) / 0.46) + np.square(across / 0.66)
    broad = power_law_field(rng=rng, hw=hw, beta=3.4, low_cut=3.0)
    lobules = power_law_field(rng=rng, hw=hw, beta=3.2, low_cut=12.0)
    septa = strands(rng=rng, hw=hw, focus=nipple, scale=11.0 / spacing_mm, width=0.22)
    evidence = 1.5 * (1 - fan) + 0.95 * broad + 0.40 * lobules + 0.75 * (septa - 0.2) + _GLANDULAR_BIAS[shape.density]
    under_skin = np.clip((distance_mm - 3.0) / 14.0, 0, 1)
    return (1 / (1 + np.exp(-1.5 * evidence)) * under_skin).astype(np.float32)


def _pectoral(rng: np.random.Generator, shape: BreastShape, hw: tuple[int, int], spacing_mm: float) -> np.ndarray:
    """The muscle: a slightly convex triangle from the upper edge to the chest wall, soft at its border; 0 to 1."""
    rows = np.arange(hw[0], dtype=np.float32)[:, None] / np.float32(hw[0] * shape.pectoral_foot)
    columns = np.arange(hw[1], dtype=np.float32)[None, :]
    bulge = 1.0 + rng.uniform(0.05, 0.25) * np.sin(np.pi * np.clip(rows, 0, 1))
    border = shape.pectoral_top * hw[1] * np.clip(1 - rows, 0, None) * bulge
    softness = np.float32(5.0 / spacing_mm)
    return np.clip((border - columns) / softness + 0.5, 0, 1) * (rows < 1)


def _spot(hw: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    rows = np.exp(-np.square((np.arange(hw[0], dtype=np.float32) - np.float32(centre[0])) / np.float32(radius)))
    columns = np.exp(-np.square((np.arange(hw[1], dtype=np.float32) - np.float32(centre[1])) / np.float32(radius)))
    return rows[:, None] * columns[None, :]
