"""Batches of an epoch, made a little ahead of the network on threads (OpenCV releases the interpreter's lock).

Every batch draws from a generator of its own, seeded by (seed, epoch, step): batches do not depend on timing, and a run that goes
on with epoch k sees what an unbroken one would have seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from model_registry.training.augmentation import Example, example_augment
from model_registry.training.config import TrainingConfig
from model_registry.training.losses import LossPlug
from model_registry.training.samples import Sample

AHEAD = 4
THREADS = 2
_ORDER = 1 << 20  # the step number under which an epoch's order is drawn; no epoch has so many steps

Batch = dict[str, np.ndarray]


def steps_per_epoch(count: int, *, batch_size: int) -> int:
    """Whole batches of an epoch; what is left over waits for another epoch's order. At least one."""
    return max(1, count // batch_size)


def epoch_batches(
    samples: Sequence[Sample],
    *,
    config: TrainingConfig,
    plug: LossPlug,
    epoch: int,
    steps: int,
    has_mask: bool,
    full_scale: float,
) -> Iterator[Batch]:
    """Augmented batches of one epoch: "image", "label" and the plug's targets."""
    order = _order(samples, config=config, epoch=epoch)

    def make(step: int) -> Batch:
        random = np.random.default_rng([config.seed, epoch, step])
        chosen = [samples[index] for index in order[step * config.batch_size : (step + 1) * config.batch_size]]
        examples = [
            example_augment(
                example_of(sample, config=config, plug=plug),
                settings=config.augmentation,
                random=random,
                has_mask=has_mask,
                full_scale=full_scale,
            )
            for sample in chosen
        ]
        return batch_stack(examples, chosen, plug=plug)

    yield from _ahead(make, steps)


def plain_batches(samples: Sequence[Sample], *, config: TrainingConfig, plug: LossPlug) -> Iterator[Batch]:
    """All samples in their order, unchanged."""
    size = config.batch_size

    def make(step: int) -> Batch:
        chosen = samples[step * size : (step + 1) * size]
        return batch_stack([example_of(sample, config=config, plug=plug) for sample in chosen], chosen, plug=plug)

    yield from _ahead(make, -(-len(samples) // size))


def example_of(sample: Sample, *, config: TrainingConfig, plug: LossPlug) -> Example:
    masks = sample.masks(classes=len(config.model.labels)) if plug.masks else None
    if masks is not None:
        # what a normal label marks is no lesion
        keep = [float(label in config.output.suspicion_classes) for label in config.model.labels]
        masks = masks * np.asarray(keep, np.float32)
    return Example(np.asarray(sample.tensor), sample.lesions, masks)


def batch_stack(examples: Sequence[Example], samples: Sequence[Sample], *, plug: LossPlug) -> Batch:
    rows = [plug.targets(example, sample) for example, sample in zip(examples, samples, strict=True)]
    targets = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return {
        "image": np.stack([example.tensor for example in examples]),
        "label": np.asarray([sample.label for sample in samples], dtype=np.int32),
        **targets,
    }


def _order(samples: Sequence[Sample], *, config: TrainingConfig, epoch: int) -> np.ndarray:
    random = np.random.default_rng([config.seed, epoch, _ORDER])
    if config.sampling == "natural":
        return random.permutation(len(samples))
    labels = np.array([sample.label for sample in samples])
    shares = 1 / np.bincount(labels)[labels]
    return random.choice(len(samples), size=len(samples), replace=True, p=shares / shares.sum())


def _ahead(make: Callable[[int], Batch], steps: int) -> Iterator[Batch]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="batches") as pool:
        pending: deque[Future[Batch]] = deque()
        try:
            for step in range(steps):
                pending.append(pool.submit(make, step))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for waiting in pending:
                waiting.cancel()
