"""ETag and 304."""

from __future__ import annotations

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from common.conditional import conditional_response, etag_for


def _request(if_none_match: str | None = None) -> Request:
    headers = {"If-None-Match": if_none_match} if if_none_match else {}
    return Request(APIRequestFactory().get("/", headers=headers))


def test_the_same_parts_give_the_same_weak_tag_and_their_borders_count() -> None:
    assert etag_for("a", 1) == etag_for("a", 1)
    assert etag_for("a", 1).startswith('W/"')
    assert etag_for("ab", "c") != etag_for("a", "bc")


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*"])
def test_a_known_state_is_304_and_the_answer_is_not_built(form: str) -> None:
    etag = etag_for("state")

    response = conditional_response(
        _request(form.format(etag)), etag=etag, build=lambda: pytest.fail("built"), headers={"Retry-After": "2"}
    )

    assert (response.status_code, response["ETag"], response["Retry-After"]) == (304, etag, "2")
    assert response.data is None


def test_a_strong_spelling_of_the_tag_matches_weakly() -> None:
    etag = etag_for("state")

    assert conditional_response(_request(etag.removeprefix("W/")), etag=etag, build=dict).status_code == 304


@pytest.mark.parametrize("given", [None, 'W/"other"', "nonsense"])
def test_another_state_is_200_with_the_answer(given: str | None) -> None:
    response = conditional_response(_request(given), etag=etag_for("state"), build=lambda: {"a": 1})

    assert (response.status_code, response.data) == (200, {"a": 1})
    assert response["Cache-Control"] == "private, no-cache"
