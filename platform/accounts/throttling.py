"""Slowing down password guessing. Counts live in the database, so every web process sees the same ones.

It keeps no user names and no addresses, only keyed hashes of them, and forgets them after the window.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac

from django.conf import settings
from django.http import HttpRequest

from accounts.models import FailedLogin
from common import clock
from common.problems import Problem


def caller_address(request: HttpRequest) -> str:
    """The caller's address: the connection's, or the one that the outermost of our own TRUSTED_PROXIES saw."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    if settings.TRUSTED_PROXIES and len(hops) >= settings.TRUSTED_PROXIES:
        return hops[-settings.TRUSTED_PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))


def _digest(*parts: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()


def _keys(request: HttpRequest, username: str) -> tuple[str, str]:
    address = caller_address(request)
    return _digest("user", username.casefold(), address), _digest("address", address)


def login_guard(request: HttpRequest, *, username: str) -> None:
    """Raise the 429 problem while this name from this address, or this address, has failed too often."""
    user_key, address_key = _keys(request, username)
    window = datetime.timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)
    now = clock.now()
    recent = FailedLogin.objects.filter(failed_at__gt=now - window)
    limits = (
        (recent.filter(user_key=user_key), settings.LOGIN_FAILURES_PER_USER),
        (recent.filter(address_key=address_key), settings.LOGIN_FAILURES_PER_ADDRESS),
    )
    for failures, allowed in limits:
        newest = list(failures.order_by("-failed_at").values_list("failed_at", flat=True)[:allowed])
        if len(newest) >= allowed:
            # The oldest of the last `allowed` failures must leave the window before the next try.
            wait = int((newest[-1] + window - now).total_seconds()) + 1
            raise Problem.for_status(
                429,
                code="auth:too_many_attempts",
                detail="Too many failed sign-ins.",
                action="Wait as long as Retry-After says, then try again.",
                headers={"Retry-After": str(max(1, wait))},
            )


def login_failed(request: HttpRequest, *, username: str) -> None:
    """Remember a failure and forget those that are out of the window."""
    user_key, address_key = _keys(request, username)
    now = clock.now()
    FailedLogin.objects.filter(failed_at__lte=now - datetime.timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)).delete()
    FailedLogin.objects.create(user_key=user_key, address_key=address_key, failed_at=now)


def login_succeeded(request: HttpRequest, *, username: str) -> None:
    """The right password clears this name's failures from this address, not the address's other ones."""
    user_key, _ = _keys(request, username)
    FailedLogin.objects.filter(user_key=user_key).delete()
