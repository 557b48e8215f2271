"""Live progress on a terminal; plain lines, one every ten seconds at most, where the output is no terminal."""

from __future__ import annotations

import time
from threading import Lock
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from mammoserve_client.models import Batch, Counts

LINE_SECONDS = 10.0


class TerminalWatcher:
    """Shows sending and answering side by side. Safe to call from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._lock = Lock()
        self._said = 0.0
        self._batches: dict[int, Batch] = {}
        self._studies = 0
        self._sending = Progress(
            TextColumn("[bold]Sent    "), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
            TextColumn("{task.description}"), console=console, disable=not self._live,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._answers: TaskID | None = None

    def __enter__(self) -> TerminalWatcher:
        self._sending.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sending.stop()

    def scanned(self, files: int) -> None:
        if not self._live:
            return
        with self._lock:
            if self._task is None:
                self._task = self._sending.add_task("", total=None)
            self._sending.update(self._task, description=f"reading the folder: {files} files")

    def planned(self, studies: int, files: int, size: int, ignored: int) -> None:
        with self._lock:
            self._studies = studies
            passed_over = f"; {ignored} files that are neither DICOM nor pictures stay here" if ignored else ""
            self._console.print(f"{studies} studies in {files} files, {size / 1e6:,.0f} MB{passed_over}")
            if self._live:
                self._task = self._task if self._task is not None else self._sending.add_task("", total=size)
                self._sending.update(self._task, total=size, description=f"0 of {studies} answered")

    def sent(self, size: int) -> None:
        with self._lock:
            if self._live and self._task is not None:
                self._sending.update(self._task, completed=size)
            elif self._may_speak():
                self._console.print(f"sent {size / 1e6:,.0f} MB")

    def batch(self, number: int, batch: Batch) -> None:
        with self._lock:
            self._batches[number] = batch
            words = self._words()
            if self._live and self._task is not None:
                self._sending.update(self._task, description=words)
            elif self._may_speak() or batch.has_ended:
                self._console.print(words)

    def _words(self) -> str:
        counts = [batch.counts for batch in self._batches.values()]
        ended = sum(one.ended for one in counts)
        bad = sum(one.failed + one.quarantined for one in counts)
        eta = max((batch.eta_seconds or 0.0 for batch in self._batches.values()), default=0.0)
        words = f"{ended} of {self._studies} answered"
        if bad:
            words += f", {bad} with a failure"
        return words + (f", about {_duration(eta)} left" if eta else "")

    def _may_speak(self) -> bool:
        now = time.monotonic()
        if now - self._said < LINE_SECONDS:
            return False
        self._said = now
        return True


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counts_words(counts: Counts) -> str:
    parts = [f"{getattr(counts, name)} {name}" for name in Counts.__slots__ if name != "total" and getattr(counts, name)]
    return f"{counts.total} items: " + (", ".join(parts) or "none")
