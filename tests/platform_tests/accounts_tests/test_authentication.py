"""Tokens and sessions at the API's door."""

from __future__ import annotations

import datetime

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from accounts.authentication import token_hash
from accounts.models import ApiToken, Role
from accounts.selectors import tokens_visible_to
from accounts.services import site_create, token_issue, token_revoke, user_create
from common import clock

JOBS = "/api/v1/jobs"


def _get(authorization: str, **headers: str):
    return APIClient().get(JOBS, headers={"Authorization": authorization, **headers})


def test_a_token_opens_the_api_and_only_its_hash_is_stored(reader) -> None:
    token, plain = token_issue(user=reader, name="scanner")

    assert _get(f"Bearer {plain}").status_code == 200
    assert _get(f"bearer {plain}").status_code == 200
    assert plain.startswith(f"ms_{token.prefix}_")
    stored = ApiToken.objects.values().get()
    assert plain not in str(stored)
    assert stored["token_hash"] == token_hash(plain)


def test_without_credentials_the_answer_is_401_and_names_the_scheme(db) -> None:
    response = APIClient().get(JOBS)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="MammoServe"'
    assert response.json()["code"] == "auth:required"


@pytest.mark.parametrize("given", ["Bearer", "Bearer x", "Bearer ms_aaaaaaaa_" + "a" * 43, "Bearer ms_é", "Bearer " + "x" * 5000])
def test_a_token_nobody_issued_is_401(db, given: str) -> None:
    response = _get(given)

    assert response.status_code == 401
    assert response.json()["code"] == "auth:invalid_token"


def test_a_revoked_token_is_refused_and_revoking_twice_keeps_the_first_moment(reader) -> None:
    token, plain = token_issue(user=reader, name="scanner")
    first = token_revoke(token=token).revoked_at

    assert token_revoke(token=token).revoked_at == first
    assert _get(f"Bearer {plain}").status_code == 401


@pytest.mark.parametrize("who", ["user", "site"])
def test_a_token_of_an_inactive_user_or_site_is_refused(reader, who: str) -> None:
    _, plain = token_issue(user=reader, name="scanner")
    target = reader if who == "user" else reader.site
    target.is_active = False
    target.save()

    assert _get(f"Bearer {plain}").status_code == 401


def test_a_token_does_not_follow_its_user_to_another_site(reader, other_site) -> None:
    _, plain = token_issue(user=reader, name="scanner")
    reader.site = other_site
    reader.save()

    assert _get(f"Bearer {plain}").status_code == 401


def test_last_use_is_written_at_most_once_a_minute(reader, monkeypatch) -> None:
    _, plain = token_issue(user=reader, name="scanner")
    moment = clock.now()
    seen = []
    for seconds in (0, 30, 61):
        monkeypatch.setattr(clock, "now", lambda later=seconds: moment + datetime.timedelta(seconds=later))
        _get(f"Bearer {plain}")
        used_at = ApiToken.objects.get().last_used_at
        assert used_at is not None
        seen.append((used_at - moment).total_seconds())

    assert seen == [0, 0, 61]


def test_a_session_reads_without_and_changes_only_with_the_csrf_token(submitter) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(submitter)

    assert browser.get(JOBS).status_code == 200
    response = browser.post("/api/v1/studies")
    assert (response.status_code, response.json()["code"]) == (403, "auth:csrf_failed")


def test_a_reader_may_look_and_not_send(reader, client_of) -> None:
    client = client_of(reader)

    assert client.get(JOBS).status_code == 200
    response = client.post("/api/v1/studies", {}, format="multipart")
    assert (response.status_code, response.json()["code"]) == (403, "auth:forbidden")


def test_a_user_without_a_site_sees_nothing(db) -> None:
    user = user_create(site=None, username="nowhere", password=None, role=Role.ADMINISTRATOR)
    client = APIClient()
    client.force_login(user)

    assert client.get(JOBS).status_code == 403
    with pytest.raises(ValidationError):
        token_issue(user=user, name="none")
    assert list(tokens_visible_to(user=user)) == []


def test_a_weak_password_and_a_taken_slug_are_refused(site) -> None:
    with pytest.raises(ValidationError):
        user_create(site=site, username="x", password="short")
    with pytest.raises(ValidationError):
        site_create(slug="north", name="Again")
