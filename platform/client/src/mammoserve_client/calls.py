"""Operations without input and output: generators that yield what to send and are given what came back.

One piece of code serves both clients: `Client` sends with httpx and sleeps, `AsyncClient` awaits both. An operation yields `Call`
(and is sent an httpx.Response, or has the exception of a lost connection thrown into it where `retry` is off) or `Pause`.
"""

from __future__ import annotations

import json as json_module
import random
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import httpx

from mammoserve_client.errors import ApiProblem, Incomplete

T = TypeVar("T")
# Answers that say “not now”. 409 counts only where it comes with Retry-After: a first request with the same key still runs.
NOT_NOW = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `retry`: sent again by the client when the connection breaks or the server says “not now”.

    That is safe for all of them: reads change nothing, every POST carries an idempotency key, and a PATCH (which is not retried
    by itself) names the offset that it begins at.
    """

    method: str
    path: str
    params: dict[str, Any] | None = None
    json: Any = None
    content: bytes | None = None
    data: dict[str, Any] | None = None
    files: list[tuple[str, tuple[str, bytes]]] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    accept: frozenset[int] = frozenset()
    retry: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before going on."""

    seconds: float


Operation: TypeAlias = Generator["Call | Pause", Any, T]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, so that many clients of one hospital do not come back at once.

    The server's Retry-After is never undercut. With the defaults a client holds out for some five minutes of outage.
    """

    attempts: int = 12
    first_seconds: float = 0.5
    longest_seconds: float = 60.0

    def delay_seconds(self, *, attempt: int, retry_after_seconds: float | None = None) -> float:
        """Before the attempt after the `attempt`-th, counted from 1."""
        most = min(self.longest_seconds, self.first_seconds * 2 ** (attempt - 1))
        return max(retry_after_seconds or 0.0, random.uniform(most / 2, most))  # noqa: S311  spreads load, guards nothing


def retry_after_of(response: httpx.Response) -> float | None:
    """Seconds of Retry-After; None where there is none, or a date (which this server never sends)."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.replace(".", "", 1).isdigit() else None


def is_not_now(response: httpx.Response) -> bool:
    return response.status_code in NOT_NOW or (response.status_code == 409 and "Retry-After" in response.headers)


def post(path: str, *, json: Any = None, key: str | None = None, **more: Any) -> Call:
    """A POST that can be sent twice and counts once."""
    return Call("POST", path, json={} if json is None else json, headers={"Idempotency-Key": key or str(uuid.uuid4())}, **more)


def document_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a good answer. Raises Incomplete for anything else: a proxy's page, a captive portal."""
    try:
        found = response.json()
    except json_module.JSONDecodeError as error:
        raise Incomplete(f"{response.request.url} answered {response.status_code} with something that is no JSON") from error
    if not isinstance(found, dict):
        raise Incomplete(f"{response.request.url} answered with something that is no JSON object")
    return found


def problem_of(response: httpx.Response) -> ApiProblem:
    """What a refusal says; words of our own where something between us and the server answered."""
    try:
        document = response.json()
    except json_module.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        document = {}
    return ApiProblem(
        status=response.status_code,
        code=str(document.get("code", f"http:{response.status_code}")),
        title=str(document.get("title", response.reason_phrase or "Refused")),
        detail=str(document.get("detail", "")),
        action=str(document.get("action", "")),
        errors=tuple(one for one in document.get("errors") or () if isinstance(one, dict)),
        retry_after_seconds=retry_after_of(response),
        document=document,
    )


def checked(call: Call, response: httpx.Response) -> httpx.Response:
    """The response, if it is a success or one that the call accepts. Raises ApiProblem."""
    if response.is_success or response.status_code in call.accept:
        return response
    raise problem_of(response)
