"""From a configuration to what is trained on what: the collection prepared, and one part per network. Trains nothing.

Whole patients stand on one side of every split; the patients a monitor watches come out of a part's own training patients.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from model_registry.datasets.combine import LEAVE_OUT, dataset_relabel, datasets_join
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Dataset
from model_registry.datasets.registry import dataset_read
from model_registry.datasets.splits import folds_by_patient, split_check
from model_registry.packaging.named_profiles import ProfileError, profile_read
from model_registry.packaging.profile import Channels, PreprocessingProfile, Scale
from model_registry.training.config import TrainingConfig
from model_registry.training.errors import ConfigRefused, DataRefused
from model_registry.training.loop import Input
from model_registry.training.samples import Sample, samples_prepare
from model_registry.zoo.model import ZooModel

FINAL = "final"
HELD_OUT = 0  # of a holdout: the fold that is judged
FAST_CHECK_IMAGES = 2  # of each label in each fold


@dataclass(frozen=True, slots=True)
class Collection:
    """The collection as the configuration sees it. `folds` are those that are judged, in order."""

    dataset: Dataset
    profile: PreprocessingProfile
    samples: tuple[Sample, ...]
    folds: tuple[int, ...]
    given: Input

    @property
    def digest(self) -> str:
        """sha256 over every image's name, bytes, label, group, fold and lesions, and the profile."""
        content = hashlib.sha256(self.profile.digest.encode())
        for sample in self.samples:
            row = [sample.image_id, sample.file_digest, sample.label, sample.group, sample.fold, sample.lesions.tolist()]
            content.update(json.dumps(row).encode())
        return "sha256:" + content.hexdigest()


@dataclass(frozen=True, slots=True)
class Part:
    """One network to train: on `training`, watching `watched`, judged on `held_out` (nobody, for the final one)."""

    name: str
    training: tuple[Sample, ...]
    watched: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


def collection_prepare(
    config: TrainingConfig,
    *,
    base: Path,
    cache: Path,
    fast_check: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Collection:
    """Read, divide and prepare. `base` is the configuration's folder. Raises ConfigRefused, DataRefused."""
    profile = _profile(config, base)
    try:
        dataset = collection_read(config)
        folds = _folds(dataset, config)
    except DatasetError as problem:
        raise DataRefused(f"{problem.code}: {problem.detail}") from problem
    if fast_check:
        dataset, folds = _few(dataset, folds)
    samples = samples_prepare(
        dataset,
        folds=folds,
        settings=config.data,
        profile=profile,
        cache=cache,
        report=report,
    )
    judged = (HELD_OUT,) if config.validation.method == "holdout" else tuple(sorted({sample.fold for sample in samples}))
    layout = next((step.layout for step in reversed(profile.steps) if isinstance(step, Channels)), "grey")
    rows, columns, channels = samples[0].tensor.shape
    given = Input(shape=(rows, columns, channels), has_mask=layout.endswith("_mask"), full_scale=white_of(profile))
    return Collection(dataset, profile, tuple(samples), judged[:2] if fast_check else judged, given)


def collection_read(config: TrainingConfig) -> Dataset:
    """The collections joined, with the model's labels. Raises DatasetError, and DataRefused where a label has no image."""
    section, labels = config.data, config.model.labels
    names = {**section.classes, **dict.fromkeys(section.exclude_labels, LEAVE_OUT)}
    found = [
        dataset_relabel(dataset_read(Path(source.path), kind=source.kind, options=source.options), labels=names, classes=labels)
        for source in (section, *section.also)
    ]
    dataset = found[0] if len(found) == 1 else datasets_join(found, classes=labels)
    records = tuple(record for record in dataset.records if record.image_id not in section.exclude_images)
    if missing := [label for label in labels if label not in {record.label for record in records}]:
        raise DataRefused(f"the collection has no image of {', '.join(missing)}; see data.classes and data.exclude_labels")
    return replace(dataset, records=records)


def white_of(profile: PreprocessingProfile) -> float:
    """The value that a display value of 1 has in the tensor."""
    white = 1.0
    for step in profile.steps:
        if isinstance(step, Scale):
            white = white * step.multiply + step.add
    return white


def input_check(zoo_model: ZooModel, given: Input) -> None:
    """Raises ConfigRefused where the profile feeds another range than the network's first layer expects: /255 twice, or never."""
    if not np.isclose(zoo_model.input_range[1], given.full_scale):
        raise ConfigRefused(
            f"preprocessing: {zoo_model.architecture} expects white to be {zoo_model.input_range[1]:g}, the profile makes it "
            f"{given.full_scale:g}"
        )


def parts_plan(collection: Collection, config: TrainingConfig) -> tuple[Part, ...]:
    """A part per judged fold, then the final one where it is trained on everything. Raises DataRefused."""
    parts = []
    for fold in collection.folds:
        training = [sample for sample in collection.samples if sample.fold != fold]
        held_out = [sample for sample in collection.samples if sample.fold == fold]
        if {sample.group for sample in training} & {sample.group for sample in held_out}:
            raise DataRefused("a patient is on both sides of a split")
        _labels_check(training, config, f"the training images of fold {fold}")
        learning, watched = watched_split(training, config=config)
        parts.append(Part(f"fold-{fold}", learning, watched, tuple(held_out)))
    if config.output.final == "everything":
        learning, watched = watched_split(collection.samples, config=config)
        parts.append(Part(FINAL, learning, watched, ()))
    return tuple(parts)


def watched_split(samples: Sequence[Sample], *, config: TrainingConfig) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """(learning, watched) by patient and label; nobody is watched without a monitor. Raises DataRefused."""
    if not config.monitors:
        return tuple(samples), ()
    parts = max(2, round(1 / config.validation.monitor_fraction))
    labels, groups = [sample.label for sample in samples], [sample.group for sample in samples]
    if len(set(groups)) < parts:
        raise DataRefused(f"{len(set(groups))} patients are too few to set one in {parts} aside; see validation.monitor_fraction")
    splitter = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=config.seed)
    learning, watched = next(splitter.split(np.zeros(len(samples)), labels, groups))
    return tuple(samples[i] for i in learning), tuple(samples[i] for i in watched)


