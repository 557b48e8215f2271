"""Figures of heatmaps and masks, a row a target: pointing, energy, and what chance and habit would reach; overlap of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_registry.evaluation.bootstrap import Resampling, mean_of
from model_registry.evaluation.cases import Cases
from model_registry.evaluation.pointing import Grid, Pointing, pointing_measure
from model_registry.evaluation.result import Cell, Table
from model_registry.evaluation.segmentation import LESION_IOU_MINIMUM, MASK_THRESHOLD, masks_compare

SUSPICION = "suspicion"


def pointing_of_targets(
    *, cases: Cases, heatmaps: np.ndarray, classes: Sequence[str], suspicion_classes: Sequence[str], targets: Sequence[str]
) -> dict[str, Pointing]:
    """For each target the images whose lesions are of its kind: its class, or any suspicion class for “suspicion”. Targets for
    which no lesion is marked are left out."""
    grid = Grid((heatmaps.shape[2], heatmaps.shape[3]), cases.input_hw)
    breasts = cases.breasts or (None,) * len(cases)
    allowed = [None if breast is None else grid.cells_of_mask(breast, tolerance=0.0) for breast in breasts]
    found = {}
    for channel, target in enumerate(targets):
        wanted = suspicion_classes if target == SUSPICION else (target,)
        labels = [list(classes).index(name) for name in wanted if name in classes]
        cells = [_lesion_cells(cases, index, labels=labels, grid=grid) for index in range(len(cases))]
        if any(lesion is not None for lesion in cells):
            found[target] = pointing_measure(
                heatmaps=heatmaps[:, channel], cells=cells, allowed=allowed, groups=cases.groups, grid=grid
            )
    return found


def pointing_table(*, pointing: dict[str, Pointing], resampling: Resampling, on_breast: bool) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for target, measured in pointing.items():
        shown = np.isfinite(measured.hit)
        columns = (measured.hit, measured.energy, measured.chance, measured.by_place)
        rows.append((target, int(shown.sum()), *(resampling.estimate(mean_of(values, shown)) for values in columns)))
    tolerance = next(iter(pointing.values())).tolerance
    return Table(
        name="pointing",
        title="Where the maps point",
        columns=("Map", "Images", "Maximum on a lesion", "Share of the map on it", "By chance", "By the usual place"),
        rows=tuple(rows),
        note=(
            "An image counts as a hit when the centre of the map's highest cell lies on one of its lesions of the map's kind, or "
            f"within {tolerance:.1f} input pixels of its centre or outline, half a cell's diagonal. An empty map misses. "
            f"By chance: a random place {'on the breast' if on_breast else 'of the input'}, measured on these very lesions. "
            "By the usual place: always where other patients' lesions are commonest, without looking at the image."
        ),
    )


def segmentation_table(
    *, cases: Cases, heatmaps: np.ndarray, classes: Sequence[str], targets: Sequence[str], resampling: Resampling
) -> Table | None:
    """Overlap of predicted and true masks, a row a target; None where the cases have no masks."""
    if cases.masks is None:
        return None
    rows: list[tuple[Cell, ...]] = []
    for channel, target in enumerate(targets):
        ours = cases.labels == list(classes).index(target) if target in classes else np.ones(len(cases), dtype=bool)
        # With one target every mask is its; with several a mask belongs to the image's class.
        ours |= len(targets) == 1
        truths = tuple(mask if own else None for mask, own in zip(cases.masks, ours, strict=True))
        figures = masks_compare(probabilities=heatmaps[:, channel], truths=truths, input_hw=cases.input_hw)
        dice, iou, lesions, found, false = (
            np.array([getattr(figure, name) for figure in figures], dtype=np.float64)
            for name in ("dice", "iou", "lesions", "lesions_found", "false_findings")
        )
        marked = lesions > 0
        # An unlocated abnormal image has no mask though it has a lesion; what is found there is neither right nor wrong.
        empty = ~marked & cases.is_located
        sensitivity = mean_of(found, marked), mean_of(lesions, marked)
        rows.append(
            (
                target,
                int(marked.sum()),
                int(lesions.sum()),
                resampling.estimate(mean_of(dice, marked)),
                resampling.estimate(mean_of(iou, marked)),
                resampling.estimate(lambda weights, s=sensitivity: s[0](weights) / s[1](weights)),  # type: ignore[misc]
                resampling.estimate(mean_of(false, marked | empty)),
                resampling.estimate(mean_of(false == 0, empty)),
            )
        )
    return Table(
        name="segmentation",
        title="Masks",
        columns=(
            "Mask",
            "Images with a lesion",
            "Lesions",
            "Dice",
            "IoU",
            "Lesions found",
            "False findings an image",
            "Lesion-free images left empty",
        ),
        rows=tuple(rows),
        note=(
            f"Masks are cut at {MASK_THRESHOLD}. Dice and IoU are means over images with a lesion. A lesion counts as found when "
            f"the predicted regions that touch it reach an IoU of {LESION_IOU_MINIMUM} with it; a false finding touches none."
        ),
    )


def _lesion_cells(cases: Cases, index: int, *, labels: Sequence[int], grid: Grid) -> np.ndarray | None:
    """The cells that count as lesion, from the mask where there is one; None where nothing of these labels is marked."""
    if not cases.is_located[index]:
        return None
    mask = None if cases.masks is None else cases.masks[index]
    if mask is not None and mask.any():
        return grid.cells_of_mask(mask) if int(cases.labels[index]) in labels else None
    lesions = cases.lesions[index]
    ours = lesions[np.isin(lesions[:, 3].astype(int), labels)]
    if not len(ours):
        return None
    cells = grid.cells_of_circles(ours)
    return cells if cells.any() else None
