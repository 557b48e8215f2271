"""What stops training, by code. `detail` says what to change; it never quotes pixels or patients."""

from __future__ import annotations


class TrainingError(Exception):
    """`code` is stable ("training:config"); `detail` is for the person who started the run."""

    code = "training:failed"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"{self.code}: {detail}")


class ConfigRefused(TrainingError):
    """The configuration cannot be read or says something that does not exist."""

    code = "training:config"


class DataRefused(TrainingError):
    """The collection does not fit the configuration: labels, unreadable images, folds without a class."""

    code = "training:data"


class RunRefused(TrainingError):
    """The run folder belongs to another configuration or collection, is damaged, or is in use."""

    code = "training:run_folder"


class LossNotFinite(TrainingError):
    """The loss became infinite or undefined. The state of the last whole epoch is kept."""

    code = "training:loss_not_finite"


class Interrupted(TrainingError):
    """Stopped on request after a whole epoch; the state is kept."""

    code = "training:interrupted"
