"""Small drawn samples: a flat breast with noise and, on request, one bright spot. No patient's image."""

from __future__ import annotations

import numpy as np

from model_registry.training.samples import Sample

ROWS, COLUMNS = 128, 96


def drawn_sample(
    *,
    label: int,
    lesion: tuple[float, float, float] | None = None,
    breast_columns: int = COLUMNS,
    seed: int = 0,
    fold: int = 0,
    patient_id: str = "",
) -> Sample:
    """`lesion` is (column, row, radius); abnormal samples without one get a spot in the middle."""
    random = np.random.default_rng(seed)
    if lesion is None and label:
        lesion = (48.0, 64.0, 12.0)
    mask = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    mask[:, :breast_columns] = 1
    v = 0.4 + random.normal(0, 0.03, mask.shape)
    lesions = np.zeros((0, 4))
    if lesion is not None:
        rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
        v += 0.7 * np.exp(-0.5 * (np.hypot(columns - lesion[0], rows - lesion[1]) / (0.4 * lesion[2])) ** 2)
        lesions = np.array([[*lesion, label]], dtype=np.float64)
    return Sample(
        image_id=f"drawn{seed}",
        patient_id=patient_id or f"p{seed}",
        fold=fold,
        label=label,
        density="FGD"[seed % 3],
        finding="CIRC" if label else "NORM",
        tensor=np.stack([v * mask, mask], axis=-1).astype(np.float32),
        lesions=lesions,
        is_located=True,
    )
