"""How a run shows itself: live bars on a terminal, a line an epoch elsewhere. Decides nothing."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model_registry.evaluation.report import Evaluation
from model_registry.training.loop import Progress as EpochProgress

LINE_SECONDS = 5.0  # between two lines of preparation where there is no terminal


class Display:
    """Use as a context manager around preparing and training."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last = 0.0

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def prepared(self, done: int, of: int) -> None:
        """`done` of `of` images are prepared."""
        if self._live:
            self._advance("images", done + 1, of, "")
        elif time.monotonic() - self._last > LINE_SECONDS:
            self._last = time.monotonic()
            self._line(f"preparing: {done} of {of} images")

    def epoch(self, part: str, progress: EpochProgress, *, phases: int) -> None:
        """An epoch of a part is over."""
        words = " ".join(f"{name} {value:.4g}" for name, value in progress.figures.items())
        phase = f"phase {progress.phase + 1}/{phases} " if phases > 1 else ""
        if self._live:
            self._advance(part, progress.epoch, progress.epochs, f"{phase}{words}")
        else:
            self._line(f"{part}: {phase}epoch {progress.epoch}/{progress.epochs}: {words} ({progress.elapsed_seconds:.0f} s)")

    def figures(self, evaluation: Evaluation) -> None:
        table = Table("figure", "value", "95 % interval")
        for metric in evaluation.metrics:
            interval = "" if metric.low is None or metric.high is None else f"{metric.low:.3f} to {metric.high:.3f}"
            table.add_row(metric.name, f"{metric.value:.3f}", interval)
        self.console.print(table)

    def _advance(self, name: str, done: int, of: int, figures: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=of, figures="")
        self._bars.update(self._tasks[name], completed=done, figures=figures)

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)
