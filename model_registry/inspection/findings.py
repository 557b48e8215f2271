"""What an inspection finds, each with a stable code. The words a person reads are in the worker's failure catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from model_registry.packaging.package import CODE_TOO_LARGE

TOO_LARGE = CODE_TOO_LARGE
CORRUPT = "model:corrupt_onnx"
OPERATOR = "model:unsupported_operator"
EXTERNAL_DATA = "model:external_data_outside"
LABEL_COUNT = "model:label_count_mismatch"
NOT_FINITE = "model:weights_not_finite"
SHAPES = "model:shape_mismatch"

CODES = (TOO_LARGE, CORRUPT, OPERATOR, EXTERNAL_DATA, LABEL_COUNT, NOT_FINITE, SHAPES)


class Severity(StrEnum):
    """An ERROR keeps a package from being run. A WARNING is what the inspection could not settle, or what is odd but works."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`node` and `tensor` name the place in the graph where there is one; `detail` is for engineers."""

    code: str
    detail: str
    severity: Severity = Severity.ERROR
    node: str = ""
    tensor: str = ""

    def __post_init__(self) -> None:
        for name, length in (("detail", 1000), ("node", 200), ("tensor", 200)):  # the words may come out of a hostile file
            object.__setattr__(self, name, printable(getattr(self, name), length))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model file says about itself: opset by domain, operators with how often they stand, tensors with shapes (a name or
    None where a size is open), and how many numbers its weights are."""

    ir_version: int
    producer: str
    opsets: dict[str, int]
    operators: dict[str, int]
    inputs: dict[str, list[int | str | None]]
    outputs: dict[str, list[int | str | None]]
    nodes: int
    parameters: int
    external_files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that was found. `facts` is None when the file could not be read that far."""

    findings: tuple[Finding, ...]
    facts: ModelFacts | None

    @property
    def is_sound(self) -> bool:
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def printable(text: str, length: int) -> str:
    """The text without control characters, which could rewrite a terminal, cut to `length`."""
    cleaned = "".join(letter if letter.isprintable() else "�" for letter in text)
    return cleaned if len(cleaned) <= length else cleaned[: length - 1] + "…"
