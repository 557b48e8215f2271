"""What every operation of the OpenAPI document has in common: how it fails. Read by drf-spectacular, called by nobody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

#: The hook below gives it its content.
PROBLEM_CONFLICT = OpenApiResponse(OpenApiTypes.OBJECT, description="The state of things does not allow it.")
PROBLEM_COMPONENT = "Problem"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{PROBLEM_COMPONENT}"}}}
_ANY_OTHER = {"description": "Any failure, as an RFC 9457 problem document. Match on its `code`.", "content": _PROBLEM}


def problems_describe(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every failure, named or not, is application/problem+json."""
    for operations in result["paths"].values():
        for operation in operations.values():
            responses = operation.get("responses", {})
            for status, response in responses.items():
                if status[0] in "45" and "content" in response:
                    response["content"] = _PROBLEM
            responses.setdefault("default", _ANY_OTHER)
    return result
