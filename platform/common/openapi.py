"""What every operation of the OpenAPI document has in common: how it fails, how a POST is repeated, how polling is cheap. Read by
drf-spectacular, called by nobody.

Every status that can come is named, so that a test can hold each answer against the document: `5XX` alone, for failures of the
server itself, is a range.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.permissions import AllowAny

from common.idempotency import HEADER, REPLAYED_HEADER, takes_keys
from common.negotiation import AnyAccept

#: A hook below gives it its content.
PROBLEM_CONFLICT = OpenApiResponse(OpenApiTypes.OBJECT, description="The state of things does not allow it.")
PROBLEM_COMPONENT = "Problem"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{PROBLEM_COMPONENT}"}}}
_SERVER_FAILURES = "5XX"
_SERVER_FAILED = "The server itself failed or lacks something it needs. Nothing was changed: the request may be repeated."
_KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
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
_STATE_PARAMETER = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of an earlier answer: 304 and no body while nothing has changed.",
}
_ETAG = {"description": "Names what is answered.", "required": True, "schema": {"type": "string"}}
_CONDITIONAL = frozenset({"conditional_response", "etag_matches"})


#: What the running product was asked and answered: see tests/end_to_end_tests/schema_check/examples.py.
_EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples.json"


class Schema(AutoSchema):
    """DEFAULT_SCHEMA_CLASS. A view whose DELETE reads a body says `delete_takes_body = True`, and the document then, too."""

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.method != "DELETE" or not getattr(self.view, "delete_takes_body", False):
            return super()._get_request_body(direction)
        self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"


def problems_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every failure, named or not, is application/problem+json."""
    for operations in result["paths"].values():
        for operation in operations.values():
            responses = operation.get("responses", {})
            responses.setdefault(_SERVER_FAILURES, {"description": _SERVER_FAILED})
            for status, response in responses.items():
                if status[0] in "45":
                    response["content"] = copy.deepcopy(_PROBLEM)
            operation["responses"] = dict(sorted(responses.items()))
    return result


def failures_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: how an operation can fail because of what it takes, whoever is called."""
    for operation, method, view in _operations(result, generator):
        for status, description in _failures(operation, method, view):
            operation["responses"].setdefault(status, {"description": description})
    return result


def _failures(operation: dict[str, Any], method: str, view: Any) -> Iterator[tuple[str, str]]:
    given = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())}
    places = {place for place, _ in given}
    if AllowAny not in view.permission_classes:
        yield "401", "Not signed in, or the API token is unknown, expired or revoked."
        yield "403", "The caller's role, or the token, does not allow this."
    if "path" in places:
        yield "404", "There is nothing at this address for your site."
    elif ("query", "cursor") in given or ("query", "page") in given:
        yield "404", "There is no such page."
    if "requestBody" in operation or "query" in places:
        yield "400", "The request could not be read, or a field of it is not valid (“errors” names it)."
    if "requestBody" in operation:
        yield "413", "The body is larger than this address takes."
        yield "415", "The body is of a type that this address does not read."
        yield "429", "Too many requests, or too many large bodies at the same time: wait as long as Retry-After says."
    if not issubclass(view.content_negotiation_class, AnyAccept):
        yield "406", "The answer cannot be given in the form that Accept asks for."


def conditional_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: what can be polled with If-None-Match says so."""
    for operation, method, view in _operations(result, generator):
        handler = getattr(view, method.lower())
        if method != "GET" or _CONDITIONAL.isdisjoint(handler.__code__.co_names):
            continue
        operation.setdefault("parameters", []).append(_STATE_PARAMETER)
        operation["responses"]["304"] = {
            "description": "Nothing has changed since the answer that If-None-Match names.",
            "headers": {"ETag": _ETAG},
        }
    return result


def queries_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: a filter that is sent empty, as forms do, is one that was not sent."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query" and not parameter.get("required"):
                    parameter["allowEmptyValue"] = True
    return result


def idempotency_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every POST that takes an Idempotency-Key says so, and what can become of it."""
    for operation, method, view in _operations(result, generator):
        if method != "POST" or not takes_keys(view):
            continue
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)
        for status, response in operation["responses"].items():
            if status[0] == "2":
                response.setdefault("headers", {})[REPLAYED_HEADER] = _REPLAYED
        for status, description in _KEY_FAILURES.items():
            operation["responses"].setdefault(status, {"description": description})
    return result


def examples_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: real requests and answers as examples. After all that describe answers."""
    examples = _examples()
    for operations in result["paths"].values():
        for operation in operations.values():
            kept = examples.get(operation["operationId"], {"responses": {}})
            for name, body in kept.get("request", {}).items():
                _example_add(operation["requestBody"]["content"]["application/json"], name, body)
            for status, documents in kept["responses"].items():
                media = next(iter(operation["responses"][status]["content"].values()))
                for name, body in documents.items():
                    _example_add(media, name, body)
    return result


def _example_add(media: dict[str, Any], name: str, body: Any) -> None:
    media.setdefault("examples", {})[name.replace(" ", "")] = {"summary": name, "value": body}


@cache
def _examples() -> dict[str, Any]:
    return dict(json.loads(_EXAMPLES.read_text()))


def _operations(result: dict[str, Any], generator: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """(operation of the document, method, view class) of everything that is in the document."""
    for path, _, method, callback in generator.endpoints:
        operation = result["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            yield operation, method, callback.cls
