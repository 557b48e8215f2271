"""An exponential average of a network's weights, batch statistics included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class WeightAverage:
    """Decay min(ceiling, (1 + t)/(10 + t)) at step t, so that the first weights are soon forgotten."""

    def __init__(self, variables: Sequence[Any], *, ceiling: float) -> None:
        self._variables = list(variables)
        self._averages = [tf.Variable(variable.value, trainable=False) for variable in variables]
        self._ceiling = ceiling
        self.steps = 0

    def update(self) -> None:
        self._blend(tf.constant(min(self._ceiling, (1 + self.steps) / (10 + self.steps)), tf.float32))
        self.steps += 1

    @tf.function
    def _blend(self, decay: tf.Tensor) -> None:
        for average, variable in zip(self._averages, self._variables, strict=True):
            if average.dtype.is_floating:
                average.assign(decay * average + (1 - decay) * tf.cast(variable.value, average.dtype))
            else:  # a count, not a weight
                average.assign(variable.value)

    def apply(self) -> None:
        """Put the averages in the network's place."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average.numpy())

    def swap(self) -> list[np.ndarray]:
        """As `apply`; returns what stood there, for `unswap`."""
        kept = [np.asarray(variable.value) for variable in self._variables]
        self.apply()
        return kept

    def unswap(self, kept: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._variables, kept, strict=True):
            variable.assign(value)

    def values(self) -> list[np.ndarray]:
        return [average.numpy() for average in self._averages]

    def restore(self, values: Sequence[np.ndarray], *, steps: int) -> None:
        for average, value in zip(self._averages, values, strict=True):
            average.assign(value)
        self.steps = steps
