"""Train one network per fold, and one on everything; keep their weights. A run that was cut off continues with the next part.

Figures are computed elsewhere (model_registry.evaluation), from the weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from model_registry.training.loop import Progress, train
from model_registry.training.recipe import Recipe
from model_registry.training.samples import Sample
from model_registry.zoo.dog_fpn import dog_fpn_build
from model_registry.zoo.model import ZooModel
from model_registry.zoo.weights import weights_to_bytes

FINAL = "final"


def parts_of(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The names of all networks to train: one per fold, then the one on everything."""
    return (*(f"fold-{fold}" for fold in sorted({sample.fold for sample in samples})), FINAL)


def part_split(samples: Sequence[Sample], part: str) -> tuple[list[Sample], list[Sample]]:
    """(training, held out) of a part. Raises ValueError if a woman would be on both sides."""
    if part == FINAL:
        return list(samples), []
    fold = int(part.removeprefix("fold-"))
    training = [sample for sample in samples if sample.fold != fold]
    held_out = [sample for sample in samples if sample.fold == fold]
    if {sample.patient_id for sample in training} & {sample.patient_id for sample in held_out}:
        raise ValueError("a patient is on both sides of the split")
    return training, held_out


def part_build(recipe: Recipe, samples: Sequence[Sample]) -> Callable[[], ZooModel]:
    rows, columns, channels = samples[0].tensor.shape
    return lambda: dog_fpn_build(input_shape=(rows, columns, channels), width=recipe.width)


def part_train(
    *,
    samples: Sequence[Sample],
    part: str,
    recipe: Recipe,
    seed: int,
    folder: Path,
    report: Callable[[Progress], None] | None = None,
) -> Path:
    """Train `part` unless its weights are there already. Returns the path of the weights."""
    path = folder / f"{part}.npz"
    if path.exists():
        return path
    training, _ = part_split(samples, part)
    trained = train(build=part_build(recipe, samples), samples=training, recipe=recipe, seed=seed, report=report)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_bytes(weights_to_bytes(trained.keras_model))
    temporary.rename(path)  # whole or not at all, so that a cut-off run is not taken for a finished one
    return path
