"""Who sees which endpoints and deliveries: administrators those of their own site."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from notifications.models import DeliveryState, WebhookDelivery, WebhookEndpoint


def endpoints_visible_to(*, user: User) -> QuerySet[WebhookEndpoint]:
    """Oldest first, with `pending` and `failed` counted."""
    return endpoints_everywhere().filter(site=user.site, site__isnull=False)


def endpoints_everywhere() -> QuerySet[WebhookEndpoint]:
    """For the command line."""
    states = {
        name: Count("deliveries", filter=Q(deliveries__state=state))
        for name, state in (("pending", DeliveryState.PENDING), ("failed", DeliveryState.FAILED))
    }
    return WebhookEndpoint.objects.filter(deleted_at=None).select_related("site").annotate(**states).order_by("created_at", "id")


def deliveries_visible_to(*, user: User) -> QuerySet[WebhookDelivery]:
    """Newest first, with their event, endpoint and log."""
    rows = WebhookDelivery.objects.filter(endpoint__site=user.site, endpoint__site__isnull=False, endpoint__deleted_at=None)
    return rows.select_related("event", "endpoint__site").prefetch_related("attempts").order_by("-created_at", "-id")
