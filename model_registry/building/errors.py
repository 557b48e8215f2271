"""What packaging and importing refuse, each with a stable code. For engineers and administrators; it holds no image data."""

from __future__ import annotations


class ExportError(Exception):
    """The model or the facts cannot become a package. `code` is stable, `detail` says what to change."""

    code = "model:not_exportable"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"{self.code}: {detail}")


class FactsInvalid(ExportError):
    """The file of facts, or what was said on the command line, is incomplete or contradicts the model."""

    code = "model:facts_invalid"


class UnsafeKerasFile(ExportError):
    """A Keras file that could run code, read other files or exhaust memory when it is loaded."""

    code = "model:unsafe_keras_file"


class UnreadableKerasFile(ExportError):
    """No Keras file, a damaged one, or one of another architecture."""

    code = "model:unreadable_file"


class ModelRefused(ExportError):
    """The inspection found the file unsound; nothing of it was run. `detail` holds what it found, codes included."""

    code = "model:inspection_failed"


class WrongInput(ExportError):
    """The model's input and the profile's tensor do not fit together."""

    code = "model:input_mismatch"


class WrongChannels(WrongInput):
    """They differ in the number of channels."""

    code = "model:channel_mismatch"


class WrongOutput(ExportError):
    """No output holds one score per label, or it is not clear which."""

    code = "model:output_mismatch"


class WrongCamLayout(ExportError):
    """The CAM layer's tensor is not the one that Keras means: its maps would show something else."""

    code = "model:cam_layout"


class NotRunnable(ExportError):
    """ONNX Runtime does not take the model, or its answers are not finite."""

    code = "model:session_failed"


class GoldenImageRefused(ExportError):
    """A golden input that cannot be decoded, or that the profile finds no breast in."""

    code = "model:golden_image_refused"


class VariantRefused(ExportError):
    """A smaller copy answers too differently from the model it was made of. `detail` holds the figures."""

    code = "model:variant_refused"
