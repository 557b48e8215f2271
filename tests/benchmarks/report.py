"""Nested benchmark figures as Markdown tables. Knows nothing of what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def markdown_table(figures: Mapping[str, Any]) -> str:
    """Rows with the same figures become a table, rows of different kinds a line each, single figures a list."""
    parts: list[str] = []
    plain = {name: value for name, value in figures.items() if not isinstance(value, Mapping)}
    parts.extend(f"- {name}: {_figure(value)}" for name, value in plain.items())
    if plain:
        parts.append("")
    for name, value in figures.items():
        if not isinstance(value, Mapping):
            continue
        parts.append(f"**{name}**\n")
        if value and all(_is_row(row) for row in value.values()):
            alike = len({tuple(row) for row in value.values()}) == 1
            parts.append(_table(value) if alike else "\n".join(_line(name, row) for name, row in value.items()) + "\n")
        else:
            parts.append(markdown_table(value))
    return "\n".join(parts) + "\n"


def section_replace(text: str, name: str, section: str) -> str:
    """`text` with its section “## name” replaced, or added at its end. The others stay as they are."""
    found = re.search(rf"^## {re.escape(name)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        return f"{text.rstrip()}\n\n\n{section}"
    after = text[found.end() :]
    return f"{text[: found.start()]}{section.rstrip()}\n{chr(10) + chr(10) + after if after else ''}"


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(isinstance(cell, Mapping) for cell in value.values())


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [
        "| | " + " | ".join(columns) + " |",
        "|---|" + "---:|" * len(columns),
        *(f"| {name} | " + " | ".join(_figure(row.get(column, "")) for column in columns) + " |" for name, row in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, row: Mapping[str, Any]) -> str:
    return f"- {name}: " + ", ".join(f"{key} {_figure(value)}" for key, value in row.items())


def _figure(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
