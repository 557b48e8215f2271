"""From trained weights to figures and the package: every held-out image is judged by the exported graph of its own fold."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_registry.building.card import card_text
from model_registry.building.package_build import PackageFacts, manifest_fields, package_build
from model_registry.evaluation.cases import Predictions
from model_registry.evaluation.discrimination import auc
from model_registry.evaluation.markdown import evaluation_markdown
from model_registry.evaluation.plots import plots_draw
from model_registry.evaluation.report import Evaluation, evaluate
from model_registry.export.onnx_export import ExportedModel, keras_to_onnx
from model_registry.packaging import Package
from model_registry.packaging.manifest import Aggregation, Calibration, IntendedUse, Provenance
from model_registry.training.config import TrainingConfig
from model_registry.training.ensemble import ensemble_build
from model_registry.training.judging import cases_of, predict, predictions_join, reference_maxima
from model_registry.training.networks import network_build
from model_registry.training.plan import FINAL, Collection, Part
from model_registry.training.samples import Sample
from model_registry.training.state import HISTORY, WEIGHTS
from model_registry.zoo.model import Task, ZooModel
from model_registry.zoo.weights import weights_from_bytes, weights_to_bytes

REFERENCE_SAMPLES = 500  # at most so many training images set the colour scale
_JUDGED = "each image judged by a network that saw neither it nor, where patients are known, another of the same patient."
TRAINING_WORDS = {
    "everything": f"The weights that ship saw all of it; the figures are those of the recipe, {_JUDGED}",
    "best-fold": f"The weights that ship are those of the fold with the highest AUC; the figures are of all folds, {_JUDGED}",
    "ensemble": f"What ships averages the networks of all folds; the figures are of single networks, {_JUDGED}",
}
SOFTWARE = ("keras", "tensorflow-cpu", "tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out images of all folds in order, and what their networks said of them; `best` is the fold with the highest area."""

    samples: tuple[Sample, ...]
    predictions: Predictions
    targets: tuple[str, ...]
    best: str
    task: Task


def network_load(*, run: Path, part: str, config: TrainingConfig, collection: Collection) -> ZooModel:
    """The trained network of a part. Raises FileNotFoundError when it was not trained."""
    zoo_model = network_build(config, input_shape=collection.given.shape)
    weights_from_bytes(zoo_model.keras_model, (run / part / WEIGHTS).read_bytes())
    return zoo_model


def network_export(zoo_model: ZooModel, config: TrainingConfig) -> ExportedModel:
    return keras_to_onnx(zoo_model=zoo_model, suspicion_classes=config.output.suspicion_classes)


def out_of_fold(*, run: Path, parts: Sequence[Part], config: TrainingConfig, collection: Collection) -> Judged:
    """What the network that never saw their patients says of all held-out images."""
    judged: list[Sample] = []
    found: list[Predictions] = []
    areas: dict[str, float] = {}
    targets: tuple[str, ...] = ()
    task: Task = "classification"
    suspicious = [config.model.labels.index(name) for name in config.output.suspicion_classes]
    for part in parts:
        if not part.held_out:
            continue
        zoo_model = network_load(run=run, part=part.name, config=config, collection=collection)
        exported, task = network_export(zoo_model, config), zoo_model.task
        predictions = predict(exported=exported, samples=part.held_out)
        judged.extend(part.held_out)
        found.append(predictions)
        targets = tuple(exported.targets)
        others = np.delete(predictions.logits, suspicious, axis=1)
        score = np.logaddexp.reduce(predictions.logits[:, suspicious], axis=1) - np.logaddexp.reduce(others, axis=1)
        areas[part.name] = auc(score, np.isin([sample.label for sample in part.held_out], suspicious))
    best = max(areas, key=lambda name: np.nan_to_num(areas[name], nan=-1.0))
    return Judged(tuple(judged), predictions_join(found), targets, best, task)


def final_network(
    *, run: Path, judged: Judged, parts: Sequence[Part], config: TrainingConfig, collection: Collection
) -> ZooModel:
    """The network that ships, as `output.final` says."""
    if config.output.final == "everything":
        return network_load(run=run, part=FINAL, config=config, collection=collection)
    if config.output.final == "best-fold":
        return network_load(run=run, part=judged.best, config=config, collection=collection)
    return ensemble_build([network_load(run=run, part=part.name, config=config, collection=collection) for part in parts])


