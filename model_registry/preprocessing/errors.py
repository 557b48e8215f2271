"""The one exception of this room. Its codes are those of the platform's failure catalogue, as plain strings.

Not for words a person reads: those live in the catalogue, which this room does not import.
"""

from __future__ import annotations


class PreprocessingError(Exception):
    """An image, or a profile, that cannot be carried through. `code` is `<responsibility>:<what>`.

    `detail` is for engineers and never quotes a file's contents, so it can be logged.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}" if detail else code)