def _profile(config: TrainingConfig, base: Path) -> PreprocessingProfile:
    given = config.preprocessing
    try:
        profile = profile_read(base / given if given.endswith(".json") else given)
    except ProfileError as problem:
        raise ConfigRefused(f"preprocessing: {problem}") from problem
    if profile.tensor_layout != "nhwc":
        raise ConfigRefused(
            f"preprocessing: {profile.name} makes channel-first tensors; the zoo's networks are channel-last (nhwc)"
        )
    return profile


def _folds(dataset: Dataset, config: TrainingConfig) -> np.ndarray:
    section = config.validation
    if section.method == "k-fold":
        return folds_by_patient(dataset, folds=section.folds, seed=config.seed)
    splits = [record.split for record in dataset.records]
    if all(splits) and "test" in splits:
        split_check(dataset, splits)
        return np.array([HELD_OUT if split == "test" else 1 for split in splits])
    folds = folds_by_patient(dataset, folds=max(2, round(1 / section.fraction)), seed=config.seed)
    return np.where(folds == 0, HELD_OUT, 1)


def _few(dataset: Dataset, folds: np.ndarray) -> tuple[Dataset, np.ndarray]:
    seen: Counter[tuple[str, int]] = Counter()
    kept = []
    for index, (record, fold) in enumerate(zip(dataset.records, folds, strict=True)):
        seen[(record.label, int(fold))] += 1
        if seen[(record.label, int(fold))] <= FAST_CHECK_IMAGES:
            kept.append(index)
    return replace(dataset, records=tuple(dataset.records[index] for index in kept)), folds[kept]


def _labels_check(samples: Sequence[Sample], config: TrainingConfig, where: str) -> None:
    present = {sample.label for sample in samples}
    if missing := [name for index, name in enumerate(config.model.labels) if index not in present]:
        raise DataRefused(f"{where} hold no {', '.join(missing)}; lower validation.folds, or add images")
