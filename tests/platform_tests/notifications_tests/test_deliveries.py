"""Deliveries from the first attempt to the last: signatures, back-off, rest, giving up, replay."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.models import AuditEntry, Site
from jobs.models import Job
from notifications.deliveries import deliveries_claim, delivery_replay, events_sweep, outcome_record, range_replay
from notifications.endpoints import endpoint_delete, endpoint_test, endpoint_update, secret_rotate
from notifications.events import event_publish
from notifications.models import DeliveryAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from notifications.sending import Outcome
from tests.platform_tests.jobs_tests.factories import succeed
from tests.platform_tests.notifications_tests.conftest import Clock, deliver
from tests.platform_tests.notifications_tests.receiver import Got, Receiver, answered, receiving

Make = Callable[..., tuple[WebhookEndpoint, str]]


def verified(secret: str, got: Got) -> Any:
    return Webhook(secret).verify(got.body, got.headers)


def publish(site: Site, count: int = 1) -> None:
    for number in range(count):
        event_publish(site=site, type="batch.completed", data={"batch_id": str(number)})


def test_a_delivery_verifies_with_the_standard_library(make_endpoint: Make, receiver: Receiver, job: Job):
    _, secret = make_endpoint()
    succeed(job)
    assert [outcome.error for outcome in deliver()] == [""]
    (got,) = receiver.got
    assert verified(secret, got)["data"]["job_id"] == str(job.pk)
    assert got.headers["webhook-id"] == str(WebhookEvent.objects.get().pk)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("MammoServe-Webhooks/")
    delivery = WebhookDelivery.objects.get()
    attempt = delivery.attempts.get()
    assert (delivery.state, attempt.status, attempt.error, attempt.answer) == ("delivered", 200, "", "thanks")
    assert got.headers["x-request-id"] == attempt.request_id
    with pytest.raises(WebhookVerificationError):
        verified("whsec_" + "A" * 43 + "=", got)
    assert deliver() == []


def test_both_secrets_sign_during_a_rotation_and_one_after(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    endpoint, old = make_endpoint()
    _, new = secret_rotate(endpoint=endpoint, rotated_by=None)
    publish(site)
    deliver()
    assert len(receiver.got[0].headers["webhook-signature"].split(" ")) == 2
    assert verified(old, receiver.got[0]) == verified(new, receiver.got[0])
    moving_clock.advance(24 * 3600 + 1)
    publish(site)
    deliver()
    late = receiver.got[1]
    assert len(late.headers["webhook-signature"].split(" ")) == 1
    late_at = datetime.datetime.fromtimestamp(int(late.headers["webhook-timestamp"]), datetime.UTC)
    assert Webhook(new).sign(late.headers["webhook-id"], late_at, late.body.decode()) == late.headers["webhook-signature"]


def test_secrets_lie_encrypted(make_endpoint: Make):
    endpoint, secret = make_endpoint()
    assert secret.removeprefix("whsec_") not in endpoint.secret


def test_a_failure_is_tried_again_under_the_same_id_with_the_same_body(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    make_endpoint()
    receiver.answer = answered(500, b"out of order")
    publish(site)
    deliver()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempt_count) == ("pending", 1)
    assert delivery.next_attempt_at <= delivery.created_at + datetime.timedelta(seconds=15)
    moving_clock.advance(20)
    receiver.answer = answered(204, b"")
    deliver()
    first, second = receiver.got
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    delivery.refresh_from_db()
    assert [(row.number, row.status, row.answer) for row in delivery.attempts.order_by("number")] == [
        (1, 500, "out of order"),
        (2, 204, ""),
    ]
    endpoint = WebhookEndpoint.objects.get()
    assert (delivery.state, endpoint.consecutive_failures, endpoint.failing_since) == ("delivered", 0, None)


def test_back_off_grows_with_full_jitter_and_ends_after_three_days(make_endpoint: Make, site: Site, moving_clock: Clock):
    make_endpoint()
    publish(site)
    pauses: list[float] = []
    started = WebhookDelivery.objects.get().created_at
    while WebhookDelivery.objects.get().state == "pending":
        WebhookEndpoint.objects.update(resting_until=None)
        (order,) = deliveries_claim(room=9, room_failing=9)
        outcome_record(order=order, outcome=Outcome(status=None, error="connect_failed"))
        row = WebhookDelivery.objects.get()
        pause = (row.next_attempt_at - moving_clock.now()).total_seconds()
        pauses.append(pause)
        moving_clock.advance(max(pause, 0) + 0.1)
    ceilings = [min(10 * 3**number, 12 * 3600) for number in range(len(pauses))]
    assert all(-1 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))
    assert max(pauses[8:]) > 3600
    assert 10 <= len(pauses) <= 60
    finished = WebhookDelivery.objects.get().finished_at
    assert finished is not None
    assert datetime.timedelta(hours=55) < finished - started <= datetime.timedelta(hours=72)


def test_the_receivers_retry_after_is_respected(make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock):
    make_endpoint()
    receiver.answer = answered(429, b"", Retry_After="1800")
    publish(site)
    deliver()
    moving_clock.advance(1700)
    assert deliver() == []
    moving_clock.advance(200)
    receiver.answer = answered()
    assert [outcome.error for outcome in deliver()] == [""]


def test_an_endpoint_that_keeps_failing_rests_as_a_whole(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    """Forty deliveries wait for a dead receiver: it is asked a few times, not forty."""
    make_endpoint()
    receiver.answer = answered(503, b"")
    publish(site, 40)
    for _ in range(20):
        deliver()
    assert len(receiver.got) <= 8
    receiver.answer = answered()
    moving_clock.advance(400)
    for _ in range(20):
        deliver()
    assert WebhookDelivery.objects.filter(state="delivered").count() == 40


def test_a_failing_endpoint_leaves_the_other_endpoints_places_alone(make_endpoint: Make, receiver: Receiver, site: Site):
    dead, _ = make_endpoint()
    live, _ = make_endpoint()
    publish(site, 10)
    WebhookEndpoint.objects.filter(pk=dead.pk).update(failing_since=datetime.datetime.now(datetime.UTC), consecutive_failures=2)
    orders = deliveries_claim(room=64, room_failing=32)
    taken = [WebhookDelivery.objects.get(pk=order.delivery_id).endpoint_id for order in orders]
    assert (taken.count(live.pk), taken.count(dead.pk)) == (4, 1)
    assert deliveries_claim(room=64, room_failing=32) == []  # their places are taken
    assert receiver.got == []


def test_long_failure_disables_with_a_reason_and_an_audit_entry(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    endpoint, _ = make_endpoint()
    receiver.answer = answered(500, b"")
    publish(site, 2)
    deliver()
    moving_clock.advance(73 * 3600)
    publish(site)
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "failing")
    assert not WebhookDelivery.objects.filter(state="pending").exists()
    entry = AuditEntry.objects.get(action="webhook.disable")
    assert (entry.subject, entry.actor, entry.site, entry.detail["reason"]) == (str(endpoint.pk), None, site, "failing")
    publish(site)
    assert deliver() == []

    receiver.answer = answered()
    endpoint = endpoint_update(endpoint=endpoint, changes={"is_active": True}, changed_by=None)
    assert (endpoint.disabled_reason, endpoint.failing_since) == ("", None)
    since = moving_clock.now() - datetime.timedelta(days=5)
    assert range_replay(endpoint=endpoint, since=since, until=moving_clock.now(), requested_by=None) == 4
    assert [outcome.error for outcome in deliver()] == [""] * 4


def test_gone_means_gone(make_endpoint: Make, receiver: Receiver, site: Site):
    endpoint, _ = make_endpoint()
    receiver.answer = answered(410, b"")
    publish(site)
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "gone")


def test_a_replay_has_the_id_of_what_it_replays(make_endpoint: Make, receiver: Receiver, site: Site):
    make_endpoint()
    publish(site)
    deliver()
    again = delivery_replay(delivery=WebhookDelivery.objects.get(), requested_by=None)
    deliver()
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    again.refresh_from_db()
    assert (again.is_replay, again.state) == (True, "delivered")
    assert AuditEntry.objects.filter(action="webhook.replay").count() == 1


def test_a_span_of_time_is_replayed_once_and_leaves_out_what_was_delivered(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    endpoint, _ = make_endpoint(event_types=["batch.completed"])
    publish(site, 3)
    deliver()
    since, until = moving_clock.now() - datetime.timedelta(hours=1), moving_clock.now() + datetime.timedelta(hours=1)
    given: dict[str, Any] = {"endpoint": endpoint, "since": since, "until": until, "requested_by": None}
    assert range_replay(**given) == 0
    assert range_replay(**given, undelivered_only=False) == 3
    assert range_replay(**given, undelivered_only=False) == 0  # they are on their way
    deliver()
    assert len(receiver.got) == 6
    given["until"] = since
    assert range_replay(**given, undelivered_only=False) == 0


def test_a_ping_goes_to_one_endpoint_whatever_it_subscribes_to(make_endpoint: Make, receiver: Receiver):
    endpoint, secret = make_endpoint(event_types=["job.failed"])
    make_endpoint()
    endpoint_test(endpoint=endpoint, tested_by=None)
    deliver()
    (got,) = receiver.got
    assert verified(secret, got)["type"] == "webhook.ping"


def test_a_claim_that_was_lost_is_sent_again_and_a_late_outcome_harms_nobody(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    make_endpoint()
    publish(site)
    (lost,) = deliveries_claim(room=9, room_failing=9)
    assert deliver() == []
    moving_clock.advance(21)
    assert [outcome.error for outcome in deliver()] == [""]
    outcome_record(order=lost, outcome=Outcome(status=500, error="status"))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempt_count) == ("delivered", 2)
    assert lost.headers["webhook-id"] == receiver.got[0].headers["webhook-id"]


def test_a_removed_endpoint_gets_nothing_and_goes_for_good_later(
    make_endpoint: Make, receiver: Receiver, site: Site, moving_clock: Clock
):
    endpoint, _ = make_endpoint()
    publish(site)
    (order,) = deliveries_claim(room=9, room_failing=9)
    publish(site)
    endpoint_delete(endpoint=endpoint, deleted_by=None)
    assert deliver() == []
    events_sweep()
    assert WebhookEndpoint.objects.exists()
    moving_clock.advance(3601)
    events_sweep()
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    outcome_record(order=order, outcome=Outcome(status=200))
    assert not DeliveryAttempt.objects.exists()


def test_old_events_are_forgotten_unless_one_still_waits(make_endpoint: Make, site: Site, moving_clock: Clock):
    make_endpoint()
    publish(site, 2)
    deliver()
    waiting = WebhookDelivery.objects.order_by("created_at").first()
    assert waiting is not None
    WebhookDelivery.objects.filter(pk=waiting.pk).update(state="pending")
    moving_clock.advance(31 * 24 * 3600)
    assert events_sweep() == 1
    assert WebhookEvent.objects.get().pk == waiting.event_id


def test_a_secret_that_cannot_be_read_stops_the_endpoint_and_no_other(make_endpoint: Make, receiver: Receiver, site: Site):
    broken, _ = make_endpoint()
    make_endpoint()
    WebhookEndpoint.objects.filter(pk=broken.pk).update(secret="gAAAAAnonsense")
    publish(site)
    assert [outcome.error for outcome in deliver()] == [""]
    broken.refresh_from_db()
    assert (broken.is_active, broken.disabled_reason) == (False, "secret_unreadable")


def test_an_address_is_checked_at_every_delivery(make_endpoint: Make, receiver: Receiver, site: Site, settings: Any):
    make_endpoint()
    settings.WEBHOOKS_ALLOWED_NETWORKS = []
    publish(site)
    assert [outcome.error for outcome in deliver()] == ["address_refused"]
    assert receiver.got == []


def test_credentials_of_one_receiver_never_reach_another(make_endpoint: Make, receiver: Receiver, site: Site):
    make_endpoint()
    receiver.answer = answered(200, b"", Set_Cookie="session=theirs; Path=/")
    with receiving() as other:
        make_endpoint(url=other.url())
        publish(site, 2)
        deliver()
        assert all("cookie" not in got.headers for got in [*receiver.got, *other.got])
        assert (len(receiver.got), len(other.got)) == (2, 2)
