"""`manage.py issue_token`: the token and nothing else."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiToken, Role, User


def _issue(**options: str) -> str:
    out = io.StringIO()
    call_command("issue_token", stdout=out, **options)
    return out.getvalue()


def test_the_token_alone_is_printed_and_belongs_to_the_sites_machine_user(site) -> None:
    first = _issue(site="north", name="scanner")
    second = _issue(site="north", name="archive")

    assert first.count("\n") == 1
    assert first.startswith("ms_")
    assert first != second
    machine = User.objects.get()
    assert (machine.username, machine.role, machine.has_usable_password()) == ("north-machine", Role.SUBMITTER, False)
    assert set(ApiToken.objects.values_list("name", flat=True)) == {"scanner", "archive"}


def test_a_named_user_owns_the_token(reader) -> None:
    _issue(site="north", name="desk", user="reader")

    assert ApiToken.objects.get().user == reader


@pytest.mark.parametrize(("slug", "user"), [("nowhere", None), ("north", "nobody"), ("north", "stranger")])
def test_an_unknown_site_or_user_is_an_error(site, other_submitter, slug, user) -> None:
    with pytest.raises(CommandError):
        _issue(name="x", site=slug, user=user)

    assert ApiToken.objects.count() == 0
