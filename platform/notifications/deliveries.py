"""Which delivery is sent when, and what its outcome means: claims, back-off, rest, giving up, disabling, replay.

Knows no network. Every claim has a lease: a process that is killed leaves its deliveries to the next one, under the same
webhook-id, so a receiver gets everything at least once. Any number of processes may run.
"""

from __future__ import annotations

import datetime
import random
import uuid

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.audit import audit_record
from accounts.models import User
from common import clock
from common.encryption import Undecryptable
from inference_worker.contract.failures import CodedError
from jobs.changes import plain_text
from notifications.endpoints import active_required
from notifications.event_types import PING
from notifications.events import delivery_new, wants
from notifications.models import DeliveryAttempt, DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from notifications.sending import AttemptOrder, Outcome
from notifications.signing import headers_signed, secrets_of

#: In flight at once: for an endpoint that answers, and for one that does not.
_PER_ENDPOINT = 4
_PER_FAILING_ENDPOINT = 1
_BACK_OFF_FIRST_SECONDS = 10.0
_BACK_OFF_FACTOR = 3.0
_BACK_OFF_MAXIMUM_SECONDS = 12 * 3600.0
#: From this many failures on the endpoint as a whole rests, however many deliveries wait for it.
_RESTS_AFTER_FAILURES = 3
_REST_FIRST_SECONDS = 5.0
_REST_MAXIMUM_SECONDS = 300.0
_LEASE_MARGIN_SECONDS = 5.0
_REPLAY_MAXIMUM = 10_000
_SWEPT_AT_ONCE = 2_000
_REMOVED_KEPT = datetime.timedelta(hours=1)
_HTTP_GONE = 410


def deliveries_claim(*, room: int, room_failing: int) -> list[AttemptOrder]:
    """What may be sent now, oldest first for each endpoint, at most `room` in all, `room_failing` of them to failing endpoints.

    An endpoint that answers slowly or not at all holds its own few places and nobody else's.
    """
    now = clock.now()
    found = list(_endpoints_due(now))  # read without a lock: most of the time there is nothing to do
    if not found or room <= 0:
        return []
    orders: list[AttemptOrder] = []
    with transaction.atomic():
        for endpoint in found:
            is_failing = endpoint.failing_since is not None
            places = (_PER_FAILING_ENDPOINT if is_failing else _PER_ENDPOINT) - _in_flight(endpoint, now)
            places = min(places, room - len(orders), room_failing if is_failing else room)
            if places <= 0:
                continue
            taken = _endpoint_claim(endpoint, places, now)
            if is_failing:
                room_failing -= len(taken)
            orders += taken
    return orders


def _endpoints_due(now: datetime.datetime) -> QuerySet[WebhookEndpoint]:
    due = WebhookDelivery.objects.filter(_due(now), endpoint=OuterRef("pk"))
    rested = Q(resting_until=None) | Q(resting_until__lte=now)
    # Healthy ones first, so that failing ones never take the last places.
    return WebhookEndpoint.objects.filter(rested, Exists(due), is_active=True).order_by("consecutive_failures", "?")


def _due(now: datetime.datetime) -> Q:
    return Q(state=DeliveryState.PENDING, next_attempt_at__lte=now) & (Q(lease_until=None) | Q(lease_until__lte=now))


def _in_flight(endpoint: WebhookEndpoint, now: datetime.datetime) -> int:
    return WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING, lease_until__gt=now).count()


