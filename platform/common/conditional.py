"""Cheap polling: a weak ETag from what the answer depends on, and 304 before the answer is built.

Not for immutable files, which carry a strong ETag and a long life of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response


def etag_for(*parts: object) -> str:
    """A weak ETag over the parts' text, in order."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def etag_matches(request: Request, etag: str) -> bool:
    """Whether If-None-Match already names this state (weak comparison, RFC 9110 13.1.2)."""
    header = request.headers.get("If-None-Match", "")
    if not header:
        return False
    if header.strip() == "*":
        return True
    wanted = etag.removeprefix("W/")
    return any(candidate.removeprefix("W/") == wanted for candidate in parse_etags(header))


def conditional_response(
    request: Request, *, etag: str, build: Callable[[], Any], headers: Mapping[str, str] | None = None
) -> Response:
    """304 when the caller has this state, else 200 with what `build` returns. Both carry ETag, Cache-Control and `headers`."""
    response = Response(status=304) if etag_matches(request, etag) else Response(build())
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    for name, value in (headers or {}).items():
        response[name] = value
    return response
