"""Grad-CAM as a transform of ONNX graphs. Needs onnx and NumPy only; no training framework, no runtime."""

from model_registry.explain.errors import GRADIENT_FREE, ExplainError, NoGradientRule, NoScores, NoTarget, UnknownShape
from model_registry.explain.transform import METHODS, ExplainedModel, Method, explain_model, gradient_model

__all__ = [
    "GRADIENT_FREE",
    "METHODS",
    "ExplainError",
    "ExplainedModel",
    "Method",
    "NoGradientRule",
    "NoScores",
    "NoTarget",
    "UnknownShape",
    "explain_model",
    "gradient_model",
]
