"""ONNX Runtime on the CPU for graphs in memory: whether they run, and what they answer. One coded error for all its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from model_registry.building.errors import NotRunnable
from model_registry.packaging.manifest import TensorNames


def session_create(model: onnx.ModelProto, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session. Raises NotRunnable."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise NotRunnable(f"ONNX Runtime does not take the model: {_first_line(error)}") from error


def session_run(
    session: onnxruntime.InferenceSession, *, names: TensorNames, batch: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, probabilities and heatmaps of a batch. Raises NotRunnable, also where an answer is not finite."""
    wanted = (names.logits, names.probabilities, names.heatmaps)
    logits, probabilities, heatmaps = outputs_run(session, outputs=wanted, image=names.image, batch=batch)
    return logits, probabilities, heatmaps


def outputs_run(
    session: onnxruntime.InferenceSession, *, outputs: Sequence[str] | None, image: str, batch: np.ndarray
) -> list[np.ndarray]:
    """The outputs (None: all) for a batch fed to the input `image`. Raises NotRunnable, also for values that are not finite."""
    try:
        found: Any = session.run(outputs, {image: batch})
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        shape = "x".join(map(str, batch.shape))
        raise NotRunnable(f"the model does not run on images of shape {shape}: {_first_line(error)}") from error
    arrays = [np.asarray(values) for values in found]
    for index, values in enumerate(arrays):
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise NotRunnable(f"{outputs[index] if outputs else index} holds values that are not finite")
    return arrays


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
