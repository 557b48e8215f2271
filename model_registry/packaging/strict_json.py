"""JSON as the standard has it: no key twice, no NaN, no Infinity. Two readers of such a text cannot disagree about what it says.

Knows no manifests. What the values mean is judged by the models that take them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn


def strict_json_read(data: bytes) -> Any:
    """The value. Raises ValueError for text that is not UTF-8 or not JSON, nested too deeply, with a key twice, or with a number
    that is not finite (NaN, Infinity, 1e999)."""
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant_refuse, parse_float=_finite_float
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def not_finite_paths(value: object, path: str = "") -> Iterator[str]:
    """Where in plain data (dicts, lists, numbers) a float is NaN or infinite, e.g. "metrics.0.value"."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from not_finite_paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from not_finite_paths(inner, f"{path}.{index}" if path else str(index))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:80]!r} stands twice in one object")
        found[key] = value
    return found


def _constant_refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is beyond the largest number")
    return value
