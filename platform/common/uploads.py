"""Receiving files: streamed to disk under caps, refused as soon as a cap is passed, gone when the request is.

It knows sizes only. What a file is, and whether it is wanted, is the concern of the room that asked for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest, HttpResponse

from common.problems import Problem
from inference_worker.contract.failures import CodedError

_CAPS = "receives_files"


@dataclass(frozen=True, slots=True)
class UploadCaps:
    """How much one request may bring, in bytes and files. `what` names the whole in refusals."""

    file_bytes: int
    request_bytes: int
    files: int
    what: str


def files_welcome(request: HttpRequest, caps: UploadCaps) -> None:
    """To be called by a view that takes files, before anything reads the body. Elsewhere files are dropped unwritten:
    Django's CSRF check reads the form of any POST to any address, whoever sent it."""
    setattr(request, _CAPS, caps)


def _too_large(detail: str, *, code: str = "input:too_large") -> Problem:
    return Problem.for_coded_error(CodedError(code, detail))


class CappedUploadHandler(FileUploadHandler):
    """Every file goes to FILE_UPLOAD_TEMP_DIR as a temporary file, which its closing removes.

    Raises the 413 problem at the first byte over the caps of a file or of the request, or at the first file over their number:
    what is already on disk is removed, the rest is not read.
    """

    #: Mammograms are megabytes: Django's 64 KiB would spend most of the time between the pieces.
    chunk_size = 2**20

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._file_count = 0
        self._file_bytes = 0
        self._request_bytes = 0
        self._upload: TemporaryUploadedFile | None = None
        #: Of the file that comes in, for the requests whose repetition must be recognised: read once, while it is in memory.
        self._digest: Any = None

    def handle_raw_input(
        self, input_data: IO[bytes], META: dict[str, str], content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        caps = self._caps
        if caps is None:
            return
        if content_length > caps.request_bytes:
            raise _too_large(f"The request may hold {caps.request_bytes} bytes.")
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        caps = self._caps
        if caps is None:
            raise StopUpload(connection_reset=True)  # reset: the rest is left unread
        self._file_count += 1
        self._file_bytes = 0
        if self._file_count > caps.files:
            raise _too_large(f"{caps.what} may hold {caps.files} files.", code="input:too_many_files")
        super().new_file(*args, **kwargs)
        # Made under a fixed name: Django's own would carry the sender's file extension onto our disk.
        self._upload = TemporaryUploadedFile("upload", self.content_type or "", 0, self.charset, self.content_type_extra)
        self._upload.name = self.file_name
        self._digest = hashlib.sha256() if self.request and "Idempotency-Key" in self.request.headers else None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._file_bytes += len(raw_data)
        self._request_bytes += len(raw_data)
        caps = self._caps
        if caps is None:  # new_file has stopped the reading
            return
        if self._file_bytes > caps.file_bytes:
            self._discard()
            raise _too_large(f"A file may hold {caps.file_bytes} bytes.")
        if self._request_bytes > caps.request_bytes:
            self._discard()
            raise _too_large(f"The request may hold {caps.request_bytes} bytes.")
        if self._upload is not None:
            self._upload.write(raw_data)
            if self._digest is not None:
                self._digest.update(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        completed, self._upload = self._upload, None
        if completed is not None:
            completed.seek(0)
            completed.size = file_size
            if self._digest is not None:
                completed.content_sha256 = self._digest.hexdigest()  # type: ignore[attr-defined]
        return completed

    def upload_interrupted(self) -> None:
        """The client hung up: nothing may stay on disk."""
        self._discard()

    @property
    def _caps(self) -> UploadCaps | None:
        return getattr(self.request, _CAPS, None)

    def _discard(self) -> None:
        if self._upload is not None:
            self._upload.close()
            self._upload = None


class UploadCleanupMiddleware:
    """Removes a file whose client hung up in the middle of it: Django tells no handler, and the error keeps the file alive."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for handler in getattr(request, "_upload_handlers", ()):
            handler.upload_interrupted()
        return response