def _endpoint_claim(endpoint: WebhookEndpoint, places: int, now: datetime.datetime) -> list[AttemptOrder]:
    rows = list(
        WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(_due(now), endpoint=endpoint)
        .select_related("event")
        .order_by("next_attempt_at", "created_at")[:places]
    )
    if not rows:
        return []
    try:
        valid = secrets_of(endpoint, now=now)
    except Undecryptable:
        endpoint_disable(endpoint=endpoint, reason="secret_unreadable")
        return []
    orders = []
    for row in rows:
        row.claim = uuid.uuid4().hex
        row.lease_until = now + datetime.timedelta(seconds=settings.WEBHOOKS_TIMEOUT_SECONDS + _LEASE_MARGIN_SECONDS)
        request_id = uuid.uuid4().hex
        headers = headers_signed(
            message_id=str(row.event_id), body=row.event.body, secrets_valid=valid, at=now, request_id=request_id
        )
        orders.append(AttemptOrder(row.pk, row.claim, request_id, endpoint.url, headers, row.event.body.encode()))
    WebhookDelivery.objects.bulk_update(rows, ["claim", "lease_until"])
    return orders


def outcome_record(*, order: AttemptOrder, outcome: Outcome) -> None:
    """Write down what an attempt brought, and what follows from it. A delivery that is gone, with its endpoint, is no error."""
    now = clock.now()
    with transaction.atomic():
        # Endpoint before delivery, always in this order: two processes never wait for one another in a circle. Without the key,
        # so that the ledger, which writes rows that point to it, waits for nobody here.
        endpoint = (
            WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",)).filter(deliveries=order.delivery_id).first()
        )
        if endpoint is None:
            return
        row = WebhookDelivery.objects.select_for_update(no_key=True).get(pk=order.delivery_id)
        row.attempt_count += 1
        DeliveryAttempt.objects.create(
            delivery=row,
            number=row.attempt_count,
            request_id=order.request_id,
            at=now,
            status=outcome.status,
            error=outcome.error,
            elapsed_seconds=outcome.elapsed_seconds,
            answer=plain_text(outcome.answer, 500),
        )
        if row.claim == order.claim:
            row.claim, row.lease_until = "", None
        if row.state == DeliveryState.PENDING:
            if not outcome.error:
                row.state, row.finished_at = DeliveryState.DELIVERED, now
            else:
                _postpone(row, outcome, now)
        row.save()
        if outcome.error:
            _endpoint_failed(endpoint, outcome, now)
        else:
            _endpoint_succeeded(endpoint, now)


def _postpone(row: WebhookDelivery, outcome: Outcome, now: datetime.datetime) -> None:
    """Exponential back-off with full jitter, not before the receiver's Retry-After; after WEBHOOKS_RETRY_HOURS it has failed."""
    ceiling = min(_BACK_OFF_FIRST_SECONDS * _BACK_OFF_FACTOR ** min(row.attempt_count - 1, 20), _BACK_OFF_MAXIMUM_SECONDS)
    pause = random.uniform(0, ceiling)  # noqa: S311 - spreads load, keeps no secret
    row.next_attempt_at = now + datetime.timedelta(seconds=max(pause, outcome.retry_after_seconds or 0.0))
    if row.next_attempt_at > row.created_at + datetime.timedelta(hours=settings.WEBHOOKS_RETRY_HOURS):
        row.state, row.finished_at = DeliveryState.FAILED, now


def _endpoint_succeeded(endpoint: WebhookEndpoint, now: datetime.datetime) -> None:
    endpoint.last_success_at = now
    endpoint.failing_since, endpoint.resting_until, endpoint.consecutive_failures = None, None, 0
    endpoint.save(update_fields=["last_success_at", "failing_since", "resting_until", "consecutive_failures"])


def _endpoint_failed(endpoint: WebhookEndpoint, outcome: Outcome, now: datetime.datetime) -> None:
    endpoint.consecutive_failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    over = endpoint.consecutive_failures - _RESTS_AFTER_FAILURES
    if over >= 0:
        ceiling = min(_REST_FIRST_SECONDS * 2.0 ** min(over, 20), _REST_MAXIMUM_SECONDS)
        rest = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, keeps no secret
        endpoint.resting_until = now + datetime.timedelta(seconds=rest)
    endpoint.save(update_fields=["consecutive_failures", "failing_since", "resting_until"])
    failing_for = now - endpoint.failing_since
    if outcome.status == _HTTP_GONE:
        endpoint_disable(endpoint=endpoint, reason="gone")
    elif failing_for >= datetime.timedelta(hours=settings.WEBHOOKS_DISABLE_AFTER_HOURS):
        endpoint_disable(endpoint=endpoint, reason="failing")


