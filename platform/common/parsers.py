"""Reading JSON bodies within bounds. Files never come this way: common.uploads receives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser


class CappedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes; a larger body is 413 and a too deeply nested one 400.

    DRF reads a body as a stream, past Django's own cap, and its decoder recurses once for each bracket.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        _length_check(parser_context, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None


class LargeJSONParser(BaseParser):
    """The same for an address that takes more: `maximum_bytes` says how much.

    No JSONParser by descent, because DRF reads the body of those whole, under Django's cap for all addresses.
    """

    media_type = "application/json"

    def maximum_bytes(self) -> int:
        raise NotImplementedError

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        _length_check(parser_context, self.maximum_bytes())
        try:
            return JSONParser().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None


def _length_check(parser_context: Mapping[str, Any] | None, maximum_bytes: int) -> None:
    """A body is never longer than its Content-Length: without one, Django reads nothing."""
    if int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0") > maximum_bytes:
        raise RequestDataTooBig
