"""Nested benchmark figures as Markdown tables. Knows nothing of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def markdown_table(figures: Mapping[str, Any]) -> str:
    """Mappings of mappings of figures become a table (rows by the outer key); anything else a list of lines."""
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
            parts.append(_table(value))
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


def _figure(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
