"""Webhooks over HTTP and on the command line."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Role, Site, User
from accounts.services import user_create
from notifications.api import serializers as shapes
from notifications.events import event_publish
from notifications.models import WebhookDelivery, WebhookEndpoint
from tests.platform_tests.jobs_tests.factories import shape_of
from tests.platform_tests.notifications_tests.conftest import deliver
from tests.platform_tests.notifications_tests.receiver import Receiver
from tests.platform_tests.notifications_tests.test_deliveries import verified

WEBHOOKS = "/api/v1/webhooks"


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


@pytest.fixture
def webhook(admin_api: APIClient, receiver: Receiver) -> dict[str, Any]:
    answer = admin_api.post(WEBHOOKS, {"url": receiver.url(), "description": "records"})
    assert answer.status_code == 201, answer.json()
    document: dict[str, Any] = answer.json()
    return document


def test_a_webhook_is_set_up_and_its_secret_shown_once(admin_api: APIClient, webhook: dict[str, Any], site: Site):
    assert webhook["secret"].startswith("whsec_")
    assert set(webhook) == shape_of(shapes.WebhookWithSecretSerializer())
    one = admin_api.get(f"{WEBHOOKS}/{webhook['id']}")
    assert set(one.json()) == shape_of(shapes.WebhookSerializer())
    assert webhook["secret"] not in one.content.decode()
    assert admin_api.get(WEBHOOKS).json()["results"] == [one.json()]
    assert admin_api.get(WEBHOOKS, HTTP_IF_NONE_MATCH=admin_api.get(WEBHOOKS)["ETag"]).status_code == 304
    entry = AuditEntry.objects.get(action="webhook.create")
    assert (entry.subject, entry.site, entry.detail) == (webhook["id"], site, {"host": "127.0.0.1", "event_types": []})


def test_the_same_key_sets_up_one_webhook(admin_api: APIClient, receiver: Receiver):
    first, second = (admin_api.post(WEBHOOKS, {"url": receiver.url()}, HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2))
    assert second.json() == first.json()
    assert second["Location"] == f"{WEBHOOKS}/{first.json()['id']}"
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "input:invalid_field"),
        ({"url": "x" * 501}, 400, "input:invalid_field"),
        ({"url": "https://10.0.0.1/"}, 422, "input:webhook_address_refused"),
        ({"url": "ftp://127.0.0.1/"}, 422, "input:webhook_address_refused"),
        ({"url": "http://127.0.0.1/", "event_types": ["job.exploded"]}, 400, "input:invalid_field"),
        ({"url": "http://127.0.0.1/", "event_types": "job.failed"}, 400, "input:invalid_field"),
    ],
)
def test_what_cannot_be_is_refused_with_a_code(admin_api: APIClient, body: dict[str, Any], status: int, code: str):
    answer = admin_api.post(WEBHOOKS, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not WebhookEndpoint.objects.exists()


def test_a_site_has_so_many_and_no_more(admin_api: APIClient, receiver: Receiver, settings: Any):
    settings.WEBHOOKS_MAX_PER_SITE = 1
    assert admin_api.post(WEBHOOKS, {"url": receiver.url()}).status_code == 201
    answer = admin_api.post(WEBHOOKS, {"url": receiver.url()})
    assert (answer.status_code, answer.json()["code"]) == (409, "input:too_many_webhooks")


def test_a_webhook_changes_and_goes(admin_api: APIClient, webhook: dict[str, Any], receiver: Receiver):
    address = f"{WEBHOOKS}/{webhook['id']}"
    changed = admin_api.patch(address, {"event_types": ["job.failed"], "is_active": False, "url": receiver.url(path="/b")})
    assert (changed.json()["event_types"], changed.json()["is_active"]) == (["job.failed"], False)
    assert changed.json()["url"].endswith("/b")
    assert admin_api.patch(address, {"url": "https://10.0.0.1/"}).status_code == 422
    assert admin_api.post(f"{address}/test").json()["code"] == "input:webhook_inactive"
    assert admin_api.delete(address).status_code == 204
    assert [admin_api.generic(method, address).status_code for method in ("GET", "DELETE")] == [404, 404]
    assert admin_api.get(WEBHOOKS).json() == {"results": []}
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["webhook.create", "webhook.update", "webhook.delete"]


def test_rotation_gives_a_secret_that_signs(admin_api: APIClient, webhook: dict[str, Any], receiver: Receiver):
    rotated = admin_api.post(f"{WEBHOOKS}/{webhook['id']}/rotate").json()
    assert rotated["secret"] != webhook["secret"]
    assert rotated["previous_secret_until"] is not None
    admin_api.post(f"{WEBHOOKS}/{webhook['id']}/test")
    deliver()
    for secret in (webhook["secret"], rotated["secret"]):
        assert verified(secret, receiver.got[0])["type"] == "webhook.ping"


def test_the_log_tells_what_was_sent_and_what_came_back(admin_api: APIClient, webhook: dict[str, Any], receiver: Receiver):
    sent = admin_api.post(f"{WEBHOOKS}/{webhook['id']}/test")
    assert (sent.status_code, sent.json()["state"], sent.json()["attempts"]) == (202, "pending", [])
    deliver()
    (row,) = admin_api.get(f"{WEBHOOKS}/{webhook['id']}/deliveries").json()["results"]
    assert set(row) == shape_of(shapes.DeliverySerializer())
    assert set(row["attempts"][0]) == shape_of(shapes.AttemptSerializer())
    assert (row["state"], row["event_type"], row["payload"]) == ("delivered", "webhook.ping", receiver.got[0].body.decode())
    assert (row["attempts"][0]["status"], row["attempts"][0]["answer"]) == (200, "thanks")
    states = [
        len(admin_api.get(f"{WEBHOOKS}/{webhook['id']}/deliveries?state={state}").json()["results"])
        for state in ("failed", "delivered")
    ]
    assert states == [0, 1]
    replayed = admin_api.post(f"{WEBHOOKS}/deliveries/{row['id']}/replay")
    assert (replayed.status_code, replayed.json()["event_id"], replayed.json()["is_replay"]) == (202, row["event_id"], True)


def test_a_span_of_time_over_http(admin_api: APIClient, webhook: dict[str, Any], site: Site):
    event_publish(site=site, type="batch.completed", data={"batch_id": "1"})
    deliver()
    now = datetime.datetime.now(datetime.UTC)
    span = {"since": (now - datetime.timedelta(hours=1)).isoformat(), "until": now.isoformat()}
    address = f"{WEBHOOKS}/{webhook['id']}/replay"
    assert admin_api.post(address, {**span, "undelivered_only": False}).json() == {"events": 1}
    assert admin_api.post(address, {"since": span["until"], "until": span["since"]}).status_code == 400


@pytest.mark.parametrize("who", ["submitter", "reader"])
def test_webhooks_are_for_administrators(who: str, webhook: dict[str, Any], request: pytest.FixtureRequest, client_of: Any):
    client = client_of(request.getfixturevalue(who))
    one = f"{WEBHOOKS}/{webhook['id']}"
    for method, address in (("GET", WEBHOOKS), ("POST", WEBHOOKS), ("GET", one), ("DELETE", one), ("POST", f"{one}/rotate")):
        assert client.generic(method, address).status_code == 403


def test_another_sites_webhooks_do_not_exist(
    admin_api: APIClient, webhook: dict[str, Any], other_site: Site, client_of: Callable[[User], APIClient]
):
    admin_api.post(f"{WEBHOOKS}/{webhook['id']}/test")
    delivery = WebhookDelivery.objects.get()
    stranger = client_of(user_create(site=other_site, username="other-admin", password=None, role=Role.ADMINISTRATOR))
    one = f"{WEBHOOKS}/{webhook['id']}"
    assert stranger.get(WEBHOOKS).json() == {"results": []}
    for method, address in (
        ("GET", one),
        ("PATCH", one),
        ("DELETE", one),
        ("POST", f"{one}/rotate"),
        ("POST", f"{one}/test"),
        ("GET", f"{one}/deliveries"),
        ("POST", f"{one}/replay"),
        ("POST", f"{WEBHOOKS}/deliveries/{delivery.pk}/replay"),
    ):
        assert stranger.generic(method, address).status_code == 404, address


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("webhook", *words, stdout=out)
    return out.getvalue().strip()


def test_the_command_line_does_all_of_it(site: Site, receiver: Receiver):
    made = json.loads(command("add", receiver.url(), "--site", "north", "--event", "batch.completed", "--json"))
    assert json.loads(command("list", "--site", "north", "--json"))["event_types"] == ["batch.completed"]
    assert made["id"] in command("list")
    delivery = command("test", made["id"]).rpartition(" ")[2]
    deliver()
    assert verified(made["secret"], receiver.got[0])["type"] == "webhook.ping"
    secret = command("rotate", made["id"])
    command("replay", "--delivery", delivery)
    deliver()
    assert verified(secret, receiver.got[1])["type"] == "webhook.ping"
    event_publish(site=site, type="batch.completed", data={"batch_id": "1"})
    deliver()
    assert command("replay", made["id"], "--since", "2020-01-01T00:00:00Z", "--all") == "1 events are on their way again"
    with pytest.raises(CommandError, match="input:webhook_address_refused"):
        command("add", "https://10.0.0.1/", "--site", "north")
    with pytest.raises(CommandError, match="input:unknown_event_type"):
        command("add", receiver.url(), "--site", "north", "--event", "nothing")
    with pytest.raises(CommandError, match="no moment"):
        command("replay", made["id"], "--since", "yesterday")
