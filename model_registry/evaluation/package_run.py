"""A package's own graph over a collection, through its own profile, as the worker would run it: cases and what was said of them.

Computes no figure. Nothing is given to an engine before the package is verified and its graph inspected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.lesions import lesions_array, lesions_move
from model_registry.datasets.masks import discs_draw, mask_move, mask_read, record_locate
from model_registry.datasets.pixels import record_image
from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.evaluation.cases import Cases, Predictions
from model_registry.evaluation.errors import EvaluationError
from model_registry.evaluation.subgroups import record_facts
from model_registry.inspection import Severity, package_inspect
from model_registry.packaging import Manifest, Package, PackageError, package_verify
from model_registry.preprocessing import PreparedImage, PreprocessingError, image_prepare

MASK_HALF = 128  # of 255


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image without an answer: `code` as the worker would give it, `detail` for engineers."""

    image_id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class PackageAnswers:
    """`cases` and `predictions` of the images that were answered, `image_ids` (n,) theirs; `refusals` the others."""

    cases: Cases
    predictions: Predictions
    image_ids: tuple[str, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A record whose image is prepared; `source_hw` is that image's size."""

    record: ImageRecord
    prepared: PreparedImage
    source_hw: tuple[int, int]


@dataclass(slots=True)
class _Collected:
    records: list[ImageRecord] = field(default_factory=list)
    logits: list[np.ndarray] = field(default_factory=list)
    heatmaps: list[np.ndarray] = field(default_factory=list)
    lesions: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray | None] = field(default_factory=list)
    breasts: list[np.ndarray | None] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def package_open(folder: Path) -> Package:
    """A package that is whole and whose graph is sound. Raises PackageError, and EvaluationError with the inspection's code."""
    package = package_verify(folder)
    wrong = [finding for finding in package_inspect(folder) if finding.severity is Severity.ERROR]
    if wrong:
        raise EvaluationError(wrong[0].code, "; ".join(finding.detail for finding in wrong[:3]))
    return package


def package_answers(
    *, package: Package, dataset: Dataset, threads: int = 0, advance: Callable[[], None] = lambda: None
) -> PackageAnswers:
    """Run the package on every record of a collection that was relabelled to the package's classes, in their order.

    `advance` is called once a record. An image that cannot be read, or shows no breast, is a refusal and in no figure. Maps are
    kept where the collection says where lesions are. Raises EvaluationError where nothing could be answered.
    """
    manifest = package.manifest
    if dataset.classes != manifest.classes:
        raise EvaluationError("evaluation:unknown_label", f"the collection has {dataset.classes}, the model {manifest.classes}")
    session = _session(package, threads)
    keep_maps = any(record.lesions or record.mask_paths for record in dataset.records)
    collected, size = _Collected(), manifest.batch_sizes[-1]
    batch: list[_Ready] = []
    for ready in _prepared(dataset, manifest, collected, advance):
        batch.append(ready)
        if len(batch) == size:
            _run(session, manifest, batch, collected, keep_maps=keep_maps)
            batch = []
    if batch:
        _run(session, manifest, batch, collected, keep_maps=keep_maps)
    if not collected.records:
        reasons = ", ".join(sorted({refusal.code for refusal in collected.refusals})) or "the collection is empty"
        raise EvaluationError("evaluation:no_cases", f"none of {len(dataset.records)} images could be judged: {reasons}")
    return PackageAnswers(
        cases=_cases(collected, manifest),
        predictions=Predictions(np.concatenate(collected.logits), np.concatenate(collected.heatmaps) if keep_maps else None),
        image_ids=tuple(record.image_id for record in collected.records),
        refusals=tuple(collected.refusals),
    )


def input_hw(manifest: Manifest) -> tuple[int, int]:
    """(rows, columns) of the model's input."""
    shape = manifest.input_shape
    return (shape[0], shape[1]) if manifest.preprocessing.tensor_layout == "nhwc" else (shape[1], shape[2])


