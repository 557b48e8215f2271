"""How much a submission may bring. How files are received stands in common.uploads."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from common import uploads


def files_welcome(request: HttpRequest) -> None:
    """To be called by a view that takes a study's files, before anything reads the body."""
    caps = uploads.UploadCaps(
        file_bytes=settings.INTAKE_MAX_FILE_BYTES,
        request_bytes=settings.INTAKE_MAX_REQUEST_BYTES,
        files=settings.INTAKE_MAX_FILES,
        what="One study",
    )
    uploads.files_welcome(request, caps)
