"""What a sound model answers: finite numbers, probabilities that are ones, the same in every batch and every time.

Each function looks at one thing and returns its item; `run` takes a batch (N, …) of prepared images. Makes no session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.checks import CheckItem, Verdict
from inference_worker.scoring import calibrated_probabilities
from model_registry.packaging import Manifest

Run = Callable[[Array], ModelOutput]

#: Relative to the largest value where that is above 1; maps relative to their maximum.
BATCH_TOLERANCE = 1e-4
REPEAT_TOLERANCE = 1e-5
PROBABILITY_TOLERANCE = 1e-3
_ARRAYS = ("logits", "probabilities", "heatmaps")
_SEED = 20260


def extreme_images(golden: Sequence[Array]) -> dict[str, Array]:
    """Prepared images at the ends of what the golden inputs reach: black, white, noise, and values beyond, by name."""
    low = min(float(image.min()) for image in golden)
    high = max(float(image.max()) for image in golden)
    span = max(high - low, 1e-3)
    shape = golden[0].shape
    random = np.random.default_rng(_SEED)
    chequered = np.indices(shape).sum(axis=0) % 2
    images = {
        "black": np.full(shape, low),
        "white": np.full(shape, high),
        "zero": np.zeros(shape),
        "noise": random.uniform(low, high, shape),
        "chequered": np.where(chequered, high, low),
        "beyond": np.full(shape, high + span),
    }
    return {name: np.ascontiguousarray(image, np.float32) for name, image in images.items()}


def finite_check(*, run: Run, images: dict[str, Array]) -> CheckItem:
    """No NaN and no infinity, whatever the image."""
    wrong = []
    for name, image in images.items():
        output = run(image[np.newaxis])
        wrong += [f"{array} of the {name} image" for array in _ARRAYS if not np.isfinite(getattr(output, array)).all()]
    if wrong:
        return CheckItem("finite", Verdict.FAILED, f"not finite: {', '.join(wrong)}", "model:not_finite", {"wrong": len(wrong)})
    return CheckItem("finite", Verdict.PASSED, f"finite for {', '.join(images)}", figures={"images": len(images)})


def probabilities_check(*, run: Run, images: Sequence[Array], manifest: Manifest) -> CheckItem:
    """Within [0, 1], summing to 1 for a softmax, and the activation of the logits, on which calibration relies."""
    lowest, highest, sum_error, activation_error = 1.0, 0.0, 0.0, 0.0
    for image in images:
        output = run(image[np.newaxis])
        found = output.probabilities.astype(np.float64)
        lowest, highest = min(lowest, float(found.min())), max(highest, float(found.max()))
        if manifest.output_activation == "softmax":
            sum_error = max(sum_error, float(np.abs(found.sum(axis=1) - 1).max()))
        wanted = calibrated_probabilities(logits=output.logits, temperature=1.0, activation=manifest.output_activation)
        activation_error = max(activation_error, float(np.abs(found - wanted).max()))
    figures = {"lowest": lowest, "highest": highest, "sum_error": sum_error, "activation_error": activation_error}
    faults = []
    if not (lowest >= -PROBABILITY_TOLERANCE and highest <= 1 + PROBABILITY_TOLERANCE):
        faults.append(f"values from {lowest:.3g} to {highest:.3g}")
    if not sum_error <= PROBABILITY_TOLERANCE:
        faults.append(f"sums miss 1 by {sum_error:.3g}")
    if not activation_error <= PROBABILITY_TOLERANCE:
        faults.append(f"they miss the {manifest.output_activation} of the logits by {activation_error:.3g}")
    if faults:
        return CheckItem("probabilities", Verdict.FAILED, "; ".join(faults), "model:probabilities_wrong", figures)
    return CheckItem("probabilities", Verdict.PASSED, f"the {manifest.output_activation} of the logits", figures=figures)


def batch_check(*, run: Run, images: Sequence[Array], batch_sizes: Sequence[int]) -> CheckItem:
    """Every image alone against the same image in every batch size, in changing company and beside padding."""
    alone = [run(image[np.newaxis]).image(0) for image in images]
    worst, where = 0.0, ""
    for size in batch_sizes:
        for start in range(0, len(images), max(size, 1)):
            chosen = [(start + place) % len(images) for place in range(size)]
            for padded in (False, True):
                batch = np.stack([images[index] for index in chosen])
                real = max(1, size // 2) if padded else size
                batch[real:] = 0.0
                output = run(batch)
                for place in range(real):
                    difference = _difference(output.image(place), alone[chosen[place]])
                    if not difference <= worst:
                        worst, where = difference, f"image {chosen[place]} in a batch of {size}{', padded' if padded else ''}"
    figures = {"largest_difference": worst, "tolerance": BATCH_TOLERANCE, "batch_sizes": list(batch_sizes)}
    if not worst <= BATCH_TOLERANCE:
        detail = f"{where} differs by {worst:.3g}, allowed {BATCH_TOLERANCE:g}"
        return CheckItem("batch_independence", Verdict.FAILED, detail, "model:batch_dependent", figures)
    detail = f"largest difference {worst:.2g}, allowed {BATCH_TOLERANCE:g}"
    return CheckItem("batch_independence", Verdict.PASSED, detail, figures=figures)


def determinism_check(*, run: Run, images: Sequence[Array], batch_size: int) -> CheckItem:
    """The same batch three times, alone and full."""
    worst = 0.0
    for batch in (np.stack(images[:1]), np.stack([images[index % len(images)] for index in range(batch_size)])):
        first = run(batch)
        for _ in range(2):
            again = run(batch)
            worst = _worse(worst, max(_difference(again.image(index), first.image(index)) for index in range(len(batch))))
    figures = {"largest_difference": worst, "tolerance": REPEAT_TOLERANCE}
    if not worst <= REPEAT_TOLERANCE:
        detail = f"the same image differs by {worst:.3g} from run to run"
        return CheckItem("determinism", Verdict.FAILED, detail, "model:not_deterministic", figures)
    if worst:
        detail = f"the same to {worst:.2g}, not to the last bit: replays are equal within a tolerance"
        return CheckItem("determinism", Verdict.WARNING, detail, figures=figures)
    return CheckItem("determinism", Verdict.PASSED, "the same to the last bit", figures=figures)


def _difference(found: ModelOutput, wanted: ModelOutput) -> float:
    """The largest difference of any array, relative as BATCH_TOLERANCE says; infinite where either is not finite."""
    worst = 0.0
    for name in _ARRAYS:
        here, there = getattr(found, name), getattr(wanted, name)
        largest = float(np.abs(there).max(initial=0.0))
        scale = (largest or 1.0) if name == "heatmaps" else max(1.0, largest)
        difference = float(np.abs(here.astype(np.float64) - there).max(initial=0.0)) / scale
        worst = _worse(worst, difference if np.isfinite(difference) else np.inf)
    return worst


def _worse(one: float, other: float) -> float:
    return one if other <= one else other
