"""Weights as plain arrays in an .npz, by variable path: no pickle, no code, readable without Keras."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def _variables(keras_model: Any) -> dict[str, Any]:
    """Trained variables and batch statistics; seeds of random layers are not weights."""
    return {variable.path: variable for variable in keras_model.variables if "seed_generator" not in variable.path}


def weights_to_bytes(keras_model: Any) -> bytes:
    stream = io.BytesIO()
    arrays: dict[str, Any] = {path: np.asarray(variable.value) for path, variable in _variables(keras_model).items()}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def weights_from_bytes(keras_model: Any, data: bytes) -> None:
    """Load into a model of the same architecture. Raises ValueError when names, shapes or finiteness do not fit."""
    variables = _variables(keras_model)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if set(arrays.files) != set(variables):
            differing = sorted(set(arrays.files) ^ set(variables))
            raise ValueError(f"the weights are of another architecture; they differ in {differing[:5]}")
        for path, variable in variables.items():
            value = arrays[path]
            if value.shape != tuple(variable.shape) or not np.isfinite(value).all():
                raise ValueError(
                    f"the weights of {path!r} have shape {value.shape}, not {tuple(variable.shape)}, or are not finite"
                )
            variable.assign(value)
