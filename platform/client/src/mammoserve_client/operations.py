"""What the API offers, as operations: see `calls`. Addresses and fields are those of the OpenAPI document."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mammoserve_client.calls import Call, Operation, Pause, document_of, post, retry_after_of
from mammoserve_client.errors import WaitedTooLong
from mammoserve_client.models import Batch, Job

BATCHES = "/api/v1/batches"
POLL_SECONDS = 2.0
LONGEST_POLL_SECONDS = 60.0


def batch_create(*, fields: dict[str, Any], key: str | None) -> Operation[Batch]:
    response = yield post(BATCHES, json=fields, key=key)
    return Batch.of(document_of(response))


def batch_append(*, batch_id: str, items: Sequence[dict[str, Any]], key: str | None) -> Operation[Batch]:
    response = yield post(f"{BATCHES}/{batch_id}/items", json={"items": list(items)}, key=key)
    return Batch.of(document_of(response))


def batch_do(*, batch_id: str, what: str, fields: dict[str, Any] | None = None, key: str | None = None) -> Operation[Batch]:
    """`what`: close, cancel or retry."""
    response = yield post(f"{BATCHES}/{batch_id}/{what}", json=fields or {}, key=key)
    return Batch.of(document_of(response))


def batch_read(*, batch_id: str) -> Operation[Batch]:
    response = yield Call("GET", f"{BATCHES}/{batch_id}")
    return Batch.of(document_of(response))


def batch_wait(*, batch_id: str, limit_seconds: float | None, on_update: Callable[[Batch], None] | None) -> Operation[Batch]:
    """Polls with the ETag, as often as the server's Retry-After says, until the batch has ended."""
    deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
    etag, batch = "", None
    while True:
        headers = {"If-None-Match": etag} if etag else {}
        response = yield Call("GET", f"{BATCHES}/{batch_id}", headers=headers, accept=frozenset({304}))
        if response.status_code != 304:
            etag, batch = response.headers.get("ETag", ""), Batch.of(document_of(response))
            if on_update:
                on_update(batch)
            if batch.has_ended:
                return batch
        yield _until_next(response, deadline, f"batch {batch_id}")


def _until_next(response: Any, deadline: float | None, what: str) -> Pause:
    seconds = min(LONGEST_POLL_SECONDS, retry_after_of(response) or POLL_SECONDS)
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitedTooLong(f"{what} has not ended in time; it goes on at the server")
        seconds = min(seconds, left)
    return Pause(seconds)


def page_read(*, path: str, params: dict[str, Any]) -> Operation[dict[str, Any]]:
    """One page of a list: next, previous, results."""
    response = yield Call("GET", path, params=params)
    return document_of(response)


def quarantine_do(*, entry_id: str, what: str, fields: dict[str, Any], key: str | None) -> Operation[dict[str, Any]]:
    """`what`: release or discard."""
    response = yield post(f"/api/v1/quarantine/{entry_id}/{what}", json=fields, key=key)
    return document_of(response)


def study_submit(*, files: Sequence[str | Path], fields: dict[str, str], key: str | None) -> Operation[Job]:
    """One study in one request; read into memory, so for large studies upload in pieces and use a batch."""
    names = (
        f"{index:04d}{Path(file).suffix.lower()}" for index, file in enumerate(files)
    )  # a file's own name may name a patient
    parts = [("files", (name, Path(file).read_bytes())) for name, file in zip(names, files, strict=True)]
    call = post("/api/v1/studies", key=key)
    response = yield Call("POST", call.path, data=fields, files=parts, headers=call.headers)
    job_id = document_of(response)["job"]["id"]
    response = yield Call("GET", f"/api/v1/jobs/{job_id}")
    return Job.of(document_of(response))


def job_wait(*, job_id: str, limit_seconds: float | None, on_update: Callable[[Job], None] | None) -> Operation[Job]:
    """The job once it has ended, whatever the end."""
    deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
    etag = ""
    while True:
        headers = {"If-None-Match": etag} if etag else {}
        response = yield Call("GET", f"/api/v1/jobs/{job_id}", headers=headers, accept=frozenset({304}))
        if response.status_code != 304:
            etag, job = response.headers.get("ETag", ""), Job.of(document_of(response))
            if on_update:
                on_update(job)
            if job.has_ended:
                return job
        yield _until_next(response, deadline, f"job {job_id}")


def job_result(*, job_id: str) -> Operation[dict[str, Any]]:
    response = yield Call("GET", f"/api/v1/jobs/{job_id}/result")
    return document_of(response)
