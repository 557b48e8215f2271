"""The pages, the documentation, and the settings behind them."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.test import Client

from config.languages import LANGUAGE_COOKIE, LANGUAGES

PAGES = ["/", "/upload", f"/jobs/{uuid.UUID(int=7)}"]


@pytest.fixture
def dist(settings, tmp_path: Path) -> Path:
    """A built front end of a few tiny pages, which say their language only in Spanish."""
    for language, mark in (("en", ""), ("es", ", en español")):
        (tmp_path / language).mkdir()
        for name in ("login", "index", "upload", "job", "guide", "forbidden", "not-found", "server-error", "unavailable"):
            (tmp_path / language / f"{name}.html").write_text(f"<!doctype html><title>{name}{mark}</title>")
    settings.FRONTEND_DIST = tmp_path
    return tmp_path


@pytest.mark.parametrize("address", PAGES)
def test_a_page_sends_an_anonymous_reader_to_sign_in_and_back(client: Client, db, dist, address: str) -> None:
    response = client.get(f"{address}?tab=2")

    assert response.status_code == 302
    assert response["Location"] == f"/login?next={quote(address + '?tab=2', safe='')}"


def test_the_sign_in_page_is_open_and_sets_the_csrf_cookie(client: Client, db, dist) -> None:
    response = client.get("/login")

    assert response.content == b"<!doctype html><title>login</title>"
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "csrftoken" in response.cookies


def test_the_guide_is_open_to_all(client: Client, reader, dist) -> None:
    for _ in ("anonymous", "signed in"):
        response = client.get("/guide")
        assert (response.status_code, response.content) == (200, b"<!doctype html><title>guide</title>")
        assert "default-src 'none'" in response["Content-Security-Policy"]
        client.force_login(reader)


@pytest.mark.parametrize(("address", "title"), list(zip(PAGES, ["index", "upload", "job"], strict=True)))
def test_a_page_is_served_to_who_is_signed_in(client: Client, reader, dist, address: str, title: str) -> None:
    client.force_login(reader)

    response = client.get(address)

    assert f"<title>{title}</title>".encode() in response.content
    assert "default-src 'none'" in response["Content-Security-Policy"]
    again = client.get(address, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, None, "en"),
        (None, "es", "es"),
        (None, "es-419,es;q=0.9,en;q=0.8", "es"),
        (None, "fr-FR, fr;q=0.9, es;q=0.5, en;q=0.4", "es"),
        (None, "en;q=0.4, es;q=0.5", "es"),
        (None, "ES-mx", "es"),
        (None, "de, it;q=0.7", "en"),
        (None, "es;q=0", "en"),
        (None, "*, es;q=0.1", "en"),
        (None, "es;q=high", "en"),
        (None, "es" * 5000, "en"),
        (None, ", ,;;q=1\x00", "en"),
        ("es", "en", "es"),
        ("en", "es", "en"),
        ("../es", None, "en"),
        ("es/../../settings", "es", "es"),
        ("", "es", "es"),
        ("ES", None, "en"),
    ],
)
def test_the_choice_on_the_page_goes_before_what_the_browser_asks_for_and_nonsense_counts_for_nothing(
    client: Client, db, dist, cookie: str | None, accepted: str | None, language: str
) -> None:
    if cookie is not None:
        client.cookies["mammoserve_language"] = cookie

    response = client.get("/login", headers={} if accepted is None else {"Accept-Language": accepted})

    assert response["Content-Language"] == language
    assert ("en español" in response.content.decode()) == (language == "es")


def test_caches_keep_the_languages_of_a_page_apart(client: Client, reader, dist) -> None:
    client.force_login(reader)
    english = client.get("/upload", headers={"Accept-Language": "en"})
    client.cookies["mammoserve_language"] = "es"

    switched = client.get("/upload", headers={"Accept-Language": "en", "If-None-Match": english["ETag"]})
    again = client.get("/upload", headers={"Accept-Language": "en", "If-None-Match": switched["ETag"]})

    assert (switched.status_code, switched["Content-Language"]) == (200, "es")
    assert (again.status_code, again["Content-Language"]) == (304, "es")
    for response in (english, switched, again):
        assert {"Accept-Language", "Cookie"} <= {name.strip() for name in response["Vary"].split(",")}


def test_a_refusal_is_in_the_readers_language_too(client: Client, reader, dist) -> None:
    client.force_login(reader)

    response = client.get("/people", headers={"Accept-Language": "es"})

    assert (response.status_code, response["Content-Language"]) == (403, "es")
    assert "forbidden, en español" in response.content.decode()


def test_the_build_makes_every_page_in_the_languages_that_are_served() -> None:
    listed = (Path(__file__).parents[3] / "frontend" / "src" / "strings" / "languages.js").read_text()

    assert tuple(re.findall(r"code: '(\w+)'", listed)) == LANGUAGES
    assert f"'{LANGUAGE_COOKIE}'" in listed


def test_a_new_build_is_served_without_a_restart(client: Client, db, dist: Path) -> None:
    client.get("/login")
    (dist / "en" / "login.html").write_text("new build")

    assert client.get("/login").content == b"new build"


def test_an_unbuilt_front_end_says_what_to_do(client: Client, db, settings, tmp_path: Path) -> None:
    settings.FRONTEND_DIST = tmp_path / "nothing"

    response = client.get("/login")

    assert response.status_code == 503
    assert "make frontend" in response.json()["action"]


def test_a_page_answers_no_other_method(client: Client, reader, dist) -> None:
    client.force_login(reader)

    assert client.post("/upload").status_code == 405


def test_health_needs_nobody_and_no_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_the_openapi_document_names_every_address_and_both_ways_in(client: Client, db) -> None:
    document = client.get("/api/v1/schema", headers={"Accept": "application/json"}).json()

    assert {"/api/v1/session", "/api/v1/studies", "/api/v1/jobs", "/api/v1/jobs/{job_id}/result"} <= set(document["paths"])
    assert set(document["components"]["securitySchemes"]) == {"apiToken", "session"}


def test_the_documentation_page_holds_no_inline_script_or_style_and_nothing_of_other_hosts(client: Client, db) -> None:
    response = client.get("/api/v1/docs")
    html = response.content.decode()

    assert response.status_code == 200
    assert "<style" not in html
    assert "://" not in html
    assert "unsafe" not in response["Content-Security-Policy"]
    script = client.get("/api/v1/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert b"SwaggerUIBundle" in script.content


HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_unknown_address_is_a_page_for_a_person_and_a_problem_for_a_program(client: Client, db, dist: Path) -> None:
    page = client.get("/no/such/page", headers=HTML)

    assert (page.status_code, page.content) == (404, b"<!doctype html><title>not-found</title>")
    assert page["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page["Content-Security-Policy"]
    for address, accept in (("/no/such/page", "*/*"), ("/api/v1/nothing", HTML["Accept"])):
        answer = client.get(address, headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    spanish = client.get("/no/such/page", headers={**HTML, "Accept-Language": "es"})
    assert spanish.content.decode() == "<!doctype html><title>not-found, en español</title>"
    assert (spanish["Content-Language"], spanish["Vary"]) == ("es", "Accept, Accept-Language, Cookie")


def test_a_bug_is_a_page_for_a_person(db, dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, request: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("config.pages.LoginPage.get", broken)
    client = Client(raise_request_exception=False)

    page = client.get("/login", headers=HTML)

    assert (page.status_code, page.content) == (500, b"<!doctype html><title>server-error</title>")
    assert client.get("/login").json()["status"] == 500


def test_a_database_that_is_away_is_a_page_for_a_person(client: Client, db, dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Any, request: Any) -> None:
        raise OperationalError("could not connect to secret-host")

    monkeypatch.setattr("config.pages.WorklistPage.get", away)

    page = client.get("/", headers=HTML)

    assert (page.status_code, page.content, page["Retry-After"]) == (503, b"<!doctype html><title>unavailable</title>", "5")
    assert client.get("/").json()["code"] == "system:database_unavailable"


def test_without_the_pages_an_error_is_still_answered(client: Client, db, settings, tmp_path: Path) -> None:
    settings.FRONTEND_DIST = tmp_path / "nothing"

    assert client.get("/no/such/page", headers=HTML).json()["status"] == 404
