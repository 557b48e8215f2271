"""Reading JSON bodies within bounds. Files never come this way: common.uploads receives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class CappedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes; a larger body is 413 and a too deeply nested one 400.

    DRF reads a body as a stream, past Django's own cap, and its decoder recurses once for each bracket.
    """

    def maximum_bytes(self) -> int:
        """An address that takes more says so in a parser of its own."""
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        given = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if int(given) > self.maximum_bytes():
            raise RequestDataTooBig
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
