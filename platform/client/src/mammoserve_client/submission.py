"""A whole folder, from the first file to the last answer. Killed at any moment, it goes on from its journal.

Studies are handed over in several batches, each closed as soon as its files have arrived: the platform works on the first while
the second is sent, and never has to keep more than a batch or two of files waiting. Judging files is the server's work.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

from mammoserve_client.client import Client
from mammoserve_client.errors import Incomplete, SubmissionMismatch, UploadFailed
from mammoserve_client.folder import FolderStudy, folder_scan
from mammoserve_client.journal import Journal, PlannedBatch, PlannedFile
from mammoserve_client.models import Batch, ItemResult
from mammoserve_client.uploads import sha256_of

BATCH_STUDIES = 250
BATCH_BYTES = 20 * 2**30
WORKERS = 4


class Watcher(Protocol):
    """Is told how far a submission is. Called from several threads."""

    def scanned(self, files: int) -> None: ...
    def planned(self, studies: int, files: int, size: int, ignored: int) -> None: ...
    def sent(self, size: int) -> None: ...
    def batch(self, number: int, batch: Batch) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a folder is submitted. They are part of a submission's identity, `workers` and `name` apart."""

    priority: str = "backfill"
    deployment: str = ""
    duplicates: str = "reuse"
    name: str = ""
    expires_after_seconds: int | None = None
    workers: int = WORKERS
    batch_studies: int = BATCH_STUDIES
    batch_bytes: int = BATCH_BYTES

    def identity(self) -> dict[str, str]:
        return {"priority": self.priority, "deployment": self.deployment, "duplicates": self.duplicates}


