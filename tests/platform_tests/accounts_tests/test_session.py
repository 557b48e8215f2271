"""Signing in, staying anonymous, being slowed down."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import FailedLogin, Site, User

PASSWORD = "a long pass phrase for tests"
SESSION = "/api/v1/session"


@pytest.fixture
def browser(db) -> APIClient:
    """A browser-like client: cookies, CSRF enforced."""
    return APIClient(enforce_csrf_checks=True)


def _csrf(browser: APIClient) -> str:
    return browser.get(SESSION).json()["csrf_token"]


def _sign_in(browser: APIClient, username: str = "reader", password: str = PASSWORD):
    return browser.post(
        SESSION, {"username": username, "password": password}, format="json", headers={"X-CSRFToken": _csrf(browser)}
    )


def test_an_anonymous_caller_is_told_so_and_gets_the_csrf_cookie(browser: APIClient) -> None:
    response = browser.get(SESSION)

    assert response.status_code == 200
    body = response.json()
    assert body["authenticated"] is False
    assert "user" not in body
    assert "site" not in body
    assert body["limits"]["max_files"] == 32
    assert "not a medical device" in body["disclaimer"]
    assert "csrftoken" in response.cookies


def test_signing_in_names_user_and_site_and_opens_the_session(browser: APIClient, reader: User) -> None:
    response = _sign_in(browser)

    assert response.status_code == 200
    assert response.json()["user"] == {"username": "reader", "role": "reader", "administers_every_site": False}
    assert response.json()["site"] == {"slug": "north", "name": "Northern Hospital"}
    assert browser.get(SESSION).json()["authenticated"] is True


def test_signing_in_changes_the_csrf_token_and_the_session_key(browser: APIClient, reader: User) -> None:
    browser.get(SESSION)
    before = browser.cookies["csrftoken"].value

    _sign_in(browser)

    assert browser.cookies["csrftoken"].value != before
    assert browser.cookies["sessionid"]["httponly"] is True


def test_signing_in_without_the_csrf_token_is_refused(browser: APIClient, reader: User) -> None:
    response = browser.post(SESSION, {"username": "reader", "password": PASSWORD}, format="json")

    assert response.status_code == 403
    assert response.json()["code"] == "auth:csrf_failed"
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("username", "password"), [("reader", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_password_and_an_unknown_name_read_alike(browser: APIClient, reader: User, username: str, password: str) -> None:
    response = _sign_in(browser, username, password)

    assert response.status_code == 401
    assert response.json()["code"] == "auth:invalid_credentials"
    assert response.json()["detail"] == "User name or password is wrong."


def test_a_user_of_an_inactive_site_cannot_sign_in(browser: APIClient, reader: User) -> None:
    assert reader.site is not None
    reader.site.is_active = False
    reader.site.save()

    assert _sign_in(browser).status_code == 401


def test_a_sixth_try_after_five_failures_waits_even_with_the_right_password(browser: APIClient, reader: User) -> None:
    for _ in range(5):
        assert _sign_in(browser, password="wrong").status_code == 401

    response = _sign_in(browser)

    assert response.status_code == 429
    assert response.json()["code"] == "auth:too_many_attempts"
    assert 1 <= int(response["Retry-After"]) <= 901


def test_another_name_from_the_same_address_is_not_slowed_down_by_it(browser: APIClient, reader: User, submitter: User) -> None:
    for _ in range(5):
        _sign_in(browser, password="wrong")

    assert _sign_in(browser, "submitter").status_code == 200


def test_many_names_from_one_address_are_slowed_down(browser: APIClient, reader: User, settings) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 4
    for index in range(4):
        _sign_in(browser, f"guess{index}", "wrong")

    assert _sign_in(browser).status_code == 429


def test_failures_out_of_the_window_are_forgotten(browser: APIClient, reader: User, settings) -> None:
    for _ in range(5):
        _sign_in(browser, password="wrong")
    settings.LOGIN_WINDOW_SECONDS = 0

    assert _sign_in(browser).status_code == 200
    _sign_in(APIClient(enforce_csrf_checks=True), password="wrong")
    assert FailedLogin.objects.count() == 1


def test_failures_keep_neither_name_nor_address(browser: APIClient, reader: User) -> None:
    _sign_in(browser, password="wrong")

    kept = FailedLogin.objects.get()
    assert "reader" not in kept.user_key
    assert "127.0.0.1" not in kept.address_key


def test_signing_out_ends_the_session(browser: APIClient, reader: User) -> None:
    _sign_in(browser)

    response = browser.delete(SESSION, headers={"X-CSRFToken": _csrf(browser)})

    assert response.status_code == 204
    assert browser.get(SESSION).json()["authenticated"] is False


def test_signing_out_needs_the_csrf_token(browser: APIClient, reader: User) -> None:
    _sign_in(browser)

    assert browser.delete(SESSION).status_code == 403
    assert browser.get(SESSION).json()["authenticated"] is True


def test_missing_fields_are_named(browser: APIClient) -> None:
    response = browser.post(SESSION, {"username": "x"}, format="json", headers={"X-CSRFToken": _csrf(browser)})

    assert response.status_code == 400
    assert response.json()["code"] == "input:invalid_field"
    assert [entry["field"] for entry in response.json()["errors"]] == ["password"]


def test_a_session_counts_until_its_end_and_while_user_and_site_are_active(browser: APIClient, reader: User) -> None:
    jobs = "/api/v1/jobs"
    _sign_in(browser)
    assert browser.get(jobs).status_code == 200
    Session.objects.update(expire_date=timezone.now())
    assert browser.get(jobs).status_code == 401

    browser.cookies.clear()
    _sign_in(browser)
    assert browser.get(jobs).status_code == 200
    Site.objects.filter(slug="north").update(is_active=False)
    assert browser.get(jobs).status_code == 401
    Site.objects.filter(slug="north").update(is_active=True)
    User.objects.filter(pk=reader.pk).update(is_active=False)
    assert browser.get(jobs).status_code == 401


def test_a_poll_of_an_unchanged_list_asks_the_database_next_to_nothing(
    browser: APIClient, reader: User, django_assert_num_queries
) -> None:
    _sign_in(browser)
    # the session, the person with their site; and the list, or the latest change and the person's marks
    for address, queries in {"/api/v1/jobs": 3, "/api/v1/jobs/summary": 4}.items():
        etag = browser.get(address).headers["ETag"]
        with django_assert_num_queries(queries):
            assert browser.get(address, headers={"If-None-Match": etag}).status_code == 304