def package_assemble(
    *,
    run: Path,
    parts: Sequence[Part],
    config: TrainingConfig,
    collection: Collection,
    folder: Path,
    command: str,
    draws: int = 2000,
) -> tuple[Package, Evaluation]:
    """Evaluate out of fold, export what ships, and write its package into `folder`/NAME-VERSION."""
    judged = out_of_fold(run=run, parts=parts, config=config, collection=collection)
    evaluation = evaluate(
        cases=cases_of(
            judged.samples,
            given=collection.given,
            classes=len(config.model.labels),
            segments=judged.task == "segmentation",
        ),
        predictions=judged.predictions,
        classes=config.model.labels,
        suspicion_classes=config.output.suspicion_classes,
        targets=judged.targets,
        activation="softmax",  # a lone sigmoid's logits are [0, z]
        method=method_words(config, collection),
        task=judged.task,
        seed=config.seed,
        draws=draws,
    )
    zoo_model = final_network(run=run, judged=judged, parts=parts, config=config, collection=collection)
    exported = network_export(zoo_model, config)
    maxima = None
    if zoo_model.task == "classification":
        shown = collection.samples[:: max(1, -(-len(collection.samples) // REFERENCE_SAMPLES))]
        maxima = reference_maxima(predictions=predict(exported=exported, samples=shown), targets=exported.targets)
    facts = facts_of(config, collection, evaluation=evaluation, zoo_model=zoo_model, maxima=maxima, command=command)
    manifest = manifest_fields(exported=exported, facts=facts, profile=collection.profile, cases=())
    package = package_build(
        folder=folder,
        exported=exported,
        facts=facts,
        profile=collection.profile,
        card=card_text(
            manifest=manifest,
            evaluated=evaluation_markdown(evaluation),
            note=facts.note,
            training_note=TRAINING_WORDS[config.output.final],
        ),
        extra_files={
            **plots_draw(evaluation),
            **training_files(run, config, parts),
            "training/weights.npz": weights_to_bytes(zoo_model.keras_model),
        },
    )
    predictions_write(run / "out_of_fold.csv", judged=judged, config=config)
    return package, evaluation


def facts_of(
    config: TrainingConfig,
    collection: Collection,
    *,
    evaluation: Evaluation,
    zoo_model: ZooModel,
    maxima: dict[str, float] | None,
    command: str,
) -> PackageFacts:
    """What the manifest says beside the graph."""
    output, point, dataset = config.output, evaluation.operating_point, collection.dataset
    return PackageFacts(
        name=output.name,
        version=output.version,
        title=output.title,
        classes=config.model.labels,
        suspicion_classes=output.suspicion_classes,
        threshold=round(float(np.clip(point.threshold, 0, 1)), 6),
        operating_point=(
            "Chosen for 90 % specificity on out-of-fold predictions (calibrated): "
            f"sensitivity {point.sensitivity:.2f}, specificity {point.specificity:.2f}"
        ),
        intended_use=IntendedUse(
            statement=output.statement,
            views=output.views,
            acquisitions=output.acquisitions,
            not_validated=output.not_validated,
            research_only=True,
        ),
        provenance=Provenance(
            architecture=zoo_model.architecture,
            training_data=output.training_data or data_words(config, collection),
            training_command=command,
            citation=output.citation or dataset.citation,
            licence=output.licence or dataset.licence or "not stated by the collection",
            parameters=zoo_model.parameters,
            seed=config.seed,
            created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            software=_software(),
        ),
        calibration=Calibration(temperature=round(evaluation.temperature, 6), fitted_on=method_words(config, collection)),
        metrics=evaluation.metrics,
        aggregation=Aggregation(image_to_breast=output.image_to_breast, breast_to_study=output.breast_to_study),
        batch_sizes=output.batch_sizes,
        task=zoo_model.task,
        reference_maximum=maxima,
        note=" ".join(text for text in (output.note, zoo_model.note) if text),
    )


def method_words(config: TrainingConfig, collection: Collection) -> str:
    unit = "patient" if collection.dataset.grouping == "patient" else "image (the collection does not name patients)"
    if config.validation.method == "holdout":
        return f"One held-out part, split by {unit}"
    return f"{len(collection.folds)}-fold cross-validation by {unit}, pooled out-of-fold predictions"


def data_words(config: TrainingConfig, collection: Collection) -> str:
    counts = Counter(sample.label for sample in collection.samples)
    listed = ", ".join(f"{counts[index]} {name}" for index, name in enumerate(config.model.labels))
    groups = len({sample.group for sample in collection.samples})
    unit = "patients" if collection.dataset.grouping == "patient" else "originals, patients unknown"
    return f"{collection.dataset.title}: {len(collection.samples)} images of {groups} {unit}, {listed}"


def training_files(run: Path, config: TrainingConfig, parts: Sequence[Part]) -> dict[str, bytes]:
    """The configuration as it was understood, without places, and how the losses went."""
    content = config.model_dump(mode="json", exclude={"data": {"path"}, "model": {"weights_path", "init_path"}})
    files = {"training/config.json": (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()}
    for part in parts:
        path = run / part.name / HISTORY
        if path.exists():
            files[f"training/history-{part.name}.csv"] = path.read_bytes()
    return files


def predictions_write(path: Path, *, judged: Judged, config: TrainingConfig) -> None:
    """Every held-out image's logits, for whoever wants to compute other figures."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image_id", "fold", "label", *(f"logit {name}" for name in config.model.labels)])
        for sample, logits in zip(judged.samples, judged.predictions.logits, strict=True):
            writer.writerow([sample.image_id, sample.fold, config.model.labels[sample.label], *(f"{z:.6f}" for z in logits)])


def _software() -> dict[str, str]:
    found = {}
    for name in SOFTWARE:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # another build of the same library, such as tensorflow for tensorflow-cpu
    return found
