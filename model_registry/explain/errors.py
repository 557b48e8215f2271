"""What the transform refuses, each with a stable code. For engineers and administrators; it holds no image data."""

from __future__ import annotations

from typing import Final

GRADIENT_FREE: Final = "eigen-cam"  # the method that is left when no gradient can be had


class ExplainError(Exception):
    """The graph cannot be explained as asked. `code` is stable, `detail` says what to change."""

    code = "model:not_explainable"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"{self.code}: {detail}")


class NoGradientRule(ExplainError):
    """An operator between the CAM layer and the scores has no rule, or an attribute that its rule does not cover.

    The text ends with what can be done: another layer, or the method `fallback`, which needs no gradient.
    """

    code = "model:no_gradient_rule"
    fallback: Final = GRADIENT_FREE

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"{detail}; choose a CAM layer behind it, or method {self.fallback!r}, which needs no gradient and gives one map "
            "that is the same for every class"
        )


class NoTarget(ExplainError):
    """There is no such CAM layer, or none was found."""

    code = "model:no_cam_layer"


class NoScores(ExplainError):
    """There is no such score tensor, or its form is not (batch, scores)."""

    code = "model:no_scores"


class UnknownShape(ExplainError):
    """Shape inference leaves open a size that a rule needs."""

    code = "model:unknown_shape"


class UnreadableModel(ExplainError):
    """The file is no valid ONNX model, or cannot be read or written."""

    code = "model:unreadable_file"


class ExternalDataRefused(ExplainError):
    """External data lies outside the model's folder, or is missing or cut short."""

    code = "model:external_data_refused"
