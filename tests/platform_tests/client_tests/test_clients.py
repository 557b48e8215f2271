"""The two clients say the same, refuse the same, and never send a token where it does not belong."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable

import httpx
import pytest

from mammoserve_client import ApiProblem, AsyncClient, Client, Incomplete, MammoServeError, RetryPolicy

QUICK = RetryPolicy(attempts=3, first_seconds=0.001, longest_seconds=0.002)
COUNTS = dict.fromkeys(("total", "pending", "queued", "running", "succeeded", "failed", "cancelled", "quarantined"), 0)
BATCH = {"id": "b", "state": "open", "request_counts": COUNTS, "a_field_of_tomorrow": 1}


def public(kind: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(member) for name, member in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://localhost", "secret", policy=QUICK, transport=httpx.MockTransport(answer))


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    assert {name: signature.parameters for name, signature in public(Client).items()} == {
        name: signature.parameters for name, signature in public(AsyncClient).items()
    }


def test_a_post_that_is_sent_again_carries_the_same_key() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(503) if len(keys) < 3 else httpx.Response(202, json=BATCH)

    assert client_of(answer).batch_create().document["a_field_of_tomorrow"] == 1
    assert (len(keys), len(set(keys))) == (3, 1)


def test_a_refusal_is_raised_with_its_code_and_what_to_do_and_not_sent_again() -> None:
    sent: list[httpx.Request] = []
    problem = {
        "code": "input:invalid_field", "title": "Invalid", "detail": "One item is wrong.", "action": "Mend it.",
        "errors": [{"field": "items[3].custom_id", "message": "used twice"}],
    }  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(400, json=problem)

    with pytest.raises(ApiProblem) as caught:
        client_of(answer).batch_create(items=[{}])
    assert (caught.value.code, caught.value.status, len(sent)) == ("input:invalid_field", 400, 1)
    assert str(caught.value) == "input:invalid_field: One item is wrong. (items[3].custom_id: used twice) Mend it."


def test_too_many_requests_wait_as_long_as_the_server_says_and_then_tell() -> None:
    with pytest.raises(ApiProblem) as caught:
        client_of(lambda request: httpx.Response(429, headers={"Retry-After": "0"}, json={"code": "request:rate_limited"})).batch(
            "b"
        )
    assert (caught.value.code, caught.value.retry_after_seconds) == ("request:rate_limited", 0.0)
    assert RetryPolicy().delay_seconds(attempt=1, retry_after_seconds=30) >= 30


def test_a_page_of_a_proxy_is_no_answer() -> None:
    with pytest.raises(Incomplete, match="no JSON"):
        client_of(lambda request: httpx.Response(200, text="<html>Log in</html>")).batch("b")
    with pytest.raises(Incomplete, match="request_counts"):
        client_of(lambda request: httpx.Response(200, json={"id": "b", "state": "open"})).batch("b")


def test_results_that_break_off_are_noticed() -> None:
    line = json.dumps({"custom_id": "a", "position": 0, "status": "succeeded"})
    client = client_of(lambda request: httpx.Response(200, text=line + "\n" + line[:20]))
    with pytest.raises(Incomplete, match="broke off"):
        list(client.batch_results("b"))


def test_polling_asks_with_the_tag_and_stops_at_the_end() -> None:
    answers = [
        httpx.Response(200, json=BATCH, headers={"ETag": '"1"', "Retry-After": "0.001"}),
        httpx.Response(304, headers={"Retry-After": "0.001"}),
        httpx.Response(200, json={**BATCH, "state": "completed"}),
    ]
    tags: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tags.append(request.headers.get("If-None-Match"))
        return answers[len(tags) - 1]

    seen: list[str] = []
    assert client_of(answer).batch_wait("b", on_update=lambda batch: seen.append(batch.state)).has_ended
    assert (tags, seen) == ([None, '"1"', '"1"'], ["open", "completed"])


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with pytest.raises(ApiProblem) as caught:
        client_of(lambda request: httpx.Response(302, headers={"Location": "https://evil.example"})).batch("b")
    assert caught.value.code == "http:302"


@pytest.mark.parametrize("url", ["ftp://host", "host:8000", "http://hospital.example"])
def test_an_address_that_would_leak_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(MammoServeError):
        Client(url, "secret")
