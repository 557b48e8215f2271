"""What administrators do with a site's endpoints: set up, change, rotate, test, remove. Each leaves an audit entry.

A secret is returned once, when it is made. An URL may itself hold a credential, so the audit names its host alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import Site, User
from common import clock
from inference_worker.contract.failures import CodedError
from notifications.addresses import AddressPolicy, AddressRefused, target_check
from notifications.event_types import EVENT_TYPES, PING
from notifications.events import delivery_new, event_body
from notifications.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from notifications.signing import secret_new, secret_seal


def endpoint_create(
    *,
    site: Site,
    url: str,
    created_by: User | None,
    description: str = "",
    event_types: Sequence[str] = (),
    committing: Callable[[WebhookEndpoint, str], None] | None = None,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is shown nowhere else afterwards. Raises CodedError.

    `committing` is called with both as the last thing in the transaction; what it raises undoes it. The name is looked up before.
    """
    _target_required(url)
    types = _types_checked(event_types)
    secret = secret_new()
    with transaction.atomic():
        # The lock on the site keeps two requests from passing the limit together.
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        if WebhookEndpoint.objects.filter(site=site, deleted_at=None).count() >= settings.WEBHOOKS_MAX_PER_SITE:
            raise CodedError("input:too_many_webhooks", f"the limit is {settings.WEBHOOKS_MAX_PER_SITE}")
        endpoint = WebhookEndpoint.objects.create(
            site=site, url=url, description=description, event_types=types, secret=secret_seal(secret), created_by=created_by
        )
        _audit(endpoint, created_by, "webhook.create", event_types=types)
        if committing is not None:
            committing(endpoint, secret)
    return endpoint, secret


def endpoint_update(*, endpoint: WebhookEndpoint, changes: Mapping[str, Any], changed_by: User | None) -> WebhookEndpoint:
    """Change url, description, event_types, is_active. Switching on again forgets the failures. Raises CodedError."""
    if "url" in changes:
        _target_required(changes["url"])
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        for name in ("url", "description", "is_active"):
            if name in changes:
                setattr(row, name, changes[name])
        if "event_types" in changes:
            row.event_types = _types_checked(changes["event_types"])
        if changes.get("is_active"):
            row.disabled_at, row.disabled_reason = None, ""
            row.failing_since, row.consecutive_failures, row.resting_until = None, 0, None
        row.save()
        _audit(row, changed_by, "webhook.update", changed=sorted(changes))
    return row


def endpoint_delete(*, endpoint: WebhookEndpoint, deleted_by: User | None) -> None:
    """Nothing is sent any more, and the secret is forgotten; deliveries and their log go with the row, soon after."""
    with transaction.atomic():
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
            deleted_at=clock.now(), is_active=False, secret="", previous_secret=""
        )
        _audit(endpoint, deleted_by, "webhook.delete")


def secret_rotate(*, endpoint: WebhookEndpoint, rotated_by: User | None) -> tuple[WebhookEndpoint, str]:
    """A new secret. Both sign for WEBHOOKS_ROTATION_HOURS, so that the receiver can change over at any moment."""
    secret = secret_new()
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        row.previous_secret = row.secret
        row.previous_secret_until = clock.now() + datetime.timedelta(hours=settings.WEBHOOKS_ROTATION_HOURS)
        row.secret = secret_seal(secret)
        row.save(update_fields=["previous_secret", "previous_secret_until", "secret", "updated_at"])
        _audit(row, rotated_by, "webhook.rotate")
    return row, secret


def endpoint_test(*, endpoint: WebhookEndpoint, tested_by: User | None) -> WebhookDelivery:
    """Send a `webhook.ping` to this endpoint alone. Raises CodedError while it is switched off."""
    active_required(endpoint)
    now = clock.now()
    with transaction.atomic():
        body = event_body(type=PING, data={"webhook_id": str(endpoint.pk)}, at=now)
        event = WebhookEvent.objects.create(site_id=endpoint.site_id, type=PING, body=body, created_at=now)
        delivery = delivery_new(endpoint=endpoint, event=event, now=now)
        delivery.save()
        _audit(endpoint, tested_by, "webhook.test")
    return delivery


def active_required(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_active:
        raise CodedError("input:webhook_inactive")


def _target_required(url: str) -> None:
    try:
        target_check(url, policy=AddressPolicy.from_settings())
    except AddressRefused as error:
        raise CodedError("input:webhook_address_refused", str(error)) from error


def _types_checked(given: Sequence[str]) -> list[str]:
    if unknown := sorted(set(given) - EVENT_TYPES):
        raise CodedError("input:unknown_event_type", f"{len(unknown)} of the types, such as {unknown[0][:40]!r}")
    return sorted(set(given))


def _audit(endpoint: WebhookEndpoint, actor: User | None, action: str, **detail: Any) -> None:
    host = httpx.URL(endpoint.url).host
    audit_record(actor=actor, action=action, subject=str(endpoint.pk), site=endpoint.site, host=host, **detail)
