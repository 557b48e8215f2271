"""Which form an answer has, where the framework's choice by Accept does not serve."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class AnyAccept(DefaultContentNegotiation):
    """For answers that are files: an <img> asks for images, and an error is problem+json. A body is still read by its type."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
