"""Text that goes into CSV files which people open in spreadsheets. Knows no table."""

from __future__ import annotations


def cell_safe(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
