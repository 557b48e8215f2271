"""The client for programs that wait for their answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from mammoserve_client import operations
from mammoserve_client.calls import Call, Operation, Pause, RetryPolicy, checked, problem_of
from mammoserve_client.errors import Incomplete
from mammoserve_client.models import Batch, ItemResult, Job, Upload
from mammoserve_client.results import result_of, results_params
from mammoserve_client.transport import Attempts, options_of, request_of
from mammoserve_client.uploads import sha256_of, upload_file

T = TypeVar("T")
DOWNLOAD_BYTES = 256 * 1024


class Client:
    """One connection pool to one platform with one token. Safe to use from several threads. Use it as a context manager.

    Every method retries what may be retried (`policy`), raises ApiProblem for a refusal and Unreachable when nothing answers.
    `key` is the idempotency key of a POST: give one of your own to make the call safe across a crash of your program.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        policy: RetryPolicy | None = None,
        timeout: httpx.Timeout | float | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._http = httpx.Client(**options_of(url=url, token=token, timeout=timeout), transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ── One study ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def study_submit(
        self,
        files: Sequence[str | Path],
        *,
        external_id: str = "",
        priority: str = "routine",
        deployment: str = "",
        key: str | None = None,
    ) -> Job:
        """Send the files of one study. `external_id` is your own reference and must not identify a patient."""
        fields = {"external_id": external_id, "priority": priority, "deployment": deployment}
        return self._run(operations.study_submit(files=files, fields=fields, key=key))

    def job_wait(self, job_id: str, *, limit_seconds: float | None = None, on_update: Callable[[Job], None] | None = None) -> Job:
        """The job once it has ended, whatever the end. Raises WaitedTooLong."""
        return self._run(operations.job_wait(job_id=job_id, limit_seconds=limit_seconds, on_update=on_update))

    def job_result(self, job_id: str) -> dict[str, Any]:
        """The result document of a job that succeeded."""
        return self._run(operations.job_result(job_id=job_id))

    # ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def upload(
        self,
        path: str | Path,
        *,
        kind: str = "file",
        upload_id: str | None = None,
        sha256: str | None = None,
        on_created: Callable[[str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Upload:
        """Bring one file (or with kind="archive" a ZIP of studies) to the server, in pieces, from where `upload_id` stands."""
        return self._run(
            upload_file(
                path=Path(path),
                sha256=sha256 or sha256_of(Path(path)),
                kind=kind,
                upload_id=upload_id,
                policy=self._policy,
                on_created=on_created,
                on_progress=on_progress,
            )
        )

    # ── Batches ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def batch_create(self, *, items: Sequence[dict[str, Any]] = (), key: str | None = None, **fields: Any) -> Batch:
        """A batch with `items` (see the API's manifest); `fields`: name, priority, deployment, duplicates, auto_start, …"""
        return self._run(operations.batch_create(fields={**fields, "items": list(items)}, key=key))

    def batch_append(self, batch_id: str, items: Sequence[dict[str, Any]], *, key: str | None = None) -> Batch:
        return self._run(operations.batch_append(batch_id=batch_id, items=items, key=key))

    def batch_close(self, batch_id: str, *, key: str | None = None) -> Batch:
        """Start it. A batch that is closed already is left as it is."""
        return self._run(operations.batch_do(batch_id=batch_id, what="close", key=key))

    def batch_cancel(self, batch_id: str, *, key: str | None = None) -> Batch:
        return self._run(operations.batch_do(batch_id=batch_id, what="cancel", key=key))

    def batch_retry(self, batch_id: str, *, statuses: Sequence[str] = ("failed",), key: str | None = None) -> Batch:
        """Queue again what failed (and, if asked, what was cancelled)."""
        return self._run(operations.batch_do(batch_id=batch_id, what="retry", fields={"statuses": list(statuses)}, key=key))

    def batch(self, batch_id: str) -> Batch:
        return self._run(operations.batch_read(batch_id=batch_id))

    def batch_wait(
        self, batch_id: str, *, limit_seconds: float | None = None, on_update: Callable[[Batch], None] | None = None
    ) -> Batch:
        """The batch once it has ended. `on_update` is called whenever something changed. Raises WaitedTooLong."""
        return self._run(operations.batch_wait(batch_id=batch_id, limit_seconds=limit_seconds, on_update=on_update))

    def batches(self, *, state: Sequence[str] = ()) -> Iterator[Batch]:
        """The site's batches, newest first."""
        for document in self._pages(operations.BATCHES, {"state": list(state)} if state else {}):
            yield Batch.of(document)

    def batch_results(self, batch_id: str, *, statuses: Sequence[str] = (), identifiers: bool = True) -> Iterator[ItemResult]:
        """Every item with its result or its failure, in manifest order, ended or not. Raises Incomplete when it breaks off."""
        params = results_params(statuses=tuple(statuses), identifiers=identifiers)
        with self._stream(Call("GET", f"{operations.BATCHES}/{batch_id}/results", params=params)) as response:
            try:
                for line in response.iter_lines():
                    if line.strip():
                        yield result_of(line)
            except httpx.TransportError as error:
                raise Incomplete("the results broke off; fetch them again") from error

    def batch_heatmaps(self, batch_id: str, out: str | Path) -> Path:
        """The overlays of all results as a ZIP at `out`, which appears when it is whole."""
        path = Path(out)
        part = path.with_name(path.name + ".part")
        with self._stream(Call("GET", f"{operations.BATCHES}/{batch_id}/heatmaps")) as response, part.open("wb") as file:
            try:
                for piece in response.iter_bytes(DOWNLOAD_BYTES):
                    file.write(piece)
            except httpx.TransportError as error:
                raise Incomplete("the archive broke off; fetch it again") from error
        return part.replace(path)

    # ── Quarantine ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def quarantine(self, *, batch: str | None = None) -> Iterator[dict[str, Any]]:
        """Items kept aside, newest first."""
        yield from self._pages("/api/v1/quarantine", {"batch": batch} if batch else {})

    def quarantine_release(self, entry_id: str, *, key: str | None = None, **mended: Any) -> dict[str, Any]:
        """Try it again, with what was mended: uploads=[…], prefix=…, deployment=…, duplicates=… or nothing."""
        return self._run(operations.quarantine_do(entry_id=entry_id, what="release", fields=mended, key=key))

    def quarantine_discard(self, entry_id: str, *, key: str | None = None) -> dict[str, Any]:
        return self._run(operations.quarantine_do(entry_id=entry_id, what="discard", fields={}, key=key))

    # ── Sending ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, operation: Operation[T]) -> T:
        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    response = self._send(step)
                except httpx.TransportError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(response)
        except StopIteration as end:
            value: T = end.value
            return value

    def _send(self, call: Call) -> httpx.Response:
        attempts = Attempts(call, self._policy)
        while True:
            try:
                response = self._http.send(request_of(self._http, call))
            except httpx.TransportError as error:
                time.sleep(attempts.lost(error))
                continue
            wait = attempts.answered(response)
            if wait is None:
                return checked(call, response) if call.retry else response
            time.sleep(wait)

    @contextmanager
    def _stream(self, call: Call) -> Iterator[httpx.Response]:
        """An open response. A refusal is raised; the start is retried, the rest cannot be."""
        attempts = Attempts(call, self._policy)
        while True:
            try:
                response = self._http.send(request_of(self._http, call), stream=True)
            except httpx.TransportError as error:
                time.sleep(attempts.lost(error))
                continue
            if response.is_success:
                try:
                    yield response
                finally:
                    response.close()
                return
            response.read()
            wait = attempts.answered(response)
            if wait is None:
                raise problem_of(response)
            time.sleep(wait)

    def _pages(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            page = self._run(operations.page_read(path=path, params=params))
            yield from page["results"]
            if not page.get("next"):
                return
            following = httpx.URL(page["next"])
            params = {name: following.params.get_list(name) for name in following.params}
