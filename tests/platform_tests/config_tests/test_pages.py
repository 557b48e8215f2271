"""The pages, the documentation, and the settings behind them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.test import Client

PAGES = ["/", "/upload", f"/jobs/{uuid.UUID(int=7)}"]


@pytest.fixture
def dist(settings, tmp_path: Path) -> Path:
    """A built front end of four tiny pages."""
    for name in ("login", "index", "upload", "job"):
        (tmp_path / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>")
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


@pytest.mark.parametrize(("address", "title"), list(zip(PAGES, ["index", "upload", "job"], strict=True)))
def test_a_page_is_served_to_who_is_signed_in(client: Client, reader, dist, address: str, title: str) -> None:
    client.force_login(reader)

    response = client.get(address)

    assert f"<title>{title}</title>".encode() in response.content
    assert "default-src 'none'" in response["Content-Security-Policy"]
    again = client.get(address, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_new_build_is_served_without_a_restart(client: Client, db, dist: Path) -> None:
    client.get("/login")
    (dist / "login.html").write_text("new build")

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


@pytest.fixture
def error_pages(dist: Path) -> Path:
    for name in ("not-found", "server-error", "unavailable"):
        (dist / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>")
    return dist


def test_an_unknown_address_is_a_page_for_a_person_and_a_problem_for_a_program(client: Client, db, error_pages: Path) -> None:
    page = client.get("/no/such/page", headers=HTML)

    assert (page.status_code, page.content) == (404, b"<!doctype html><title>not-found</title>")
    assert page["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page["Content-Security-Policy"]
    for address, accept in (("/no/such/page", "*/*"), ("/api/v1/nothing", HTML["Accept"])):
        answer = client.get(address, headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_bug_is_a_page_for_a_person(db, error_pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, request: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("config.pages.LoginPage.get", broken)
    client = Client(raise_request_exception=False)

    page = client.get("/login", headers=HTML)

    assert (page.status_code, page.content) == (500, b"<!doctype html><title>server-error</title>")
    assert client.get("/login").json()["status"] == 500


def test_a_database_that_is_away_is_a_page_for_a_person(
    client: Client, db, error_pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Any, request: Any) -> None:
        raise OperationalError("could not connect to secret-host")

    monkeypatch.setattr("config.pages.WorklistPage.get", away)

    page = client.get("/", headers=HTML)

    assert (page.status_code, page.content, page["Retry-After"]) == (503, b"<!doctype html><title>unavailable</title>", "5")
    assert client.get("/").json()["code"] == "system:database_unavailable"


def test_without_the_pages_an_error_is_still_answered(client: Client, db, settings, tmp_path: Path) -> None:
    settings.FRONTEND_DIST = tmp_path / "nothing"

    assert client.get("/no/such/page", headers=HTML).json()["status"] == 404
