"""The learning rate of a step. Pure functions; the plateau's factor is kept by the loop's state."""

from __future__ import annotations

import math

from model_registry.training.config import Constant, Cosine, OneCycle, Plateau


def learning_rate_at(step: int, *, steps: int, peak: float, schedule: Constant | OneCycle | Cosine | Plateau) -> float:
    """The rate of step `step` of a phase of `steps`."""
    if isinstance(schedule, OneCycle):
        rise, low, end = max(1, round(steps * schedule.warm_up)), peak / schedule.start_divisor, 1 / schedule.end_divisor
        if step < rise:
            return low + (peak - low) * (1 - math.cos(math.pi * step / rise)) / 2
        return peak * _cosine((step - rise) / max(1, steps - rise), end)
    if isinstance(schedule, Cosine):
        rise = round(steps * schedule.warm_up)
        if step < rise:
            return peak * (step + 1) / (rise + 1)
        return peak * _cosine((step - rise) / max(1, steps - rise), schedule.floor)
    return peak


def _cosine(share: float, floor: float) -> float:
    """From 1 at share 0 down to `floor` at share 1."""
    return floor + (1 - floor) * (1 + math.cos(math.pi * share)) / 2
