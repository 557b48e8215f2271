"""Fields of request bodies where the framework's own are more lenient than what the OpenAPI document says: each takes the one
JSON type that the document names. The framework's own take 0 for a text, “5” for a number, and “off” for true or false, of which
each may be a client's mistake. A test holds the fields of every request against this module.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers


class _Strict(serializers.Field):
    """Refuses, as “invalid”, what is not of `json_types`. In Python true is a number; in JSON it is none."""

    json_types: tuple[type, ...]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, self.json_types) or (isinstance(data, bool) and bool not in self.json_types):
            self.fail("invalid", input=data, value=data)
        return super().to_internal_value(data)


class StrictBooleanField(_Strict, serializers.BooleanField):
    json_types = (bool,)


class StrictCharField(_Strict, serializers.CharField):
    json_types = (str,)


class StrictRegexField(_Strict, serializers.RegexField):
    json_types = (str,)


class StrictSlugField(_Strict, serializers.SlugField):
    json_types = (str,)


class StrictUUIDField(_Strict, serializers.UUIDField):
    json_types = (str,)


class StrictIntegerField(_Strict, serializers.IntegerField):
    json_types = (int, float)


class StrictFloatField(_Strict, serializers.FloatField):
    json_types = (int, float)


#: What a ModelSerializer that reads requests makes of the model's columns: its `serializer_field_mapping`.
STRICT_FIELDS: dict[type[models.Field], type[serializers.Field]] = {
    **serializers.ModelSerializer.serializer_field_mapping,
    models.BooleanField: StrictBooleanField,
    models.CharField: StrictCharField,
    models.TextField: StrictCharField,
    models.IntegerField: StrictIntegerField,
    models.BigIntegerField: StrictIntegerField,
    models.PositiveIntegerField: StrictIntegerField,
    models.PositiveSmallIntegerField: StrictIntegerField,
    models.PositiveBigIntegerField: StrictIntegerField,
}