@dataclass(slots=True)
class Submission:
    """A folder on its way. `journal` is open; `stopped` ends the threads early."""

    client: Client
    journal: Journal
    folder: Path
    options: Options
    watcher: Watcher
    stopped: Event = field(default_factory=Event)
    _sent: dict[Path, int] = field(default_factory=dict)
    _sent_lock: Lock = field(default_factory=Lock)

    def run(self) -> list[Batch]:
        """Bring everything to the server and close every batch. Whatever it raises, run it again: it goes on."""
        self._plan()
        with ThreadPoolExecutor(max_workers=self.options.workers, thread_name_prefix="upload") as pool:
            return [self._batch_send(planned, pool) for planned in self.journal.batches()]

    def wait(self) -> list[Batch]:
        """Follow all batches to their ends."""
        return [
            self.client.batch_wait(_made(planned), on_update=partial(self.watcher.batch, planned.number))
            for planned in self.journal.batches()
        ]

    def results(self) -> Iterator[tuple[str, ItemResult]]:
        """Every study with the folder it came from, in the folder's order. Raises Incomplete when one is missing or doubled."""
        for planned in self.journal.batches():
            sources = dict(self.journal.studies(batch=planned.number))
            for item in self.client.batch_results(_made(planned)):
                if item.custom_id not in sources:
                    raise Incomplete(f"{item.custom_id} was answered twice, or never sent")
                yield sources.pop(item.custom_id), item
            if sources:
                raise Incomplete(
                    f"{len(sources)} studies have no answer, {next(iter(sources))} among them; fetch the results again"
                )

    def _plan(self) -> None:
        if not self.journal.is_planned:
            salt = self.journal.fact("salt", default=uuid.uuid4().hex)
            contents = folder_scan(self.folder, salt=salt, on_file=self.watcher.scanned)
            self.journal.fact_set("ignored", str(len(contents.ignored)))
            self.journal.plan(groups=_groups(contents.studies, self.options))
        studies, files, size = self.journal.totals()
        self.watcher.planned(studies, files, size, int(self.journal.fact("ignored", default="0")))

    def _batch_send(self, planned: PlannedBatch, pool: ThreadPoolExecutor) -> Batch:
        batch = self.client.batch(planned.batch_id) if planned.batch_id else self._batch_make(planned)
        if batch.state != "open":  # closed by an earlier run, which may not have lived to write it down
            for file in self.journal.files(batch=planned.number):
                self._progress(file, file.size)
        else:
            if not batch.counts.total:
                self._items_send(planned, batch.id, pool)
            batch = self.client.batch_close(batch.id, key=f"{planned.key}-close")
        self.watcher.batch(planned.number, batch)
        return batch

    def _items_send(self, planned: PlannedBatch, batch_id: str, pool: ThreadPoolExecutor) -> None:
        arrived = self._files_send(self.journal.files(batch=planned.number), pool)
        items = [
            {"custom_id": custom_id, "uploads": arrived[custom_id]} for custom_id, _ in self.journal.studies(batch=planned.number)
        ]
        self.client.batch_append(batch_id, items)

    def _batch_make(self, planned: PlannedBatch) -> Batch:
        fields: dict[str, Any] = {
            "priority": self.options.priority,
            "deployment": self.options.deployment,
            "duplicates": self.options.duplicates,
        }
        if self.options.expires_after_seconds:
            fields["expires_after_seconds"] = self.options.expires_after_seconds
        name = f"{self.options.name} · {planned.number + 1}" if self.options.name else ""
        batch = self.client.batch_create(key=planned.key, name=name, **fields)
        self.journal.batch_made(number=planned.number, batch_id=batch.id)
        return batch

    def _files_send(self, files: Sequence[PlannedFile], pool: ThreadPoolExecutor) -> dict[str, list[str]]:
        """Upload ids by custom_id, once all have arrived. The first failure stops the others."""
        futures = [pool.submit(self._file_send, file) for file in files]
        done, open_ones = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((one for one in done if one.exception()), None)
        if failed or open_ones:
            self.stopped.set()
            for one in open_ones:
                one.cancel()
            wait(futures)
            if failed:
                failed.result()
        found: dict[str, list[str]] = {}
        for file, future in zip(files, futures, strict=True):
            found.setdefault(file.custom_id, []).append(future.result())
        return found

    def _file_send(self, file: PlannedFile) -> str:
        if self.stopped.is_set():
            raise SubmissionMismatch("stopped")
        facts = file.path.stat()
        if (facts.st_size, facts.st_mtime_ns) != (file.size, file.modified_ns):
            raise UploadFailed(
                f"{file.path} has changed since this submission began; name another file for the results to begin anew"
            )
        sha256 = file.sha256
        if sha256 is None:
            sha256 = sha256_of(file.path)
            self.journal.file_hashed(path=file.path, sha256=sha256)
        upload = self.client.upload(
            file.path,
            sha256=sha256,
            upload_id=file.upload_id,
            on_created=lambda upload_id: self.journal.file_begun(path=file.path, upload_id=upload_id),
            on_progress=lambda offset: self._progress(file, offset),
        )
        return upload.id

    def _progress(self, file: PlannedFile, offset: int) -> None:
        with self._sent_lock:
            self._sent[file.path] = offset
            total = sum(self._sent.values())
        self.watcher.sent(total)


def _made(planned: PlannedBatch) -> str:
    if planned.batch_id is None:
        raise SubmissionMismatch("the submission has not been sent yet")
    return planned.batch_id


def _groups(studies: Sequence[FolderStudy], options: Options) -> Iterator[list[FolderStudy]]:
    """Studies of one batch after another: at most so many and so many bytes, at least one."""
    group: list[FolderStudy] = []
    size = 0
    for study in studies:
        bytes_of_study = sum(path.stat().st_size for path in study.files)
        if group and (len(group) >= options.batch_studies or size + bytes_of_study > options.batch_bytes):
            yield group
            group, size = [], 0
        group.append(study)
        size += bytes_of_study
    if group:
        yield group


def submission_open(
    *, client: Client, server: str, folder: Path, journal: Path, options: Options, watcher: Watcher
) -> Submission:
    """A submission, new or as its journal left it. Raises SubmissionMismatch. Close its journal; remove it when done."""
    identity = {"server": server.rstrip("/"), "folder": str(folder.resolve()), **options.identity()}
    return Submission(
        client=client, journal=Journal(journal, identity=identity), folder=folder.resolve(), options=options, watcher=watcher
    )
