"""Fields of request bodies where the framework's own are more lenient than what the OpenAPI document says."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class StrictBooleanField(serializers.BooleanField):
    """true or false in JSON. The framework's own also takes 0, “yes” and “off”, of which a typing error may be one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
