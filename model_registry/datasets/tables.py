"""Tables of published collections, CSV, XLS or XLSX, as rows of text with forgiving column names.

Column names are compared without case, spaces, underscores and hyphens: CBIS-DDSM writes "breast_density" in one file and
"breast density" in the next, INbreast "Mass " with a space. Not for numbers: every value is text, whole floats without ".0".
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from model_registry.datasets.errors import DatasetError

MAX_TABLE_BYTES = 128 * 2**20
# what a packed sheet may unfold to: a few megabytes of zip can hold gigabytes of nothing
MAX_UNPACKED_BYTES = 512 * 2**20
MAX_ROWS = 1_000_000


class Row(Mapping[str, str]):
    """One row. `row["Breast density"]` finds any spelling of the column; a column that is not there reads as ""."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __getitem__(self, column: str) -> str:
        return self._values.get(column_key(column), "")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def column_key(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).lower()


def table_read(path: Path, *, columns: Iterable[str], sheet: str | None = None) -> list[Row]:
    """Read all rows below the first. Raises DatasetError for a file that is too large or none, and for missing `columns`.

    `sheet` is taken where the workbook has it, else the first. Rows without any value are left out.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError("dataset:file_missing", f"{path.name} cannot be read: {error.strerror}") from error
    if size > MAX_TABLE_BYTES:
        raise DatasetError("dataset:table_unreadable", f"{path.name} is larger than {MAX_TABLE_BYTES // 2**20} MiB")
    lines = _sheet_lines(path, sheet) if path.suffix.lower() in (".xls", ".xlsx") else _csv_lines(path)
    header = next(lines, None)
    if header is None:
        raise DatasetError("dataset:table_unreadable", f"{path.name} is empty")
    keys = [column_key(name) for name in header]
    if missing := [name for name in columns if column_key(name) not in keys]:
        raise DatasetError("dataset:column_missing", f"{path.name} lacks the columns {missing}")
    rows = []
    for number, line in enumerate(lines):
        if number >= MAX_ROWS:
            raise DatasetError("dataset:table_unreadable", f"{path.name} has more than {MAX_ROWS:,} rows")
        if any(line):
            # of two columns of one name the first counts
            rows.append(Row(dict(reversed(list(zip(keys, line, strict=False))))))
    return rows


def _csv_lines(path: Path) -> Iterator[list[str]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield [cell.strip() for cell in line]
    except csv.Error as error:
        raise DatasetError("dataset:table_unreadable", f"{path.name}: {error}") from error


def _sheet_lines(path: Path, sheet: str | None) -> Iterator[list[str]]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                    raise DatasetError("dataset:table_unreadable", f"{path.name} unfolds to more than a table")
        with CalamineWorkbook.from_path(path) as book:
            name = sheet if sheet in book.sheet_names else next(iter(book.sheet_names), None)
            if name is None:
                raise DatasetError("dataset:table_unreadable", f"{path.name} holds no sheet")
            for line in book.get_sheet_by_name(name).iter_rows():
                yield [_text(cell) for cell in line]
    except (CalamineError, zipfile.BadZipFile, OSError, ValueError) as error:
        raise DatasetError("dataset:table_unreadable", f"{path.name} cannot be read as a workbook: {error}") from error


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
