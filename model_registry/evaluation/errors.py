"""What evaluation refuses, by code."""

from __future__ import annotations


class EvaluationError(Exception):
    """`code` is stable ("evaluation:shape_mismatch"); `detail` says in words what is wrong with the input."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
