"""Gradient rules of ONNX operators, by kind. Importing this package fills the table."""

from model_registry.explain.rules import (
    activation,
    elementwise,
    linear,
    normalization,
    pooling,
    quantization,
    reduction,
    resampling,
    shape,
)
from model_registry.explain.rules.registry import MEAN_RULES, RULES

__all__ = [
    "MEAN_RULES",
    "RULES",
    "activation",
    "elementwise",
    "linear",
    "normalization",
    "pooling",
    "quantization",
    "reduction",
    "resampling",
    "shape",
]
