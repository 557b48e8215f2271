"""Endpoints of sites, events, and their deliveries. Rows only: the rules stand in endpoints, events and deliveries."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Site


class WebhookEndpoint(models.Model):
    """An address of a site that wants to be told. Secrets are encrypted; the one before stays valid for a while after rotation.

    `event_types` empty: every type. `failing_since` is the first failure since the last success.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True, default="")
    event_types = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    #: Set when the platform gave up on the endpoint, empty when a person switched it off.
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=40, blank=True, default="")
    secret = models.TextField()
    previous_secret = models.TextField(blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    consecutive_failures = models.PositiveIntegerField(default=0)
    #: Nothing is sent before: an endpoint that keeps failing is asked less and less often.
    resting_until = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    #: Removed by a person. The row goes later: a ledger that has just read it may still be writing deliveries that point to it.
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["site", "created_at"], name="webhook_of_site")]

    def __str__(self) -> str:
        return str(self.id)


class WebhookEvent(models.Model):
    """Something that happened at a site, as the bytes that every endpoint gets. Its id is the `webhook-id` of all deliveries."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    type = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["site", "created_at"], name="webhook_event_of_site"),
            models.Index(fields=["created_at"], name="webhook_event_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class DeliveryState(models.TextChoices):
    """PENDING → DELIVERED | FAILED. A replay is a delivery of its own."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint. `claim` is the process that is sending it, until `lease_until`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    is_replay = models.BooleanField(default=False)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claim = models.CharField(max_length=32, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["endpoint", "next_attempt_at"], name="delivery_due", condition=models.Q(state="pending")),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DeliveryAttempt(models.Model):
    """One request that was made, or refused before it was made: the delivery log. `status` null: no answer came.

    `answer` is the beginning of the receiver's answer, as text; `error` a code of notifications.sending.AttemptError.
    """

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    request_id = models.CharField(max_length=32)
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=40, blank=True, default="")
    elapsed_seconds = models.FloatField(default=0.0)
    answer = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["delivery", "number"], name="attempt_of_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id}#{self.number}"
