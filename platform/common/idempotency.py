"""Idempotency-Key on every POST of the API: the same key and request of one caller are carried out once and answered alike.

The middleware covers every room's views by itself; a room has nothing to do. What a view may say:
- `idempotency_exempt = True`: keys mean nothing here (signing in).
- `idempotency_atomic`: whether the whole handler runs in one transaction with the keeping of its answer. By default views that
  take no files do; the others would hold SQLite's write lock while files are read. Such a view calls `answer_commit` inside the
  transaction that makes its effects.

Guaranteed, with either database and any number of processes: for atomic views and those that call `answer_commit`, effects and
answer are committed together or not at all, so that a killed process, a lost connection or parallel requests with one key bring
about the effects once. For the others the answer is written right after the effects; a process killed in between lets a
repetition run them again. 5xx and 429 are never kept. It is for POST alone: PUT, PATCH and DELETE repeat without harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from rest_framework.parsers import FileUploadParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.views import APIView

from common.fingerprint import request_fingerprint
from common.idempotency_records import (
    Claim,
    ClaimLost,
    KeptAnswer,
    answer_keep,
    claim_release,
    key_claim,
    key_digest,
)
from common.problems import Problem

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_ADDRESSES = "api/v1/"
#: What is of one connection or one request, not of the answer.
_NOT_KEPT = frozenset({"vary", "allow", "date", "x-request-id", "content-length"})


class IdempotencyMiddleware:
    """Must stand last: it calls the view itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        if request.method != "POST" or HEADER not in request.headers or match is None or not match.route.startswith(_ADDRESSES):
            return None
        view_class = getattr(view, "cls", None)
        if view_class is None or not takes_keys(view_class) or "Tus-Resumable" in request.headers:
            return None  # a resumable upload is repeated by its own protocol
        wrapped = _idempotent(view_class).as_view(**getattr(view, "initkwargs", {}))
        answer: HttpResponseBase = wrapped(request, *args, **kwargs)
        return answer


def takes_keys(view_class: type[APIView]) -> bool:
    """Whether Idempotency-Key means something to this view's POST."""
    return "post" in view_class.http_method_names and hasattr(view_class, "post") and not _said(view_class, "exempt", False)


def answer_commit(request: Request, response: HttpResponse) -> None:
    """Keep the answer, inside the transaction that makes the request's effects and after everything else in it.

    Does nothing for a request without a key. Raises ClaimLost, which must reach the transaction's edge and undo it.
    """
    running: _Running | None = getattr(request._request, "idempotency", None)
    if running is not None:
        running.keep(response)


class _Running:
    """One claimed request on its way through its view."""

    def __init__(self, *, claim: Claim, finish: Callable[[HttpResponse], HttpResponse]) -> None:
        self.claim = claim
        self.kept = False
        self._finish = finish

    def keep(self, response: HttpResponse) -> None:
        if self.kept or response.streaming or response.status_code >= 500 or response.status_code == 429:
            return
        done = self._finish(response)
        headers = {name: value for name, value in done.items() if name.lower() not in _NOT_KEPT}
        answer_keep(claim=self.claim, answer=KeptAnswer(done.status_code, headers, done.content))
        self.kept = True


class _IdempotentPost(APIView):
    """In front of a view's own `post`, after the caller is known, allowed and within its limits."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        handler: Callable[..., HttpResponse] = super().post  # type: ignore[misc]  # of the view this is put in front of
        user = request.user
        if not user.is_authenticated:
            return handler(request, *args, **kwargs)
        key = request.headers[HEADER].strip()
        if not _KEY.fullmatch(key):
            raise _malformed()
        digest = key_digest(caller=f"{getattr(user, 'site_id', '')}:{user.pk}", key=key)
        found = key_claim(digest=digest, fingerprint=request_fingerprint(request))
        if isinstance(found, KeptAnswer):
            return _replayed(found)
        running = _Running(claim=found, finish=lambda response: self._finished(request, response, args, kwargs))
        request._request.idempotency = running  # type: ignore[attr-defined]
        response = self._run(handler, running, request, args, kwargs)
        if not running.kept:
            running.keep(response)
        if not running.kept:
            claim_release(claim=running.claim)
        return response

    def _run(
        self, handler: Callable[..., HttpResponse], running: _Running, request: Request, args: Any, kwargs: Any
    ) -> HttpResponse:
        """The view's answer, whether it returns or raises it."""
        try:
            if not _is_atomic(type(self)):
                return handler(request, *args, **kwargs)
            with transaction.atomic():
                response = handler(request, *args, **kwargs)
                running.keep(response)
            return response
        except ClaimLost:
            raise
        except Exception as error:  # noqa: BLE001 - DRF tells refusals from bugs, and bugs are raised again
            # An atomic handler's effects are undone by now; what is kept is the refusal.
            try:
                return self.handle_exception(error)
            except Exception:
                if not running.kept:
                    claim_release(claim=running.claim)
                raise

    def _finished(self, request: Request, response: HttpResponse, args: Any, kwargs: Any) -> HttpResponse:
        """The response with its body, as DRF's own dispatch will finish it once more."""
        finished = self.finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]  # takes any response
        if isinstance(finished, SimpleTemplateResponse) and not finished.is_rendered:
            finished.render()
        return finished


def _replayed(answer: KeptAnswer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers.items():
        response[name] = value
    response[REPLAYED_HEADER] = "true"
    return response


def _said(view_class: type[APIView], what: str, default: bool) -> bool:
    return bool(getattr(view_class, f"idempotency_{what}", default))


def _is_atomic(view_class: type[APIView]) -> bool:
    takes_files = any(issubclass(parser, (MultiPartParser, FileUploadParser)) for parser in view_class.parser_classes)
    return _said(view_class, "atomic", not takes_files)


@cache
def _idempotent(view_class: type[APIView]) -> type[APIView]:
    return type(view_class.__name__, (_IdempotentPost, view_class), {"__doc__": view_class.__doc__})


def _malformed() -> Problem:
    return Problem.for_status(
        400,
        code="request:idempotency_key_malformed",
        detail="The Idempotency-Key is empty, longer than 255 characters or not printable ASCII.",
        action="Send a random UUID for each new request, and the same one when you repeat it.",
    )
