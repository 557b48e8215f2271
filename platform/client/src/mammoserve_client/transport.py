"""What both clients share: addresses, headers, and the decision whether a request is sent again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from mammoserve_client.calls import Call, RetryPolicy, is_not_now, retry_after_of
from mammoserve_client.errors import MammoServeError, Unreachable

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


def options_of(*, url: str, token: str, timeout: httpx.Timeout | float | None) -> dict[str, Any]:
    """Arguments for httpx. Redirects are not followed: a token never goes where it was not sent.

    Raises MammoServeError for an address that is none, and for plain HTTP to another machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MammoServeError(f"“{url}” is no address of a server; write https://host or http://localhost:8000")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise MammoServeError("A token and mammograms are not sent to another machine without TLS; use an https address")
    return {
        "base_url": url.rstrip("/"),
        "headers": {"Authorization": f"Bearer {token}", "User-Agent": "mammoserve-client/0.1.0"},
        "timeout": TIMEOUT if timeout is None else timeout,
        "follow_redirects": False,
    }


def request_of(client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    has_json = call.json is not None and call.files is None
    return client.build_request(
        call.method,
        call.path,
        params=call.params,
        headers=call.headers,
        content=call.content,
        data=call.data,
        files=call.files,
        **({"json": call.json} if has_json else {}),
    )


class Attempts:
    """Of one call: says how long to wait before the next try, or raises what ended the last one."""

    def __init__(self, call: Call, policy: RetryPolicy) -> None:
        self._call, self._policy, self._made = call, policy, 0

    def lost(self, error: httpx.TransportError) -> float:
        """Seconds to wait after a lost connection. Raises Unreachable after the last try, the error itself where none is."""
        if not self._call.retry:
            raise error
        self._made += 1
        if self._made >= self._policy.attempts:
            raise Unreachable(f"{self._call.method} {self._call.path}: {error or type(error).__name__}") from error
        return self._policy.delay_seconds(attempt=self._made)

    def answered(self, response: httpx.Response) -> float | None:
        """Seconds to wait where the server says “not now” and another try is left; None when the answer stands."""
        if not self._call.retry or not is_not_now(response) or response.status_code in self._call.accept:
            return None
        self._made += 1
        if self._made >= self._policy.attempts:
            return None
        return self._policy.delay_seconds(attempt=self._made, retry_after_seconds=retry_after_of(response))
