"""Request ids and the headers that restrict a browser."""

from __future__ import annotations

import logging

import pytest
from django.test import Client


def test_a_plain_request_id_is_kept_and_returned(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "trace-12345"})["X-Request-ID"] == "trace-12345"


@pytest.mark.parametrize("given", ["short", "x" * 65, "bad id with spaces", "line\tbreak-----"])
def test_any_other_request_id_is_replaced(client: Client, given: str) -> None:
    answered = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]

    assert answered != given
    assert len(answered) == 32


def test_every_answer_restricts_the_browser(client: Client, db) -> None:
    for address in ("/healthz", "/api/v1/session", "/nothing"):
        response = client.get(address)
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert "camera=()" in response["Permissions-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"


def test_a_request_is_logged_by_route_without_its_query(client: Client, db, caplog) -> None:
    with caplog.at_level(logging.INFO, "mammoserve.request"):
        client.get("/api/v1/session?external_id=ACC-7")

    logged = str([record.msg for record in caplog.records])
    assert "api/v1/session" in logged
    assert "ACC-7" not in logged


def test_what_a_sender_writes_into_an_address_is_not_logged(db: None, caplog: pytest.LogCaptureFixture) -> None:
    for address in ("/api/v1/studies/Roe%5EJane", "/api/v1/jobs?external_id=Roe%5EJane", "/Roe%5EJane?Roe"):
        assert Client().get(address).status_code in (401, 404)

    assert "Roe" not in caplog.text
