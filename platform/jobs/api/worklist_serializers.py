"""The shapes of reading marks and saved views, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.fields import StrictBooleanField, StrictCharField, StrictUUIDField
from jobs.api.bulk_views import BULK_MAXIMUM
from jobs.api.serializers import PRIORITIES, STATUSES
from jobs.listing import SORTS

_TEXT_MAXIMUM = 128


class ReadingSerializer(serializers.Serializer):
    """Either single results, or everything that finished up to a moment."""

    jobs = serializers.ListField(child=StrictUUIDField(), min_length=1, max_length=BULK_MAXIMUM, required=False)
    read = StrictBooleanField(default=True, help_text="false: unread again. For `jobs`.")
    until = serializers.DateTimeField(
        required=False, help_text="All that finished up to then is read. Never moves back; a moment to come counts as now."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("jobs" in attrs) == ("until" in attrs):
            raise serializers.ValidationError("Give either “jobs” or “until”.")
        return attrs


class ReadingAnswerSerializer(serializers.Serializer):
    """`marked`: the finished results among those given that are there for you."""

    marked = serializers.ListField(child=serializers.UUIDField())
    read_until = serializers.DateTimeField()


class ViewQuerySerializer(serializers.Serializer):
    """Filters and order as the worklist's address has them. An unknown name is refused."""

    status = serializers.ChoiceField(choices=STATUSES, required=False)
    search = StrictCharField(max_length=_TEXT_MAXIMUM, required=False)
    priority = serializers.ChoiceField(choices=PRIORITIES, required=False)
    deployment = StrictCharField(max_length=50, required=False)
    side = serializers.ChoiceField(choices=["above", "below"], required=False)
    reading = serializers.ChoiceField(choices=["unread", "read"], required=False)
    period = serializers.ChoiceField(choices=["today"], required=False, help_text="The day on which the view is opened.")
    site = StrictCharField(max_length=50, required=False)
    sort = serializers.ChoiceField(choices=list(SORTS), required=False)

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's."""
        days = {name: serializers.DateField(required=False) for name in ("from", "until")}
        return {**super().get_fields(), **days}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(str(name)[:40] for name in set(data) - set(self.fields))):
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such filter."))
        return {name: str(value) for name, value in super().to_internal_value(data).items()}


class SavedViewSerializer(serializers.Serializer):
    """Filters and an order under a name of your own."""

    id = serializers.UUIDField(read_only=True)
    name = StrictCharField(max_length=60, help_text="One of your views has it, whatever its case.")
    query = ViewQuerySerializer()
    is_default = StrictBooleanField(default=False, help_text="What the worklist opens with; one at most.")


class SavedViewChangeSerializer(serializers.Serializer):
    name = StrictCharField(max_length=60, required=False)
    query = ViewQuerySerializer(required=False)
    is_default = StrictBooleanField(required=False)


class SavedViewsSerializer(serializers.Serializer):
    results = SavedViewSerializer(many=True)
