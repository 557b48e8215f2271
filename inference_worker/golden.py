"""Proves on this very machine that a package answers its golden inputs as it must, from file bytes to scores and maps.

Runs before a session serves its first job. Decides nothing about what happens to a package that fails.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.failures import CodedError
from model_registry.packaging import Package
from model_registry.preprocessing.golden import GoldenAnswer, GoldenFailure, golden_prove


def golden_check(*, package: Package, run: Callable[[Array], ModelOutput]) -> None:
    """Run every golden case; see golden_prove for what must agree. Raises model:golden_mismatch, or model:invalid_package when a
    case cannot be read."""

    def answer(tensor: Array) -> GoldenAnswer:
        output = run(tensor[np.newaxis]).image(0)
        return GoldenAnswer(output.logits, output.probabilities, output.heatmaps)

    try:
        golden_prove(package=package, run=answer)
    except GoldenFailure as error:
        raise CodedError(error.code, error.detail) from error
