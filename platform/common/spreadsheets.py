"""CSV files which people open in spreadsheets. Knows no table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence


def cell_safe(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


class _Line:
    """A file of one line, for the csv module to write into."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A header and one line for each row, as they come, with safe cells."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(columns)
    yield line.text
    for row in rows:
        writer.writerow([cell_safe(cell) for cell in row])
        yield line.text
