"""What every operation of the OpenAPI document has in common: how it fails, and how a POST is repeated. Read by drf-spectacular,
called by nobody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

from common.idempotency import HEADER, REPLAYED_HEADER, takes_keys

#: The hook below gives it its content.
PROBLEM_CONFLICT = OpenApiResponse(OpenApiTypes.OBJECT, description="The state of things does not allow it.")
PROBLEM_COMPONENT = "Problem"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{PROBLEM_COMPONENT}"}}}
_ANY_OTHER = {"description": "Any failure, as an RFC 9457 problem document. Match on its `code`.", "content": _PROBLEM}
_KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": (
        "A random UUID for each new request. The same key with the same request brings the first answer again, marked "
        f"`{REPLAYED_HEADER}: true`, for a day; 5xx and 429 are not kept."
    ),
}
_REPLAYED = {
    "description": "Set when this is the answer to an earlier request with the same Idempotency-Key.",
    "schema": {"type": "string", "enum": ["true"]},
}
_KEY_FAILURES = {
    "400": "The request or its Idempotency-Key is malformed.",
    "409": "The state of things does not allow it, or the first request with this Idempotency-Key still runs (Retry-After).",
    "422": "Refused, or the Idempotency-Key was sent before with another body or to another address.",
}


def problems_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every failure, named or not, is application/problem+json."""
    for operations in result["paths"].values():
        for operation in operations.values():
            responses = operation.get("responses", {})
            for status, response in responses.items():
                if status[0] in "45":
                    response["content"] = _PROBLEM
            responses.setdefault("default", _ANY_OTHER)
    return result


def idempotency_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every POST that takes an Idempotency-Key says so, and what can become of it."""
    for path, _, method, callback in generator.endpoints:
        operation = result["paths"].get(path, {}).get(method.lower())
        if operation is None or method != "POST" or not takes_keys(callback.cls):
            continue
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)
        for status, response in operation["responses"].items():
            if status[0] == "2":
                response.setdefault("headers", {})[REPLAYED_HEADER] = _REPLAYED
        for status, description in _KEY_FAILURES.items():
            operation["responses"].setdefault(status, {"description": description, "content": _PROBLEM})
    return result
