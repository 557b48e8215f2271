"""What a submission has done so far, on disk: an SQLite file beside the results. A killed submission goes on from here.

Every step is written down before it is taken (keys of idempotency) or right after (ids of uploads), so that repeating the last
one is all that a crash costs. Holds paths and ids, no token.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mammoserve_client.errors import SubmissionMismatch
from mammoserve_client.folder import FolderStudy

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, key TEXT NOT NULL, batch_id TEXT);
CREATE TABLE IF NOT EXISTS studies (
    custom_id TEXT PRIMARY KEY, batch INTEGER NOT NULL, place INTEGER NOT NULL, source TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, custom_id TEXT NOT NULL, place INTEGER NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    sha256 TEXT, upload_id TEXT
);
CREATE INDEX IF NOT EXISTS files_of_study ON files (custom_id, place);
CREATE INDEX IF NOT EXISTS studies_of_batch ON studies (batch, place);
"""


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """One of the submission's batches. `batch_id` is None until the server has made it."""

    number: int
    key: str
    batch_id: str | None


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a study and how far it is."""

    path: Path
    custom_id: str
    size: int
    modified_ns: int
    sha256: str | None
    upload_id: str | None


class Journal:
    """One submission's journal, locked while it is open: two processes never work on one submission.

    Raises SubmissionMismatch where another process has it, or where `identity` (server, folder, options) is not the one it was
    begun with.
    """

    def __init__(self, path: Path, *, identity: dict[str, str]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = path.with_name(path.name + ".lock").open("a")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise SubmissionMismatch(f"another process is working on this submission ({path})") from error
        self._lock = threading.Lock()
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode=WAL")
        self._rows.executescript(_SCHEMA)
        try:
            self._belong(identity)
        except SubmissionMismatch:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._rows.close()
        self._lock_file.close()

    def remove(self) -> None:
        """The submission is over and its answers are written."""
        self.close()
        for suffix in ("", "-wal", "-shm", ".lock"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def fact(self, name: str, *, default: str) -> str:
        """What was written down under this name; `default` is written down where there is nothing yet."""
        with self._lock:
            self._rows.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, default))
            return str(self._rows.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def fact_set(self, name: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @property
    def is_planned(self) -> bool:
        return bool(self._all("SELECT 1 FROM facts WHERE name = 'planned'"))

    def plan(self, *, groups: Iterable[Sequence[FolderStudy]]) -> None:
        """Write down every study and file at once: `groups` are the studies of each batch."""
        with self._lock:
            self._rows.execute("BEGIN IMMEDIATE")
            for number, studies in enumerate(groups):
                self._rows.execute("INSERT INTO batches (number, key) VALUES (?, ?)", (number, str(uuid.uuid4())))
                for place, study in enumerate(studies):
                    self._rows.execute("INSERT INTO studies VALUES (?, ?, ?, ?)", (study.custom_id, number, place, study.source))
                    for index, path in enumerate(study.files):
                        facts = path.stat()
                        self._rows.execute(
                            "INSERT INTO files (path, custom_id, place, size, modified_ns) VALUES (?, ?, ?, ?, ?)",
                            (str(path), study.custom_id, index, facts.st_size, facts.st_mtime_ns),
                        )
            self._rows.execute("INSERT INTO facts VALUES ('planned', 'yes')")
            self._rows.execute("COMMIT")

    def batches(self) -> list[PlannedBatch]:
        return [PlannedBatch(*row) for row in self._all("SELECT number, key, batch_id FROM batches ORDER BY number")]

    def batch_made(self, *, number: int, batch_id: str) -> None:
        self._write("UPDATE batches SET batch_id = ? WHERE number = ?", (batch_id, number))

    def studies(self, *, batch: int) -> list[tuple[str, str]]:
        """custom_id and source of a batch's studies, in order."""
        return self._all("SELECT custom_id, source FROM studies WHERE batch = ? ORDER BY place", (batch,))

    def files(self, *, batch: int) -> list[PlannedFile]:
        """Files of a batch, study by study."""
        rows = self._all(
            "SELECT f.path, f.custom_id, f.size, f.modified_ns, f.sha256, f.upload_id FROM files f "
            "JOIN studies s ON s.custom_id = f.custom_id WHERE s.batch = ? ORDER BY s.place, f.place",
            (batch,),
        )
        return [PlannedFile(Path(path), *rest) for path, *rest in rows]

    def file_hashed(self, *, path: Path, sha256: str) -> None:
        self._write("UPDATE files SET sha256 = ? WHERE path = ?", (sha256, str(path)))

    def file_begun(self, *, path: Path, upload_id: str) -> None:
        self._write("UPDATE files SET upload_id = ? WHERE path = ?", (upload_id, str(path)))

    def totals(self) -> tuple[int, int, int]:
        """Studies, files, bytes."""
        (studies,) = self._all("SELECT COUNT(*) FROM studies")[0]
        files, size = self._all("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM files")[0]
        return studies, files, size

    def _belong(self, identity: dict[str, str]) -> None:
        for name, value in identity.items():
            found = self.fact(name, default=value)
            if found != value:
                raise SubmissionMismatch(
                    f"{self.path} belongs to a submission with {name} “{found}”, not “{value}”. "
                    "Name another file for the results, or delete the journal to begin anew"
                )

    def _all(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:
        with self._lock:
            return self._rows.execute(statement, values).fetchall()

    def _write(self, statement: str, values: Sequence[object]) -> None:
        with self._lock:
            self._rows.execute(statement, values)