def endpoint_disable(*, endpoint: WebhookEndpoint, reason: str) -> None:
    """The platform gives up on an endpoint, says why, and ends what waits for it. A person can switch it on and replay."""
    now = clock.now()
    changed = WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=True).update(
        is_active=False, disabled_at=now, disabled_reason=str(reason)
    )
    if not changed:
        return
    ended = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING).update(
        state=DeliveryState.FAILED, finished_at=now
    )
    since = endpoint.failing_since.isoformat() if endpoint.failing_since else None
    audit_record(
        actor=None,
        action="webhook.disable",
        subject=str(endpoint.pk),
        site=endpoint.site,
        reason=str(reason),
        failing_since=since,
        deliveries_ended=ended,
    )


# ── Replay ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def delivery_replay(*, delivery: WebhookDelivery, requested_by: User | None) -> WebhookDelivery:
    """Send an event to its endpoint again, under its own webhook-id. Raises CodedError while the endpoint is switched off."""
    active_required(delivery.endpoint)
    with transaction.atomic():
        again = delivery_new(endpoint=delivery.endpoint, event=delivery.event, now=clock.now(), is_replay=True)
        again.save()
        _replay_audit(delivery.endpoint, requested_by, delivery=str(delivery.pk))
    return again


def range_replay(
    *,
    endpoint: WebhookEndpoint,
    since: datetime.datetime,
    until: datetime.datetime,
    requested_by: User | None,
    undelivered_only: bool = True,
) -> int:
    """Send every event between two moments that the endpoint subscribes to, also those from while it was off; returns how many.

    Events that are on their way to it are left alone. Raises CodedError for more than 10 000 events at once.
    """
    active_required(endpoint)
    with transaction.atomic():
        mine = WebhookDelivery.objects.filter(endpoint=endpoint, event=OuterRef("pk"))
        left_out = [DeliveryState.PENDING] + ([DeliveryState.DELIVERED] if undelivered_only else [])
        rows = WebhookEvent.objects.filter(
            ~Exists(mine.filter(state__in=left_out)), site_id=endpoint.site_id, created_at__gte=since, created_at__lte=until
        )
        rows = rows.exclude(type=PING).order_by("created_at", "id")
        events = [event for event in rows if wants(endpoint, event.type)]
        if len(events) > _REPLAY_MAXIMUM:
            raise CodedError("input:too_many_events", f"{len(events)} events; at most {_REPLAY_MAXIMUM} are replayed at once")
        now = clock.now()
        WebhookDelivery.objects.bulk_create(
            delivery_new(endpoint=endpoint, event=event, now=now, is_replay=True) for event in events
        )
        _replay_audit(endpoint, requested_by, since=since.isoformat(), until=until.isoformat(), events=len(events))
    return len(events)


def _replay_audit(endpoint: WebhookEndpoint, actor: User | None, **detail: object) -> None:
    audit_record(actor=actor, action="webhook.replay", subject=str(endpoint.pk), site=endpoint.site, **detail)


def events_sweep() -> int:
    """Forget events older than WEBHOOKS_KEPT_DAYS with their deliveries and log, unless one still waits; returns how many.
    Removed endpoints go too, once no transaction that saw them can still be open."""
    WebhookEndpoint.objects.filter(deleted_at__lt=clock.now() - _REMOVED_KEPT).delete()
    old = clock.now() - datetime.timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
    waiting = WebhookDelivery.objects.filter(event=OuterRef("pk"), state=DeliveryState.PENDING)
    events = WebhookEvent.objects.filter(~Exists(waiting), created_at__lt=old).order_by("created_at")
    gone = list(events.values_list("pk", flat=True)[:_SWEPT_AT_ONCE])
    if gone:
        WebhookEvent.objects.filter(pk__in=gone).delete()
    return len(gone)
