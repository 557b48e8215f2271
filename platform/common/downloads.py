"""Files made while they are sent. Knows nothing of what is in them."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import StreamingHttpResponse


def streamed(stream: Iterable[bytes] | Iterable[str], *, content_type: str, file_name: str) -> StreamingHttpResponse:
    """A download that nobody between keeps: it may hold a patient's identifiers."""
    return StreamingHttpResponse(
        stream,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "Cache-Control": "private, no-store",
            "Vary": "Accept, Authorization, Cookie",
            "X-Content-Type-Options": "nosniff",
        },
    )
