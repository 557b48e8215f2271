"""What every request passes: an id that ties answer and log together, and the headers that restrict a browser."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from common.problems import Problem, problem_response

logger = structlog.get_logger("mammoserve.request")

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"})
_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "payment", "usb")
)

Handler = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Sets `request.request_id` (the caller's X-Request-ID where it is plain), binds it to every log line, returns it.

    The finished request is logged by route, never by full address: a query may hold the sender's own reference.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            match = request.resolver_match
            if match is not None and match.route.startswith("api/"):
                logger.info(
                    "request",
                    method=request.method,
                    route=match.route,
                    status=response.status_code,
                    elapsed_seconds=round(time.perf_counter() - started, 4),
                )
        return response


class CharsetMiddleware:
    """Refuses a body in a charset that nobody needs: Python's codecs hold some that are no text or cannot decode leniently,
    and a request in one of them would fail wherever its form or query is first looked at."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "")
        if charset and charset.strip().lower() not in _CHARSETS:
            return problem_response(request, Problem.for_status(415, detail="The request's charset is not read here."))
        return self.get_response(request)


class PermissionsPolicyMiddleware:
    """No page of ours needs a camera, a microphone or a place."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", _PERMISSIONS_POLICY)
        return response
