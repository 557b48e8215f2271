"""What the zoo refuses, each with a stable code. For engineers; holds no image data."""

from __future__ import annotations


class ZooError(Exception):
    """A model cannot be built as asked. `code` is stable, `detail` says what to change."""

    code = "model:not_buildable"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"{self.code}: {detail}")


class UnknownFamily(ZooError):
    """There is no family of that name, or it has no such option."""

    code = "model:unknown_family"


class WrongLabels(ZooError):
    """The labels are empty, repeated, or do not suit the activation."""

    code = "model:wrong_labels"


class WrongInputShape(ZooError):
    """The input is not (rows, columns, channels), too small for the family, or has channels that it cannot read."""

    code = "model:wrong_input_shape"


class WeightsRefused(ZooError):
    """The weights file is missing, unreadable, of another architecture, or holds values that are not finite."""

    code = "model:weights_refused"
