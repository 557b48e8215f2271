"""Whether a client's request is one that the OpenAPI document describes: address, method, query, fields of the body."""

from __future__ import annotations

import re
from typing import Any


def operation_find(document: dict[str, Any], method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """(path template, operation) of a request; an address without parameters comes before a template that fits, too. A HEAD is
    the GET without its body."""
    method = "get" if method == "HEAD" else method.lower()
    for template in sorted(document["paths"], key=lambda template: template.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", lambda name: ".+" if name[1] == "path" else "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method in document["paths"][template]:
            return template, document["paths"][template][method]
    return None


def body_properties(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """Fields that the request's body may have, whatever it is wrapped in."""
    names: set[str] = set()
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        reference = schema.get("$ref", "").rpartition("/")[2]
        names |= set((document["components"]["schemas"][reference] if reference else schema).get("properties", {}))
    return names


def unknown(document: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """What of a request (method, path, and the names in query and body) the document does not describe, in words; None when it
    describes all of it."""
    found = operation_find(document, asked["method"], asked["path"])
    if found is None:
        return "no such operation"
    template, operation = found
    queries = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    if strange := set(asked["query"]) - queries:
        return f"{template}: no query {sorted(strange)}"
    if strange := set(asked["body"]) - body_properties(document, operation):
        return f"{template}: no field {sorted(strange)}"
    if not {"200", "201", "202", "204"} & set(operation["responses"]):
        return f"{template}: no success described"
    return None
