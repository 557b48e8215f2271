"""Errors as RFC 9457 problem documents: one exception, one renderer, for every way a request can fail.

It words transport-level problems only; what went wrong with an image or a model is worded in inference_worker.contract.failures.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from inference_worker.contract.failures import CodedError

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

#: Status of a coded failure that a request meets; every other `input:` code is 422 and every other code 500.
_STATUS_BY_CODE: dict[str, int] = {
    "input:no_files": 400,
    "input:invalid_field": 400,
    "input:too_many_files": 413,
    "input:too_large": 413,
    "input:unknown_package": 404,
    "input:reason_missing": 400,
    "input:package_in_service": 409,
    "input:no_previous_package": 409,
    "input:already_candidate": 409,
    "input:no_candidate": 409,
    "input:request_decided": 409,
    "input:needs_second_person": 409,
    "input:deployment_moved": 409,
    "input:unknown_upload": 404,
    "input:upload_offset_mismatch": 409,
    "input:upload_busy": 423,
    "input:upload_checksum_mismatch": 460,
    "input:upload_length_exceeded": 413,
    "input:upload_too_slow": 408,
    "input:upload_interrupted": 400,
    "input:upload_incomplete": 409,
    "input:upload_consumed": 409,
    "input:upload_gone": 410,
    "input:too_many_uploads": 429,
    "input:upload_space_used_up": 429,
    "input:prefix_not_allowed": 403,
    "input:too_many_items": 413,
    "input:webhook_inactive": 409,
    "input:too_many_webhooks": 409,
    "input:export_too_large": 413,
    "input:too_many_views": 409,
    "input:view_name_taken": 409,
    "input:quota_queued_jobs": 429,
    "input:quota_studies_per_day": 429,
    "input:quota_storage": 429,
    "model:not_validated": 409,
    "model:validation_failed": 409,
    "model:package_archived": 409,
    "model:none_deployed": 503,
    "model:package_missing": 503,
    "system:storage_unavailable": 503,
    "system:storage_full": 507,
}

#: code, title, detail, action for failures of the transport, by HTTP status.
_WORDS_BY_STATUS: dict[int, tuple[str, str, str, str]] = {
    400: ("request:malformed", "Malformed request", "The request could not be read.", "Compare the request with /api/v1/docs."),
    401: (
        "auth:required",
        "Not signed in",
        "This address needs a session or an API token.",
        "Sign in, or send “Authorization: Bearer” with a valid token.",
    ),
    403: ("auth:forbidden", "Not allowed", "Your role does not allow this.", "Ask an administrator of your site."),
    404: ("request:not_found", "Not found", "There is nothing at this address for your site.", "Check the address."),
    405: (
        "request:method_not_allowed",
        "Method not allowed",
        "This address does not answer this method.",
        "Use a method named in the Allow header.",
    ),
    406: (
        "request:not_acceptable",
        "Not acceptable",
        "The answer cannot be given in the form asked for.",
        "Accept application/json.",
    ),
    413: ("input:too_large", "Too large", "The request is larger than this server accepts.", "Send less in one request."),
    415: (
        "request:unsupported_media_type",
        "Unsupported media type",
        "The request's content type is not read at this address.",
        "Send the content type that /api/v1/docs names.",
    ),
    429: ("request:too_many", "Too many requests", "Too many requests in a short time.", "Wait as long as Retry-After says."),
    500: (
        "system:unexpected",
        "Unexpected error",
        "Something failed that nobody foresaw.",
        "Try again; report the instance to the operator if it happens again.",
    ),
}


def transport_words() -> list[tuple[int, str, str, str]]:
    """Status, code, detail and action of every failure that is about the request itself, `auth:` and `request:` codes alone."""
    return [
        (status, code, detail, action)
        for status, (code, _, detail, action) in _WORDS_BY_STATUS.items()
        if code.partition(":")[0] in {"auth", "request"}
    ]


class Problem(Exception):
    """A refusal that the caller is shown, word for word: nothing in it may come from a file's contents.

    `code` is stable and what integrators match on; `errors` names single fields or files; `headers` go onto the answer.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        action: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.action = action
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @classmethod
    def for_status(
        cls,
        status: int,
        *,
        code: str | None = None,
        detail: str | None = None,
        action: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Problem:
        """The usual words for a status, with the given parts replaced."""
        known = _WORDS_BY_STATUS.get(status)
        if known is None:
            phrase = HTTPStatus(status).phrase
            known = ("request:malformed" if status < 500 else "system:unexpected", phrase, phrase + ".", "")
        return cls(
            status=status,
            code=code or known[0],
            title=known[1],
            detail=detail if detail is not None else known[2],
            action=action if action is not None else known[3],
            errors=errors,
            headers=headers,
        )

    @classmethod
    def for_coded_error(
        cls, error: CodedError, *, errors: Sequence[Mapping[str, Any]] = (), status: int | None = None
    ) -> Problem:
        """A catalogued failure as a refusal, with the code's own status unless one is given. The engineers' detail stays in
        `errors`, beside the file or field it is about."""
        failure = error.failure
        listed = list(errors or getattr(error, "errors", ()))
        if not listed and error.detail:
            listed = [{"code": error.code, "message": error.detail}]
        return cls(
            status=coded_status(error.code) if status is None else status,
            code=error.code,
            title=failure.title,
            detail=failure.message,
            action=failure.action,
            errors=listed,
            headers=getattr(error, "headers", None),
        )

    def body(self, *, instance: str = "") -> dict[str, Any]:
        """The problem document. `type` names the code; it is an identifier, not an address to fetch."""
        document: dict[str, Any] = {
            "type": f"urn:mammoserve:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "action": self.action,
        }
        if self.errors:
            document["errors"] = self.errors
        if instance:
            document["instance"] = f"urn:mammoserve:request:{instance}"
        return document


def coded_status(code: str) -> int:
    """HTTP status of a catalogued failure met inside a request."""
    return _STATUS_BY_CODE.get(code, 422 if code.startswith("input:") else 500)


def problem_from(exception: BaseException) -> Problem | None:
    """Any exception we know how to word, as a Problem; None for a bug."""
    if isinstance(exception, Problem):
        return exception
    if isinstance(exception, CodedError):
        return Problem.for_coded_error(exception)
    if isinstance(exception, Http404):
        return Problem.for_status(404)
    if isinstance(exception, DjangoPermissionDenied):
        return Problem.for_status(403)
    if isinstance(exception, RequestDataTooBig):
        return Problem.for_status(413)
    if isinstance(exception, (SuspiciousOperation, BadRequest, UnreadablePostError)):
        return Problem.for_status(400)
    if isinstance(exception, drf.ValidationError):
        return _from_validation(exception)
    if isinstance(exception, drf.APIException):
        return _from_drf(exception)
    if isinstance(exception, (OperationalError, InterfaceError)):
        return database_away()
    if isinstance(exception, OSError) and exception.errno in (errno.ENOSPC, errno.EDQUOT):
        # Where uploads wait to be read; the object store words its own.
        return Problem.for_coded_error(CodedError("system:storage_full"))
    return None


def database_away() -> Problem:
    """Nothing was written, so the same request may simply be sent again."""
    return Problem.for_status(
        503,
        code="system:database_unavailable",
        detail="The database does not answer or is too busy.",
        action="Try again in a few seconds; tell the operator if it lasts.",
        headers={"Retry-After": "5"},
    )


def _from_drf(exception: drf.APIException) -> Problem:
    headers: dict[str, str] = {}
    if header := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = header
    wait = getattr(exception, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, int(wait + 0.999)))
    code = None
    if isinstance(exception, drf.AuthenticationFailed):
        code = "auth:invalid_token"
    detail = str(exception.detail) if isinstance(exception, (drf.ParseError, drf.AuthenticationFailed)) else None
    return Problem.for_status(exception.status_code, code=code, detail=detail, headers=headers)


