"""What a query asks for, read strictly: a value that means nothing here is refused by name instead of passed over.

For views whose list is not a FilterSet's; those refuse by themselves. Every refusal is CodedError input:invalid_field.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from inference_worker.contract.failures import CodedError

_TEXT_MAXIMUM = 200


def text_asked(request: Request, name: str) -> str:
    """The text, empty when it was not given."""
    given = request.query_params.get(name, "")
    if "\x00" in given:
        raise CodedError("input:invalid_field", f"{name}: a text without null characters")
    if len(given) > _TEXT_MAXIMUM:
        raise CodedError("input:invalid_field", f"{name}: at most {_TEXT_MAXIMUM} characters")
    return given


def choice_asked(request: Request, name: str, choices: Sequence[str], *, default: str = "") -> str:
    """One of the choices, or the default when none was given."""
    given = request.query_params.get(name, "")
    if given and given not in choices:
        raise CodedError("input:invalid_field", f"{name}: one of {', '.join(choices)}")
    return given or default


def moment_asked(request: Request, name: str) -> datetime.datetime | None:
    """A moment with its offset; None when it was not given."""
    given = request.query_params.get(name, "")
    if not given:
        return None
    try:
        found = parse_datetime(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found.year < 2:  # the first year in UTC may lie before the calendar
        raise CodedError("input:invalid_field", f"{name}: a moment with its offset, such as 2026-03-01T00:00:00Z")
    return found


def size_asked(request: Request, name: str, *, default: int, maximum: int) -> int:
    """How many: a whole number from 1 on, and `maximum` for more than that."""
    given = request.query_params.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdecimal()) or not given.strip("0"):
        raise CodedError("input:invalid_field", f"{name}: a whole number, 1 to {maximum}")
    return maximum if len(given.lstrip("0")) > 9 else min(int(given), maximum)