def _session(package: Package, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(package.model_path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise EvaluationError("model:session_failed", str(error).strip().splitlines()[0][:300]) from error


def _prepared(dataset: Dataset, manifest: Manifest, collected: _Collected, advance: Callable[[], None]) -> Iterator[_Ready]:
    for record in dataset.records:
        try:
            image = record_image(record)
            prepared = image_prepare(image=image, profile=manifest.preprocessing)
        except (DatasetError, PreprocessingError) as error:
            collected.refusals.append(Refusal(record.image_id, error.code, error.detail))
        else:
            if prepared.assessable:
                yield _Ready(record, prepared, (image.rows, image.columns))
            else:
                collected.refusals.append(Refusal(record.image_id, "not_assessable", ", ".join(prepared.cautions)))
        advance()


def _run(
    session: onnxruntime.InferenceSession,
    manifest: Manifest,
    batch: Sequence[_Ready],
    collected: _Collected,
    *,
    keep_maps: bool,
) -> None:
    tensors = np.stack([ready.prepared.tensor for ready in batch])
    names = manifest.tensors
    # padded to a declared batch size, because a graph may be fixed to them
    size = next(declared for declared in manifest.batch_sizes if declared >= len(batch))
    padded = np.concatenate([tensors, np.zeros((size - len(batch), *tensors.shape[1:]), tensors.dtype)])
    wanted = [names.logits, names.heatmaps] if keep_maps else [names.logits]
    try:
        found = session.run(wanted, {names.image: padded})
    except Exception as error:  # as in _session
        raise EvaluationError("model:session_failed", str(error).strip().splitlines()[0][:300]) from error
    collected.logits.append(np.asarray(found[0][: len(batch)]))
    if keep_maps:
        collected.heatmaps.append(np.asarray(found[1][: len(batch)], dtype=np.float32))
    for ready in batch:
        _truth_add(ready, manifest, collected)


def _truth_add(ready: _Ready, manifest: Manifest, collected: _Collected) -> None:
    """Lesions and masks carried into the model's input. A mask that cannot be used leaves the image without a place."""
    record, prepared, source_hw = ready.record, ready.prepared, ready.source_hw
    hw, matrix = input_hw(manifest), prepared.model_from_source
    located, _ = record_locate(record, classes=manifest.classes) if record.mask_paths else (record, ())
    lesions = lesions_move(lesions_array(located.lesions), matrix)
    mask = None
    if record.mask_paths and located.is_located:
        moved = [
            mask_move(mask_read(path), source_hw=source_hw, model_from_source=matrix, input_hw=hw) for path in record.mask_paths
        ]
        mask = np.max(moved, axis=0) >= MASK_HALF
    elif manifest.task == "segmentation" and len(lesions):
        mask = discs_draw(lesions, input_hw=hw).any(axis=0)
    collected.records.append(located)
    collected.lesions.append(lesions)
    collected.masks.append(mask)
    collected.breasts.append(prepared.mask)


def _cases(collected: _Collected, manifest: Manifest) -> Cases:
    records = collected.records
    facts = [record_facts(record) for record in records]
    names = sorted({name for values in facts for name in values})
    isolated = any(breast is not None for breast in collected.breasts)
    return Cases(
        labels=np.array([manifest.classes.index(record.label) for record in records]),
        groups=np.array([record.group_id for record in records]),
        lesions=tuple(collected.lesions),
        is_located=np.array([record.is_located for record in records]),
        subgroups={name: np.array([values.get(name, "") for values in facts]) for name in names},
        input_hw=input_hw(manifest),
        masks=tuple(collected.masks) if any(mask is not None for mask in collected.masks) else None,
        breasts=tuple(collected.breasts) if isolated else None,
    )


__all__ = ["PackageAnswers", "PackageError", "Refusal", "package_answers", "package_open"]
