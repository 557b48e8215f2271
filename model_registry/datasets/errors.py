"""What stops a collection from being read: a code for programs and a sentence for people."""

from __future__ import annotations


class DatasetError(Exception):
    """The folder is not the collection it is taken for. `code` is "dataset:…"; `detail` says what is wrong and where."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
