"""Nested benchmark figures as Markdown tables. Knows nothing of what was measured."""

from __future__ import annotations

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
