"""`python -m model_registry train CONFIG`: from a configuration and a collection to figures and a package.

One command; a run that was cut off goes on where it stopped. `train --list` names the configurations that ship.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from model_registry.training.errors import ConfigRefused, Interrupted, TrainingError

if TYPE_CHECKING:
    from model_registry.training.config import TrainingConfig

INTERRUPTED = 130
FAST_STEPS, FAST_DRAWS = 2, 100


def parser_build() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_registry train", description=__doc__.partition("\n")[0])
    parser.add_argument("config", nargs="?", help="a configuration that ships, by name, or a .yaml file")
    parser.add_argument("--list", action="store_true", help="name the configurations that ship")
    parser.add_argument("--data", help="the collection's folder: what ${DATA} stands for in a configuration")
    parser.add_argument("--weights", help="the folder of pretrained bases, ${WEIGHTS}; none trains everything from scratch")
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="where runs, packages and prepared images go (default: runs)"
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with a run; an error if there is none (default: go on if so)")
    again.add_argument("--fresh", action="store_true", help="throw an earlier run of this name away")
    parser.add_argument("--epochs", type=int, help="epochs of every phase, instead of the configuration's")
    parser.add_argument("--seed", type=int, help="instead of the configuration's")
    parser.add_argument(
        "--folds", help="train only these parts, e.g. 0,1 or final; figures and package follow once all are there"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of TensorFlow; 0 lets it choose")
    parser.add_argument("--fast-check", action="store_true", help="two steps an epoch on a few images, to see that it all works")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Returns 0, 1 for a refusal, 2 for wrong usage, 130 after Ctrl-C."""
    parser = parser_build()
    options = parser.parse_args(arguments)
    console = Console()
    if options.list:
        return _list(console)
    if options.config is None:
        parser.error("name a configuration, or --list")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return _train(options, console)
    except Interrupted as stopped:
        console.print(
            f"{stopped.detail}. Go on with: {command_words(options, places=True)} --resume", markup=False, soft_wrap=True
        )
        return INTERRUPTED
    except TrainingError as problem:
        console.print(str(problem), style="red", markup=False, soft_wrap=True)
        return 1


def command_words(options: argparse.Namespace, *, places: bool) -> str:
    """The command as typed; without `places` the folders are named PATH, and what does not decide the weights is left out."""
    words = ["python -m model_registry train", str(options.config) if places else Path(str(options.config)).name]
    for name in ("data", "weights"):
        given = getattr(options, name)
        if given is not None:
            words += [f"--{name}", str(given) if places or given == "none" else "PATH"]
    if places and options.out != Path("runs"):
        words += ["--out", str(options.out)]
    for name in ("epochs", "seed"):
        if getattr(options, name) is not None:
            words += [f"--{name}", str(getattr(options, name))]
    if places and options.folds:
        words += ["--folds", options.folds]
    if places and options.threads:
        words += ["--threads", str(options.threads)]
    if options.fast_check:
        words.append("--fast-check")
    return " ".join(words)


def config_of(options: argparse.Namespace) -> tuple[TrainingConfig, Path]:
    """The configuration with the command line's changes, and its folder. Raises ConfigRefused."""
    from model_registry.training.config import TrainingConfig
    from model_registry.training.config_read import config_path, config_read

    path = config_path(options.config)
    variables = {"DATA": options.data} if options.data else {}
    changes: dict[str, Any] = {}
    if options.weights == "none":
        changes["model"] = {"weights_path": None}
    elif options.weights:
        variables["WEIGHTS"] = options.weights
    if options.seed is not None:
        changes["seed"] = options.seed
    config = config_read(path, variables=variables, changes=changes)
    epochs = 1 if options.fast_check else options.epochs
    update: dict[str, Any] = {}
    if epochs is not None or options.weights == "none":
        if epochs is not None and epochs < 1:
            raise ConfigRefused("--epochs must be at least 1")
        phase = ({} if epochs is None else {"epochs": epochs}) | ({"trainable": "all"} if options.weights == "none" else {})
        update["phases"] = tuple(p.model_copy(update=phase) for p in config.phases)
    return TrainingConfig.model_validate(config.model_copy(update=update).model_dump()), path.parent


