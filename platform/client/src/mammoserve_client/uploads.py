"""Files in pieces, after tus 1.0.0 (core, creation, checksum): an upload goes on where it stopped, also in another process."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from mammoserve_client.calls import Call, Operation, Pause, RetryPolicy, is_not_now, problem_of, retry_after_of
from mammoserve_client.errors import ApiProblem, Incomplete, Unreachable, UploadFailed
from mammoserve_client.models import Upload

UPLOADS = "/api/v1/uploads"
CHUNK_BYTES = 8 * 2**20
VERSION = {"Tus-Resumable": "1.0.0"}
CHECKSUM_MISMATCH = 460
GONE = frozenset({404, 410})
READ_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def upload_file(
    *,
    path: Path,
    sha256: str,
    kind: str = "file",
    metadata: dict[str, str] | None = None,
    upload_id: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    policy: RetryPolicy,
    on_created: Callable[[str], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Operation[Upload]:
    """Bring a file to the server, from where `upload_id` (of an earlier try) stands; one that is gone is begun again.

    `sha256` is of the whole file: the server compares when the last byte is there. The file's name is never sent.
    `on_progress` is told the bytes that have arrived. Raises UploadFailed, Unreachable, ApiProblem.
    """
    length = path.stat().st_size
    patience = _Patience(policy)
    upload = None
    if upload_id:
        upload = yield from _offset(upload_id, length)
    if upload is None:
        upload = yield from _create(length, {"kind": kind, "sha256": sha256, **(metadata or {})})
        if on_created:
            on_created(upload.id)
    with path.open("rb") as file:
        while not upload.is_complete:
            if on_progress:
                on_progress(upload.offset)
            file.seek(upload.offset)
            piece = file.read(min(chunk_bytes, length - upload.offset))
            if not piece:
                raise UploadFailed(f"{path} became shorter while it was sent")
            upload = yield from _send(upload, piece, patience)
    if on_progress:
        on_progress(upload.offset)
    return upload


def _create(length: int, metadata: dict[str, str]) -> Operation[Upload]:
    pairs = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
    response = yield Call("POST", UPLOADS, headers={**VERSION, "Upload-Length": str(length), "Upload-Metadata": pairs})
    location = response.headers.get("Location", "").rstrip("/")
    if not location:
        raise Incomplete("the server made an upload and did not say where")
    return Upload(id=location.rsplit("/", 1)[-1], offset=int(response.headers.get("Upload-Offset", 0)), length=length)


def _offset(upload_id: str, length: int) -> Operation[Upload | None]:
    """Where an upload stands; None when it is gone or was of another file."""
    response = yield Call("HEAD", f"{UPLOADS}/{upload_id}", headers=VERSION, accept=GONE)
    if response.status_code in GONE or int(response.headers.get("Upload-Length", -1)) != length:
        return None
    return Upload(id=upload_id, offset=int(response.headers["Upload-Offset"]), length=length)


def _send(upload: Upload, piece: bytes, patience: _Patience) -> Operation[Upload]:
    """One piece; afterwards the upload stands where the server says, which after a broken connection may be anywhere."""
    checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
    headers = {
        **VERSION,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(upload.offset),
        "Upload-Checksum": f"sha256 {checksum}",
    }
    try:
        response = yield Call("PATCH", f"{UPLOADS}/{upload.id}", content=piece, headers=headers, retry=False)
    except httpx.TransportError as error:
        yield patience.pause(error)
    else:
        if response.is_success:
            patience.rest()
            return Upload(id=upload.id, offset=int(response.headers["Upload-Offset"]), length=upload.length)
        if response.status_code == CHECKSUM_MISMATCH:
            yield patience.pause(problem_of(response))
        elif is_not_now(response) or response.status_code in (409, 423):
            yield patience.pause(problem_of(response), retry_after_seconds=retry_after_of(response))
        else:
            raise problem_of(response)
    stands = yield from _offset(upload.id, upload.length)
    if stands is None:
        raise UploadFailed("the server no longer knows the upload; begin it again")
    return stands


class _Patience:
    """Counts failures in a row; every piece that arrives renews it."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0

    def rest(self) -> None:
        self._failures = 0

    def pause(self, reason: Exception, *, retry_after_seconds: float | None = None) -> Pause:
        self._failures += 1
        if self._failures >= self._policy.attempts:
            if isinstance(reason, ApiProblem) and reason.status == CHECKSUM_MISMATCH:
                raise UploadFailed("what arrives at the server is not what was sent: something changes it on the way") from reason
            raise reason if isinstance(reason, ApiProblem) else Unreachable(str(reason)) from reason
        return Pause(self._policy.delay_seconds(attempt=self._failures, retry_after_seconds=retry_after_seconds))