def _from_validation(exception: drf.ValidationError) -> Problem:
    problem = Problem.for_coded_error(CodedError("input:invalid_field"))
    problem.errors = list(_flatten(exception.detail, ""))
    return problem


def _flatten(detail: Any, field: str) -> list[dict[str, Any]]:
    """DRF's nested lists and dictionaries as a flat list of {field, code, message}."""
    if isinstance(detail, Mapping):
        return [entry for name, inner in detail.items() for entry in _flatten(inner, f"{field}.{name}" if field else str(name))]
    if isinstance(detail, (list, tuple)):
        nested = any(isinstance(inner, (Mapping, list, tuple)) for inner in detail)
        return [
            entry
            for index, inner in enumerate(detail)
            for entry in _flatten(inner, f"{field}[{index}]" if nested and inner else field)
        ]
    return [{"field": field, "code": getattr(detail, "code", "invalid"), "message": str(detail)}]


def problem_exception_handler(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a bug) lets Django log it and answer through `server_error`."""
    # DRF imports the authentication classes, and so this module, while its views module is still being read.
    from rest_framework.views import set_rollback

    problem = problem_from(exception)
    if problem is None:
        return None
    set_rollback()
    request = context.get("request")
    if problem.status >= 500:
        logger.error("%s answered %s", type(exception).__name__, problem.code)
    return Response(
        problem.body(instance=getattr(request, "request_id", "")),
        status=problem.status,
        headers=problem.headers,
        content_type=PROBLEM_JSON,
    )


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """A Problem as a plain Django response, for everything outside DRF."""
    response = JsonResponse(
        problem.body(instance=getattr(request, "request_id", "")), status=problem.status, content_type=PROBLEM_JSON
    )
    for name, value in problem.headers.items():
        response[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400."""
    return problem_response(request, Problem.for_status(400))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403."""
    return problem_response(request, Problem.for_status(403))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404."""
    return problem_response(request, Problem.for_status(404))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. Django has logged the traceback; the answer carries the request's id and nothing else."""
    return problem_response(request, Problem.for_status(500))


def csrf_problem() -> Problem:
    """The CSRF token of a browser's session is missing or wrong."""
    return Problem.for_status(
        403,
        code="auth:csrf_failed",
        detail="The CSRF token is missing or does not match.",
        action="Fetch /api/v1/session and send its csrf_token as X-CSRFToken.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    return problem_response(request, csrf_problem())
