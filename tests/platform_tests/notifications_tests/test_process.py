"""`manage.py run_webhooks` as it runs in service: a process of its own, real receivers, the tests' own database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Site
from common import clock
from notifications.endpoints import endpoint_create
from notifications.events import event_publish
from notifications.models import DeliveryAttempt, WebhookDelivery
from tests.platform_tests.jobs_tests.test_ledger_process import PLATFORM, database_url, wait_until
from tests.platform_tests.notifications_tests.receiver import Receiver, answered, receiving, silent
from tests.platform_tests.notifications_tests.test_deliveries import verified

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

ATTEMPT_SECONDS = 60
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start_webhooks(settings: Any, tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "PYTHONPATH": f"{PLATFORM}{os.pathsep}{PLATFORM.parent}",
        "SECRET_KEY": settings.SECRET_KEY,
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(),
        "WEBHOOKS_ALLOW_HTTP": "1",
        "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
        "WEBHOOKS_PORTS": "",
        "WEBHOOKS_TIMEOUT_SECONDS": str(ATTEMPT_SECONDS),
    }

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, str(PLATFORM / "manage.py"), "run_webhooks"]
        with (tmp_path / "webhooks.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def publish(site: Site, count: int) -> None:
    for number in range(count):
        event_publish(site=site, type="batch.completed", data={"batch_id": str(number)})


def test_dead_receivers_beside_a_live_one_cost_it_nothing(site: Site, receiver: Receiver, start_webhooks: Start):
    _, secret = endpoint_create(site=site, url=receiver.url(), created_by=None)
    with receiving(silent(2 * ATTEMPT_SECONDS)) as dead, receiving(silent(2 * ATTEMPT_SECONDS)) as another:
        for silent_one in (dead, another):
            endpoint_create(site=site, url=silent_one.url(), created_by=None)
        process = start_webhooks()
        publish(site, 30)
        dead.wait(1)
        assert len(receiver.wait(30, seconds=ATTEMPT_SECONDS - 10)) == 30  # before a single attempt at a dead one has ended
        wait_until(lambda: WebhookDelivery.objects.filter(state="delivered").count() == 30, what="the live one's deliveries")
        assert len({verified(secret, got)["data"]["batch_id"] for got in receiver.got}) == 30
        assert not WebhookDelivery.objects.filter(state="delivered").exclude(endpoint__url=receiver.url()).exists()
        assert len(dead.got) <= 4
        call_command("check_alive", "webhooks")
        process.terminate()
        assert process.wait(15) == 0


def test_a_killed_process_is_replaced_and_the_delivery_comes_under_the_same_id(
    site: Site, receiver: Receiver, start_webhooks: Start, tmp_path: Path
):
    _, secret = endpoint_create(site=site, url=receiver.url(), created_by=None)
    receiver.answer = silent(60)
    publish(site, 1)
    first = start_webhooks()
    receiver.wait(1)
    first.kill()
    first.wait()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempt_count) == ("pending", 0)
    assert row.lease_until is not None
    assert row.lease_until > clock.now()
    receiver.answer = answered()
    WebhookDelivery.objects.update(lease_until=clock.now())  # twenty seconds have passed
    second = start_webhooks()
    receiver.wait(2)
    wait_until(lambda: WebhookDelivery.objects.filter(state="delivered").exists(), what="the outcome")
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]
    assert receiver.got[0].body == receiver.got[1].body
    assert verified(secret, receiver.got[1])["type"] == "batch.completed"
    second.terminate()
    assert second.wait(15) == 0
    assert DeliveryAttempt.objects.count() == 1
    assert receiver.url() not in (tmp_path / "webhooks.log").read_text()
