"""Who is calling: a machine with a token, or a browser with a session. What they may do is accounts.permissions' concern."""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from rest_framework import authentication, exceptions
from rest_framework.authentication import CSRFCheck
from rest_framework.request import Request

from accounts.models import ApiToken, User
from common import clock
from common.problems import csrf_problem
from common.statements import FoundByValue

_TOKEN = re.compile(r"ms_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")
_REALM = 'Bearer realm="MammoServe"'
_LAST_USED_RESOLUTION = datetime.timedelta(minutes=1)
#: By hash, with user and site.
_TOKENS = FoundByValue(lambda given: ApiToken.objects.select_related("user__site").filter(token_hash=given), example="?")


def token_new() -> tuple[str, str]:
    """(prefix, token): `ms_<8 characters>_<256 random bits>`. Only the hash of the token may be stored."""
    prefix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))
    return prefix, f"ms_{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """sha256, as hex. A slow hash would add nothing: the secret has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer ms_…`. A revoked token, or one of an inactive user or site, is refused with 401."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = given.strip()
        # The hash is looked up through a unique index, so timing tells nothing about how much of a token was right.
        token = None
        if _TOKEN.fullmatch(given):
            token = _TOKENS.first(token_hash(given))
        if (
            token is None
            or token.revoked_at is not None
            or (token.expires_at is not None and token.expires_at <= clock.now())
            or not token.user.is_active
            or token.user.site is None
            or token.user.site_id != token.site_id
            or not token.user.site.is_active
        ):
            raise exceptions.AuthenticationFailed("The API token is unknown, expired, revoked or not active.")
        self._mark_used(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return _REALM

    @staticmethod
    def _mark_used(token: ApiToken) -> None:
        """At most one write a minute: a write per poll would make every reader a writer."""
        now = clock.now()
        stale = now - _LAST_USED_RESOLUTION
        if token.last_used_at is None or token.last_used_at < stale:
            unused = Q(last_used_at=None) | Q(last_used_at__lt=stale)
            ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)


class SessionAuthentication(authentication.SessionAuthentication):
    """A browser's session. Unsafe methods need the CSRF token; an anonymous caller is 401, not 403."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        user = getattr(request._request, "user", None)
        if user is None or not user.is_active or (user.site_id is not None and not user.site.is_active):
            return None
        csrf_enforce(request._request)
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return _REALM


def csrf_enforce(request: HttpRequest) -> None:
    """Raise the CSRF problem unless the request carries the session's token. DRF exempts its views from the middleware."""
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
    check.process_request(request)
    if check.process_view(request, None, (), {}):  # type: ignore[arg-type]
        raise csrf_problem()
