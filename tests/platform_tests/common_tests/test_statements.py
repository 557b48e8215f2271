"""Statements written once give what the queryset gives, anew each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiToken, Site, User
from accounts.services import token_issue
from common.statements import FoundByValue

TOKENS = FoundByValue(lambda given: ApiToken.objects.select_related("user__site").filter(token_hash=given), example="?")


def _values(row: User | Site | ApiToken) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.django_db
def test_the_object_is_the_querysets_with_what_it_belongs_to_in_one_query(submitter: User) -> None:
    expected, _ = token_issue(user=submitter, name="tests")
    expected.refresh_from_db()
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            found = TOKENS.first(expected.token_hash)
            assert found is not None
            assert found.user.site is not None
            told = _values(found), _values(found.user), _values(found.user.site)
        assert len(queries) == 1
        owner = User.objects.get(pk=submitter.pk)
        assert told == (_values(expected), _values(owner), _values(Site.objects.get(slug="north")))
    expected.name = "another"
    expected.save()
    changed = TOKENS.first(expected.token_hash)
    assert changed is not None
    assert changed.name == "another"


@pytest.mark.django_db
def test_nothing_and_an_outer_row_that_is_missing(submitter: User) -> None:
    assert TOKENS.first("nobody's") is None
    people = FoundByValue(lambda key: User.objects.select_related("site").filter(pk=key), example=-1)
    User.objects.filter(pk=submitter.pk).update(site=None)
    found = people.first(submitter.pk)
    assert found is not None
    assert found.site is None


@pytest.mark.django_db(transaction=True)
def test_threads_share_the_statement_and_not_the_connection(submitter: User) -> None:
    expected, _ = token_issue(user=submitter, name="tests")

    def find(_: int) -> object:
        try:
            found = TOKENS.first(expected.token_hash)
            return found and (found.pk, found.created_at)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(find, range(16))) == {(expected.pk, expected.created_at)}


@pytest.mark.django_db
def test_an_example_that_stands_twice_is_refused() -> None:
    twice = FoundByValue(lambda given: ApiToken.objects.filter(token_hash=given, prefix=given), example="?")
    with pytest.raises(ValueError, match="once"):
        twice.first("x")
