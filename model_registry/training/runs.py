"""A run's folder: one configuration on one collection, never another; which of its parts are finished."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from model_registry.training.config import TrainingConfig
from model_registry.training.errors import RunRefused
from model_registry.training.plan import Collection, Part
from model_registry.training.state import WEIGHTS, file_write

RUN = "run.json"


def run_open(
    folder: Path, *, config: TrainingConfig, collection: Collection, steps: int | None, resume: bool, fresh: bool
) -> bool:
    """Make or check the folder. Returns whether there was a run to go on with. Raises RunRefused.

    `fresh` throws an earlier run away; `resume` demands that there is one.
    """
    path = folder / RUN
    if fresh and path.exists():
        shutil.rmtree(folder)
    identity = {
        "config": config.digest,
        "collection": collection.digest,
        "first_weights": _first_weights(config),
        "steps": steps,
    }
    if not path.exists():
        if resume:
            raise RunRefused(f"there is no run in {folder} to resume")
        if folder.exists() and any(folder.iterdir()):
            raise RunRefused(f"{folder} holds something else than a run; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        file_write(path, (json.dumps(identity, indent=2) + "\n").encode())
        return False
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise RunRefused(f"{path} cannot be read ({problem}); start over with --fresh") from problem
    differing = [name for name in identity if not isinstance(found, dict) or found.get(name) != identity[name]]
    if differing:
        raise RunRefused(
            f"the run in {folder} was started with another {' and another '.join(d.replace('_', ' ') for d in differing)}. "
            "Going on would mix two trainings: start over with --fresh, or choose another --out"
        )
    return True


def part_is_finished(folder: Path, part: Part) -> bool:
    return (folder / part.name / WEIGHTS).exists()


def parts_choose(parts: Sequence[Part], chosen: str | None) -> tuple[Part, ...]:
    """The parts that `--folds 0,1,final` names; all for None. Raises RunRefused for one that is not there."""
    if chosen is None:
        return tuple(parts)
    names = [word if word == "final" else f"fold-{word.removeprefix('fold-')}" for word in chosen.replace(" ", "").split(",")]
    if unknown := [name for name in names if name not in {part.name for part in parts}]:
        raise RunRefused(f"--folds: there is no {', '.join(unknown)}; there are {', '.join(part.name for part in parts)}")
    return tuple(part for part in parts if part.name in names)


def _first_weights(config: TrainingConfig) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in ("weights_path", "init_path"):
        given = getattr(config.model, name)
        try:
            found[name] = None if given is None else hashlib.sha256(Path(given).read_bytes()).hexdigest()
        except OSError as problem:
            raise RunRefused(f"model.{name}: {given} cannot be read: {problem.strerror}") from problem
    return found
