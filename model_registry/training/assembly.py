"""From trained weights to figures and the package: every held-out image is judged by the exported graph of its own fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_registry.evaluation.report import Cases, Evaluation, Predictions, evaluate, predict
from model_registry.export.film_package import film_package_write
from model_registry.export.onnx_export import ExportedModel, keras_to_onnx
from model_registry.packaging import Package
from model_registry.training.cross_validation import FINAL, part_build, part_split, parts_of
from model_registry.training.recipe import FILM_MLO_PROFILE, Recipe
from model_registry.training.samples import Sample
from model_registry.zoo.model import ZooModel
from model_registry.zoo.weights import weights_from_bytes


def part_load(*, weights: Path, part: str, samples: Sequence[Sample], recipe: Recipe) -> tuple[ZooModel, ExportedModel]:
    """The trained network of a part and its exported graph. Raises FileNotFoundError when it was not trained."""
    zoo_model = part_build(recipe, samples)()
    weights_from_bytes(zoo_model.keras_model, (weights / f"{part}.npz").read_bytes())
    return zoo_model, keras_to_onnx(zoo_model=zoo_model)


def out_of_fold(*, samples: Sequence[Sample], weights: Path, recipe: Recipe) -> tuple[list[Sample], Predictions]:
    """All samples, fold by fold, with what the network that never saw their women says of them."""
    judged: list[Sample] = []
    found: list[Predictions] = []
    for part in parts_of(samples):
        if part == FINAL:
            continue
        _, held_out = part_split(samples, part)
        _, exported = part_load(weights=weights, part=part, samples=samples, recipe=recipe)
        judged.extend(held_out)
        found.append(predict(model=exported.explained, samples=held_out))
    logits, heatmaps = (np.concatenate([getattr(p, name) for p in found]) for name in ("logits", "heatmaps"))
    return judged, Predictions(logits=logits, heatmaps=heatmaps)


def package_assemble(
    *, samples: Sequence[Sample], recipe: Recipe, seed: int, weights: Path, packages: Path, version: str, command: str
) -> tuple[Package, Evaluation]:
    """Evaluate the recipe out of fold and write the package of the network trained on everything."""
    zoo_model, exported = part_load(weights=weights, part=FINAL, samples=samples, recipe=recipe)
    judged, predictions = out_of_fold(samples=samples, weights=weights, recipe=recipe)
    evaluation = evaluate(
        cases=Cases(
            labels=np.array([sample.label for sample in judged]),
            groups=np.array([sample.patient_id for sample in judged]),
            lesions=tuple(sample.lesions for sample in judged),
            is_located=np.array([sample.is_located for sample in judged]),
            subgroups={name: np.array([getattr(sample, name) for sample in judged]) for name in ("density", "finding")},
            input_hw=(judged[0].tensor.shape[0], judged[0].tensor.shape[1]),
        ),
        predictions=predictions,
        classes=zoo_model.classes,
        suspicion_classes=("benign", "malignant"),
        targets=zoo_model.targets,
        method="Five-fold cross-validation by woman, pooled out-of-fold predictions",
    )
    package = film_package_write(
        folder=packages,
        zoo_model=zoo_model,
        exported=exported,
        profile=FILM_MLO_PROFILE,
        evaluation=evaluation,
        training_predictions=predict(model=exported.explained, samples=samples),
        training_command=command,
        seed=seed,
        version=version,
    )
    return package, evaluation
