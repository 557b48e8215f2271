"""The cases that a command is asked to judge a package on: what to read, under which labels, and what to say about it.

Shared by `evaluate` and `compare`. Runs no model and computes no figure.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model_registry.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from model_registry.datasets.records import Dataset
    from model_registry.evaluation.package_run import PackageAnswers
    from model_registry.packaging import Manifest


def collection_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `collection_read` reads, and those of running a package and drawing intervals."""
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="the collection; a folder per class will do")
    parser.add_argument("--kind", default="auto", help="the collection's layout (default: recognised)")
    parser.add_argument("--split", choices=("train", "test"), help="only this split of the collection (default: everything)")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=CLASS", help="which class of the model a label is")
    parser.add_argument("--leave-out", action="append", default=[], metavar="NAME", help="leave out images of this label")
    parser.add_argument("--threads", type=int, default=0, help="threads of the engine; 0 lets it choose")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--draws", type=int, default=2000, help="of the bootstrap (default 2000)")


def collection_read(options: argparse.Namespace, manifest: Manifest) -> Dataset:
    """The records asked for, labelled as the package names its classes. Names that differ in case alone are taken as one."""
    from model_registry.datasets.combine import LEAVE_OUT, dataset_relabel
    from model_registry.datasets.registry import dataset_read

    dataset = dataset_read(options.data, kind=options.kind)
    by_case = {name.lower(): name for name in manifest.classes}
    labels = {name: by_case.get(name.lower(), name) for name in dataset.classes}
    for wish in options.label:
        name, separator, target = wish.partition("=")
        if not separator or name not in dataset.classes or target not in manifest.classes:
            raise EvaluationError(
                "evaluation:unknown_label",
                f"--label {wish}: expected NAME=CLASS with NAME one of {', '.join(dataset.classes)} and CLASS one of "
                f"{', '.join(manifest.classes)}",
            )
        labels[name] = target
    for name in options.leave_out:
        if name not in dataset.classes:
            raise EvaluationError("evaluation:unknown_label", f"--leave-out {name}: the labels are {', '.join(dataset.classes)}")
        labels[name] = LEAVE_OUT
    if lost := [name for name in dataset.classes if labels[name] not in (*manifest.classes, LEAVE_OUT)]:
        raise EvaluationError(
            "evaluation:unknown_label",
            f"the model has no class for {', '.join(lost)}; it has {', '.join(manifest.classes)}. Say which one it is with "
            f"--label {lost[0]}=CLASS, or leave those images out with --leave-out {lost[0]}",
        )
    dataset = dataset_relabel(dataset, labels=labels, classes=manifest.classes)
    if options.split:
        kept = tuple(record for record in dataset.records if record.split == options.split)
        if not kept:
            known = sorted({record.split for record in dataset.records if record.split}) or ["none"]
            raise EvaluationError(
                "evaluation:split_unknown", f"no image is in the split {options.split}; splits: {', '.join(known)}"
            )
        dataset = replace(dataset, records=kept)
    return dataset


def collection_warnings(dataset: Dataset, manifest: Manifest, answers: PackageAnswers) -> list[str]:
    """What a reader of the figures must know: training on these images, unknown patients, images without an answer."""
    found = []
    trained_on = manifest.provenance.training_data.lower()
    if any(name and name.lower() in trained_on for name in (dataset.name, dataset.title)):
        found.append(
            f"The package says it was trained on {manifest.provenance.training_data}. Images it was trained on are no test of it."
        )
    if dataset.grouping == "image":
        found.append("The collection does not say whose image is whose: intervals are over images and too narrow.")
    if answers.refusals:
        reasons = ", ".join(f"{count} {code}" for code, count in sorted(Counter(r.code for r in answers.refusals).items()))
        found.append(f"{len(answers.refusals)} of {len(dataset.records)} images have no answer and are in no figure: {reasons}.")
    return found
