from __future__ import annotations

import datetime
import io
import socket

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Role, Site, User
from jobs.models import WorkerStatus

pytestmark = pytest.mark.django_db


def create_site(slug: str, administrator: str) -> str:
    output = io.StringIO()
    call_command("create_site", slug, name="Northern Hospital", administrator=administrator, stdout=output)
    return output.getvalue().strip()


def test_a_new_site_has_an_administrator_who_can_sign_in_with_the_printed_password() -> None:
    password = create_site("north", "anna")
    anna = User.objects.get(username="anna")
    assert anna.check_password(password)
    assert anna.site is not None
    assert (anna.site.slug, anna.role) == ("north", Role.ADMINISTRATOR)


def test_a_taken_username_leaves_no_half_made_site() -> None:
    create_site("north", "anna")
    with pytest.raises(CommandError):
        create_site("south", "anna")
    assert list(Site.objects.values_list("slug", flat=True)) == ["north"]


@pytest.mark.parametrize(("age_seconds", "alive"), [(1, True), (3600, False)])
def test_a_loop_is_alive_while_it_writes_its_heartbeat(age_seconds: int, alive: bool) -> None:
    seen = timezone.now() - datetime.timedelta(seconds=age_seconds)
    WorkerStatus.objects.create(name=f"ledger@{socket.gethostname()}", kind="ledger", last_seen_at=seen)
    if alive:
        call_command("check_alive", "ledger", stdout=io.StringIO())
    else:
        with pytest.raises(CommandError, match=r"silent for 36\d\d s"):
            call_command("check_alive", "ledger")


def test_a_loop_on_another_host_does_not_answer_for_this_one() -> None:
    WorkerStatus.objects.create(name="ledger@elsewhere", kind="ledger", last_seen_at=timezone.now())
    with pytest.raises(CommandError, match="no ledger of this host"):
        call_command("check_alive", "ledger")
