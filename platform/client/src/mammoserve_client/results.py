"""A batch's results as they stream in: lines of JSON, checked to be whole."""

from __future__ import annotations

import json
from typing import Any

from mammoserve_client.errors import Incomplete
from mammoserve_client.models import ItemResult

JSON_LINES = "application/x-ndjson"


def results_params(*, statuses: tuple[str, ...], identifiers: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"format": "jsonl"}
    if statuses:
        params["status"] = list(statuses)
    if not identifiers:
        params["identifiers"] = "false"
    return params


def result_of(line: str) -> ItemResult:
    """Raises Incomplete for a line that was cut."""
    try:
        return ItemResult.of(json.loads(line))
    except json.JSONDecodeError as error:
        raise Incomplete("the results broke off in the middle of a line; fetch them again") from error
