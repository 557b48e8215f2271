"""Whether the heatmaps of the golden inputs show something: not negative, not the same everywhere. Pure.

Whether they are the gradients they claim to be is checks.gradients'.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.checks import CheckItem, Verdict
from model_registry.packaging import Manifest

_NEGATIVE = 1e-6
_CONSTANT = 1e-6


def heatmaps_check(*, outputs: Sequence[ModelOutput], manifest: Manifest) -> CheckItem:
    """Takes the answers to single golden inputs. A map of zero says that nothing speaks for the target, which may be true of some
    images; one that is the same everywhere and not zero points nowhere, and never is."""
    maps: Array = np.stack([output.heatmaps for output in outputs])
    targets = manifest.explanation.targets
    scale = float(np.abs(maps).max(initial=0.0))
    lowest = float(maps.min(initial=0.0))
    spread = maps.max(axis=(2, 3)) - maps.min(axis=(2, 3))
    is_zero = np.abs(maps).max(axis=(2, 3)) <= 0.0
    is_constant = (spread <= _CONSTANT * np.abs(maps).max(axis=(2, 3))) & ~is_zero
    figures = {
        "maximum": scale,
        "minimum": lowest,
        "zero_maps": int(is_zero.sum()),
        "constant_maps": int(is_constant.sum()),
        "maps": int(is_zero.size),
    }
    faults = []
    if not lowest >= -_NEGATIVE * max(scale, 1.0):
        faults.append(f"values below zero, down to {lowest:.3g}")
    if is_constant.any():
        flat = [targets[index] for index in np.flatnonzero(is_constant.any(axis=0))]
        faults.append(f"the same value everywhere for {', '.join(flat)}")
    if faults:
        return CheckItem("heatmaps", Verdict.FAILED, "; ".join(faults), "model:heatmap_flat", figures)
    if is_zero.all():
        detail = "every map of every golden input is zero: true or not, these golden inputs cannot show that the maps work"
        return CheckItem("heatmaps", Verdict.WARNING, detail, figures=figures)
    empty = [targets[index] for index in np.flatnonzero(is_zero.all(axis=0))]
    if empty:
        detail = f"always zero on the golden inputs for {', '.join(empty)}; whether that is honest is the gradients' item"
        return CheckItem("heatmaps", Verdict.PASSED, detail, figures=figures)
    return CheckItem(
        "heatmaps", Verdict.PASSED, f"every target is shown in at least one of {len(outputs)} inputs", figures=figures
    )
