"""What exported graphs say of held-out images, and what is true of them: the arrays an evaluation is made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_registry.building.golden import session_create, session_run
from model_registry.evaluation.cases import Cases, Predictions
from model_registry.evaluation.subgroups import record_facts
from model_registry.export.onnx_export import ExportedModel
from model_registry.training.loop import Input
from model_registry.training.samples import Sample

BATCH = 8


def predict(*, exported: ExportedModel, samples: Sequence[Sample], threads: int = 1) -> Predictions:
    """Run the exported graph itself, heatmaps included, on prepared samples. Raises NotRunnable."""
    session = session_create(exported.explained, threads=threads)
    logits, heatmaps = [], []
    for start in range(0, len(samples), BATCH):
        batch = np.stack([sample.tensor for sample in samples[start : start + BATCH]])
        found = session_run(session, names=exported.tensors, batch=batch)
        logits.append(found[0])
        heatmaps.append(found[2])
    return Predictions(logits=np.concatenate(logits), heatmaps=np.concatenate(heatmaps))


def predictions_join(found: Sequence[Predictions]) -> Predictions:
    maps = [predictions.heatmaps for predictions in found if predictions.heatmaps is not None]
    return Predictions(
        logits=np.concatenate([predictions.logits for predictions in found]), heatmaps=np.concatenate(maps) if maps else None
    )


def cases_of(samples: Sequence[Sample], *, given: Input, classes: int, segments: bool = False) -> Cases:
    """The truth of `samples`, in their order. Where the network `segments`, circles count as masks too."""
    facts = [record_facts(sample.record) for sample in samples]
    names = sorted({name for values in facts for name in values})
    subgroups = {name: np.array([values.get(name, "") for values in facts]) for name in names}
    masks = None
    drawn = [sample.masks_path is not None or (segments and len(sample.lesions) > 0) for sample in samples]
    if any(drawn):
        masks = tuple(
            sample.masks(classes=classes).max(axis=-1) >= 0.5 if has_mask else None
            for sample, has_mask in zip(samples, drawn, strict=True)
        )
    breasts = tuple(np.asarray(sample.tensor[..., -1]) >= 0.5 for sample in samples) if given.has_mask else None
    return Cases(
        labels=np.array([sample.label for sample in samples]),
        groups=np.array([sample.group for sample in samples]),
        lesions=tuple(sample.lesions for sample in samples),
        is_located=np.array([sample.is_located for sample in samples]),
        subgroups=subgroups,
        input_hw=given.shape[:2],
        masks=masks,
        breasts=breasts,
    )


def reference_maxima(*, predictions: Predictions, targets: Sequence[str], percentile: float = 95.0) -> dict[str, float] | None:
    """For each target that percentile of the maps' maxima: what the hottest colour stands for. None where it would be zero."""
    if predictions.heatmaps is None:
        return None
    maxima = np.percentile(predictions.heatmaps.max(axis=(2, 3)), percentile, axis=0)
    return {target: float(value) for target, value in zip(targets, maxima, strict=True)} if (maxima > 0).all() else None
