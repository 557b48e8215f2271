"""`python -m model_registry train`: cross-validate the shipped recipe, train on everything, evaluate, write the package.

One command from the collection to the package; a run that was cut off continues where it stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from model_registry.training.recipe import Recipe
    from model_registry.training.samples import Sample

PACKAGES = Path(__file__).resolve().parents[1] / "packages"


def parser_build() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_registry train", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the mini-MIAS folder: labels.csv, lesions.csv, png512/")
    parser.add_argument("--work", type=Path, default=Path("build/training"), help="where trained weights are kept between runs")
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="where the package is written")
    parser.add_argument("--version", default="1.0.0", help="version of the package; an existing one is never overwritten")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=0, help="threads of TensorFlow; 0 lets it choose")
    parser.add_argument("--part", action="append", help="train only this part (fold-0 … fold-4, final); may be repeated")
    return parser


def main(arguments: Sequence[str]) -> int:
    options = parser_build().parse_args(arguments)
    console = Console()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    from model_registry.datasets.mias import DatasetError, mias_read
    from model_registry.training.cross_validation import part_train, parts_of
    from model_registry.training.loop import Progress as EpochProgress
    from model_registry.training.recipe import FILM_MLO_PROFILE, Recipe
    from model_registry.training.samples import samples_prepare

    try:
        images = mias_read(options.data)
    except DatasetError as error:
        console.print(f"[red]{options.data}:[/] {error}")
        return 1
    console.print(f"{len(images)} images of {len({image.patient_id for image in images})} women; preparing")
    samples = samples_prepare(images, profile=FILM_MLO_PROFILE)
    recipe = replace(Recipe(), epochs=options.epochs)
    parts = parts_of(samples)
    if unknown := set(options.part or ()) - set(parts):
        console.print(f"[red]no such part:[/] {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        return 2
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for part in options.part or parts:
            task = progress.add_task(part, total=options.epochs, losses="")

            def report(state: EpochProgress, task: TaskID = task) -> None:
                losses = f"image {state.image_loss:.3f} cells {state.cell_loss:.3f}"
                progress.update(task, completed=state.epoch, losses=losses)

            part_train(samples=samples, part=part, recipe=recipe, seed=options.seed, folder=options.work, report=report)
            progress.update(task, completed=options.epochs)
    if options.part:
        return 0
    return _package(options, console, samples, recipe)


def _package(options: argparse.Namespace, console: Console, samples: list[Sample], recipe: Recipe) -> int:
    from model_registry.training.assembly import package_assemble

    package, evaluation = package_assemble(
        samples=samples,
        recipe=recipe,
        seed=options.seed,
        weights=options.work,
        packages=options.packages,
        version=options.version,
        command=f"python -m model_registry train --data PATH --seed {options.seed} --epochs {options.epochs} --version "
        f"{options.version}",
    )
    table = Table("figure", "value", "95 % interval")
    for metric in evaluation.metrics:
        table.add_row(metric.name, f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}")
    console.print(table)
    console.print(f"{package.folder}\n{package.digest}")
    return 0
