"""A run's state on disk: whole after every epoch, or as it was before. Arrays and JSON in one .npz; no pickle.

Everything random is either derived from (seed, epoch, step) or a seed variable of the network, kept with its weights.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model_registry.training.errors import RunRefused

STATE, HISTORY, WEIGHTS = "state.npz", "history.csv", "weights.npz"
FORMAT = 1


@dataclass(slots=True)
class RunState:
    """How far a part has come. `phase_epoch` epochs of phase `phase` are done; `stale` epochs since the monitor improved."""

    phase: int = 0
    phase_epoch: int = 0
    epoch: int = 0
    average_steps: int = 0
    best_value: float | None = None
    best_epoch: int = 0
    stale: int = 0
    rate_factor: float = 1.0
    plateau_best: float | None = None
    plateau_stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    format: int = FORMAT


@dataclass(slots=True)
class Arrays:
    """Values in the order of the network's, the optimizer's and the average's variables."""

    model: list[np.ndarray]
    optimizer: list[np.ndarray]
    average: list[np.ndarray]


def values_of(variables: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(variable.value if hasattr(variable, "path") else variable) for variable in variables]


def values_put(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Raises RunRefused where they are of another network."""
    if [tuple(v.shape) for v in variables] != [tuple(v.shape) for v in values]:
        raise RunRefused("the state on disk is of another network; start over with --fresh")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def file_write(path: Path, data: bytes) -> None:
    """All of it or nothing, also when the process or the machine stops half-way."""
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def state_write(folder: Path, *, state: RunState, arrays: Arrays) -> None:
    stream = io.BytesIO()
    named: dict[str, Any] = {
        f"{part}/{index:05d}": value
        for part in ("model", "optimizer", "average")
        for index, value in enumerate(getattr(arrays, part))
    }
    np.savez(stream, facts=np.array(json.dumps(asdict(state))), **named)
    file_write(folder / STATE, stream.getvalue())
    history_write(folder / HISTORY, state.history)


def state_read(folder: Path) -> tuple[RunState, Arrays] | None:
    """The state of a part that was begun, or None. Raises RunRefused when it cannot be read."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            parts = {
                part: [stored[name] for name in sorted(n for n in stored.files if n.startswith(f"{part}/"))]
                for part in ("model", "optimizer", "average")
            }
        if facts.get("format") != FORMAT:
            raise RunRefused(f"{folder.name}/{STATE} is of another version; start over with --fresh")
        return RunState(**facts), Arrays(**parts)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
        raise RunRefused(f"{folder.name}/{STATE} is damaged ({problem}); start over with --fresh") from problem


def best_write(folder: Path, *, epoch: int, model: Sequence[np.ndarray], average: Sequence[np.ndarray]) -> None:
    """The best weights so far, under their epoch, so that the state on disk always finds the ones it names."""
    stream = io.BytesIO()
    named: dict[str, Any] = {f"model/{index:05d}": value for index, value in enumerate(model)}
    named |= {f"average/{index:05d}": value for index, value in enumerate(average)}
    np.savez(stream, **named)
    file_write(folder / f"best-{epoch}.npz", stream.getvalue())


def best_read(folder: Path, *, epoch: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(network, average). Raises RunRefused."""
    try:
        with np.load(folder / f"best-{epoch}.npz", allow_pickle=False) as stored:
            model, average = ([stored[n] for n in sorted(stored.files) if n.startswith(part)] for part in ("model/", "average/"))
            return model, average
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise RunRefused(f"{folder.name}/best-{epoch}.npz cannot be read ({problem}); start over with --fresh") from problem


def best_forget(folder: Path, *, keep: int) -> None:
    for path in folder.glob("best-*.npz"):
        if path.name != f"best-{keep}.npz":
            path.unlink()


def history_write(path: Path, history: Sequence[dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    file_write(path, stream.getvalue().encode())


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` alone while training in it. Raises RunRefused when another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise RunRefused(f"another process is training in {folder.name}") from problem
        yield
