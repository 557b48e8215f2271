"""One attempt at one delivery: a POST over the network, bounded in time and size. Knows no rows and no retries.

Nothing is trusted of the receiver: no redirect is followed, no name is looked up twice, no answer is read beyond its beginning,
and the whole takes at most `total_seconds`, however slowly bytes come.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from uuid import UUID

import httpx

from common import clock
from notifications.addresses import AddressPolicy, AddressRefused, NameUnknown, addresses_check, url_check

_ANSWER_BYTES = 1024
_ANSWER_CHARACTERS = 500
_RETRY_AFTER_MAXIMUM_SECONDS = 3600.0


class AttemptError(StrEnum):
    """Why an attempt did not deliver. Shown in the delivery log."""

    REFUSED_ADDRESS = "address_refused"
    UNKNOWN_NAME = "name_unknown"
    CONNECT = "connect_failed"
    TLS = "tls_failed"
    TIMEOUT = "timeout"
    REDIRECT = "redirect"
    STATUS = "status"
    PROTOCOL = "protocol"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """A request that is ready to be sent. `claim` names who may write its outcome."""

    delivery_id: UUID
    claim: str
    request_id: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `status` None: no answer. `error` empty: delivered."""

    status: int | None = None
    error: str = ""
    elapsed_seconds: float = 0.0
    answer: str = ""
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds: for a connection, for one piece of the answer, and for everything together."""

    connect_seconds: float
    read_seconds: float
    total_seconds: float


class CheckedTransport(httpx.AsyncBaseTransport):
    """Looks the host up once, checks every address, and connects to one of those; name, SNI and certificate stay the host's.

    Connections are not kept: one to an address must never serve another name that has the same address.
    """

    def __init__(self, *, policy: AddressPolicy, ssl_context: ssl.SSLContext) -> None:
        self._policy = policy
        self._inner = httpx.AsyncHTTPTransport(verify=ssl_context, limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = url_check(str(request.url), policy=self._policy)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameUnknown("The name cannot be looked up.") from error
        addresses = addresses_check([str(entry[4][0]) for entry in found], policy=self._policy)
        request.extensions = {**request.extensions, "sni_hostname": host}
        named = request.url
        for address in addresses[:-1]:
            request.url = named.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except httpx.ConnectError:
                continue  # the next address; the last one's failure is the attempt's
        request.url = named.copy_with(host=addresses[-1])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def attempt_send(order: AttemptOrder, *, policy: AddressPolicy, limits: TimeLimits, ssl_context: ssl.SSLContext) -> Outcome:
    """Send it and say what became of it; raises nothing that a network or a receiver can cause."""
    started = time.perf_counter()
    status, answer, error, retry_after = None, b"", "", None
    timeout = httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds)
    # A client for each attempt: no cookie, no connection and no proxy setting of one receiver meets another.
    client = httpx.AsyncClient(
        transport=CheckedTransport(policy=policy, ssl_context=ssl_context),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )
    try:
        async with (
            asyncio.timeout(limits.total_seconds),
            client,
            client.stream("POST", order.url, content=order.body, headers=order.headers) as response,
        ):
            status = response.status_code
            retry_after = _retry_after(response.headers.get("retry-after", ""))
            error = _error_of(status)
            async for chunk in response.aiter_raw():
                answer += chunk[:_ANSWER_BYTES]
                if len(answer) >= _ANSWER_BYTES:
                    break
    except NameUnknown:
        error = AttemptError.UNKNOWN_NAME
    except AddressRefused:
        error = AttemptError.REFUSED_ADDRESS
    except (TimeoutError, httpx.TimeoutException):
        error = error if status is not None else AttemptError.TIMEOUT  # an answer whose body never ends is an answer
    except httpx.ConnectError as failed:
        error = AttemptError.TLS if _is_tls(failed) else AttemptError.CONNECT
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        error = error if status is not None else AttemptError.PROTOCOL
    return Outcome(
        status=status,
        error=str(error),
        elapsed_seconds=round(time.perf_counter() - started, 4),
        answer=_text(answer),
        retry_after_seconds=retry_after,
    )


def _error_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return AttemptError.REDIRECT if 300 <= status < 400 else AttemptError.STATUS


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _retry_after(given: str) -> float | None:
    """Seconds, at most an hour; None for nothing that makes sense."""
    if not given:
        return None
    try:
        seconds = float(given) if given.isdigit() else (parsedate_to_datetime(given) - clock.now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_MAXIMUM_SECONDS)


def _text(answer: bytes) -> str:
    """The beginning of an answer as text that every database and page can show."""
    text = answer[:_ANSWER_BYTES].decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)[
        :_ANSWER_CHARACTERS
    ]
