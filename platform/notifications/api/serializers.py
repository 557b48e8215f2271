"""The shapes of the webhooks' API as the OpenAPI document tells them, and the fields of its requests."""

from __future__ import annotations

import datetime
from typing import Any

from rest_framework import serializers

from common.fields import StrictBooleanField, StrictCharField
from notifications.event_types import EventType
from notifications.models import DeliveryState
from notifications.sending import AttemptError

_DISABLED = ["failing", "gone", "secret_unreadable"]


class EventTypesField(serializers.ListField):
    """Empty: every type."""

    child = serializers.ChoiceField(choices=EventType.choices)


class WebhookCreateSerializer(serializers.Serializer):
    url = StrictCharField(max_length=500, help_text="https, a public address, one of the allowed ports.")
    description = StrictCharField(max_length=200, required=False, allow_blank=True)
    event_types = EventTypesField(required=False, max_length=50, help_text="Left out or empty: every type.")


class WebhookUpdateSerializer(serializers.Serializer):
    url = StrictCharField(max_length=500, required=False)
    description = StrictCharField(max_length=200, required=False, allow_blank=True)
    event_types = EventTypesField(required=False, max_length=50)
    is_active = StrictBooleanField(required=False, help_text="true also forgets the failures that switched it off.")


class WebhookSerializer(serializers.Serializer):
    """An endpoint. `disabled_reason` says why the platform switched it off; empty when a person did."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    event_types = EventTypesField()
    is_active = serializers.BooleanField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.ChoiceField(choices=["", *_DISABLED], allow_blank=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    consecutive_failures = serializers.IntegerField()
    last_success_at = serializers.DateTimeField(allow_null=True)
    previous_secret_until = serializers.DateTimeField(allow_null=True)
    deliveries_pending = serializers.IntegerField()
    deliveries_failed = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class WebhookWithSecretSerializer(WebhookSerializer):
    """The only answers that hold the secret."""

    secret = serializers.CharField(help_text="Keep it; it is not shown again.")


class WebhooksSerializer(serializers.Serializer):
    results = WebhookSerializer(many=True)


class AttemptSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    request_id = serializers.CharField(help_text="Sent as X-Request-ID.")
    status = serializers.IntegerField(allow_null=True, help_text="null: no answer came.")
    error = serializers.ChoiceField(choices=[error.value for error in AttemptError], allow_null=True)
    elapsed_seconds = serializers.FloatField()
    answer = serializers.CharField(help_text="How the receiver's answer begins.")


class DeliverySerializer(serializers.Serializer):
    """One event on its way to one endpoint, with its log."""

    id = serializers.UUIDField()
    webhook = serializers.UUIDField()
    event_id = serializers.UUIDField(help_text="The webhook-id header: the same at every attempt and replay.")
    event_type = serializers.CharField()
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    is_replay = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    payload = serializers.CharField(help_text="The body, byte for byte.")
    attempts = AttemptSerializer(many=True)


class ReplaySerializer(serializers.Serializer):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    undelivered_only = StrictBooleanField(default=True, help_text="false: also what was delivered.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        since: datetime.datetime = attrs["since"]
        if attrs["until"] < since:
            raise serializers.ValidationError({"until": "Must not lie before “since”."})
        return attrs


class ReplayedSerializer(serializers.Serializer):
    events = serializers.IntegerField()