def _list(console: Console) -> int:
    from model_registry.training.config_read import config_names, config_path, config_read

    for name in config_names():
        config = config_read(config_path(name), variables={"DATA": "DATA", "WEIGHTS": "WEIGHTS"})
        console.print(f"{name:<28} {config.output.title}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _train(options: argparse.Namespace, console: Console) -> int:
    config, base = config_of(options)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # a graph traced anew for each network is no news
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    from model_registry.building.errors import ExportError
    from model_registry.evaluation.errors import EvaluationError
    from model_registry.explain.errors import ExplainError
    from model_registry.packaging import PackageError
    from model_registry.training.assembly import package_assemble
    from model_registry.training.display import Display
    from model_registry.training.loop import network_fit
    from model_registry.training.networks import network_build
    from model_registry.training.plan import collection_prepare, input_check, parts_plan
    from model_registry.training.runs import part_is_finished, parts_choose, run_open
    from model_registry.training.state import folder_lock

    run = options.out / (f"{config.output.name}-fast-check" if options.fast_check else config.output.name)
    with Display(console) as display, warnings.catch_warnings(record=True) as noted, _stopping() as stop:
        warnings.simplefilter("always", UserWarning)
        collection = collection_prepare(
            config, base=base, cache=options.out / "prepared", fast_check=options.fast_check, report=display.prepared
        )
        _say(console, collection, noted)
        input_check(network_build(config, input_shape=collection.given.shape), collection.given)
        parts = parts_plan(collection, config)
        chosen = parts_choose(parts, options.folds)
        steps = FAST_STEPS if options.fast_check else None
        fresh = options.fresh or (options.fast_check and not options.resume)
        if run_open(run, config=config, collection=collection, steps=steps, resume=options.resume, fresh=fresh):
            console.print(f"going on with the run in {run}", markup=False)
        for part in chosen:
            if part_is_finished(run, part):
                continue
            with folder_lock(run / part.name):
                network_fit(
                    config=config,
                    given=collection.given,
                    training=part.training,
                    watched=part.watched,
                    folder=run / part.name,
                    report=partial(display.epoch, part.name, phases=len(config.phases)),
                    stop=stop.is_set,
                    steps=steps,
                )
    if waiting := [part.name for part in parts if not part_is_finished(run, part)]:
        console.print(f"trained; figures and package follow once {', '.join(waiting)} are there", markup=False)
        return 0
    console.print("judging the held-out images with the exported graphs", markup=False)
    try:
        package, evaluation = package_assemble(
            run=run,
            parts=parts,
            config=config,
            collection=collection,
            folder=run / "packages",
            command=command_words(options, places=False),
            draws=FAST_DRAWS if options.fast_check else 2000,
        )
    except (EvaluationError, ExplainError, ExportError, PackageError) as problem:
        console.print(f"the networks are trained, but no package was made: {problem}", style="red", markup=False, soft_wrap=True)
        return 1
    display.figures(evaluation)
    console.print(f"{package.folder}\n{package.digest}", markup=False, soft_wrap=True)
    return 0


def _say(console: Console, collection: Any, noted: Sequence[warnings.WarningMessage]) -> None:
    dataset = collection.dataset
    groups = len({sample.group for sample in collection.samples})
    unit = "patients" if dataset.grouping == "patient" else "images or originals, patients unknown"
    console.print(f"{dataset.title}: {len(collection.samples)} images of {groups} {unit}", markup=False, soft_wrap=True)
    for problem in dataset.problems[:5]:
        console.print(f"  {problem.code} {problem.path}: {problem.detail}", markup=False, soft_wrap=True)
    if len(dataset.problems) > 5:
        console.print(f"  … and {len(dataset.problems) - 5} more problems of the collection", markup=False)
    for note in dict.fromkeys([*dataset.notes, *(str(entry.message) for entry in noted)]):
        console.print(f"  caution: {note}", style="yellow", markup=False, soft_wrap=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """The first Ctrl-C finishes the epoch and keeps its state; the second stops at once, with the last epoch's state kept."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # written past the console: the signal may have come while it was writing itself
        os.write(2, b"finishing this epoch; Ctrl-C again stops at once\n")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except KeyboardInterrupt as problem:
        raise Interrupted("stopped within an epoch; the state of the epoch before is kept") from problem
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
