"""How often a caller may submit: a bucket for each token (or person) and one for each site, kept in the broker's Redis.

Every web process draws from the same buckets, in one round trip. Redis is disposable here as everywhere: while it is away, or
where the broker is of another kind, nobody is limited. What a site may have in all is jobs.quotas' concern.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiToken, User
from common.problems import Problem

logger = logging.getLogger(__name__)

_WINDOW_SECONDS = 60
_ANSWER_SECONDS = 0.25
#: After a failure Redis is not asked for so long: a broker that hangs must not slow every submission down.
_REST_SECONDS = 5.0
_PREFIX = "mammoserve:submissions:"

#: Generic cell rate algorithm over each key, all or nothing: {allowed, index of the refusing key, seconds to wait, then for each
#: key what remains and the seconds until its bucket is full}. Seconds come back as text: Redis would cut them to integers.
_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local window = tonumber(ARGV[1])
local ends, refusing, wait = {}, 0, 0
for i, key in ipairs(KEYS) do
  local step = window / tonumber(ARGV[i + 1])
  local full = math.max(tonumber(redis.call('GET', key) or now), now)
  ends[i] = full
  local early = full + step - window - now
  if early > wait + 0.000001 then refusing, wait = i, early end
end
local answer = {refusing == 0 and 1 or 0, refusing, tostring(wait)}
for i, key in ipairs(KEYS) do
  local step = window / tonumber(ARGV[i + 1])
  if refusing == 0 then
    ends[i] = ends[i] + step
    redis.call('SET', key, string.format('%.6f', ends[i]), 'PX', math.ceil((ends[i] - now) * 1000) + 1000)
  end
  answer[#answer + 1] = math.max(0, math.floor((window - (ends[i] - now)) / step + 0.000001))
  answer[#answer + 1] = tostring(math.max(0, ends[i] - now))
end
return answer
"""


class _Rest:
    """Until when Redis is left alone, for this process."""

    until = 0.0


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis | None:
    """The broker's Redis; None for another kind of broker."""
    # Kombu's name for a broker on a socket and for its database; redis-py has names of its own.
    url = url.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return None
    return redis.Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)


def _limits(user: User, token: ApiToken | None) -> list[tuple[str, str, int]]:
    """(name in the headers, key, submissions a minute) of the limits in force."""
    site = user.site
    if site is None:
        return []
    own, whole = site.max_submissions_per_minute_of_token, site.max_submissions_per_minute
    of_caller = f"token:{token.pk}" if token is not None else f"user:{user.pk}"
    limits = [
        ("token", of_caller, settings.RATE_LIMIT_PER_TOKEN if own is None else own),
        ("site", f"site:{site.pk}", settings.RATE_LIMIT_PER_SITE if whole is None else whole),
    ]
    return [limit for limit in limits if limit[2] > 0]


def submission_count(*, user: User, token: ApiToken | None) -> dict[str, str]:
    """Count one submission against the caller's limits; returns the answer's RateLimit headers (IETF draft).

    Raises the 429 problem request:rate_limited, with Retry-After; a refused submission is not counted.
    """
    limits = _limits(user, token)
    client = _client(settings.BROKER_URL) if limits else None
    if client is None or time.monotonic() < _Rest.until:
        return {}
    try:
        script = client.register_script(_SCRIPT)
        found: Any = script(keys=[_PREFIX + key for _, key, _ in limits], args=[_WINDOW_SECONDS, *(n for _, _, n in limits)])
    except redis.RedisError as error:
        _Rest.until = time.monotonic() + _REST_SECONDS
        logger.warning("rate limits: Redis does not answer (%s); nobody is limited meanwhile", type(error).__name__)
        return {}
    allowed, refusing, wait = bool(found[0]), int(found[1]), float(found[2])
    places = list(zip(limits, found[3::2], found[4::2], strict=True))
    headers = {
        "RateLimit-Policy": ", ".join(f'"{name}";q={limit};w={_WINDOW_SECONDS}' for name, _, limit in limits),
        "RateLimit": ", ".join(f'"{name}";r={int(left)};t={math.ceil(float(full))}' for (name, _, _), left, full in places),
    }
    if allowed:
        return headers
    name, _, limit = limits[refusing - 1]
    whose = "This token" if name == "token" else "Your site"
    raise Problem.for_status(
        429,
        code="request:rate_limited",
        detail=f"{whose} may submit {limit} times a minute.",
        headers={**headers, "Retry-After": str(max(1, math.ceil(wait)))},
    )


class RateLimited:
    """To be mixed into a view that takes submissions, before APIView: `rate_limited_methods` are counted, after permissions and
    before the body is read."""

    rate_limited_methods: tuple[str, ...] = ("POST",)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        if request.method in self.rate_limited_methods and isinstance(request.user, User):
            token = request.auth if isinstance(request.auth, ApiToken) else None
            request._request.rate_limit_headers = submission_count(user=request.user, token=token)  # type: ignore[attr-defined]

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        given: HttpRequest = getattr(request, "_request", request)
        for name, value in getattr(given, "rate_limit_headers", {}).items():
            answer.setdefault(name, value)
        return answer
