"""The process in which a package's model is run for its validation: `python -m inference_worker.checks`, started by validation.

Reads one ChildRequest from standard input and writes a line of JSON for everything it begins and finds, at once, so that a crash
loses nothing; the last line says that it came to the end. Carries on after a failed item, so that a report names every fault.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from inference_worker.batching import Array, ModelOutput
from inference_worker.checks.answers import (
    batch_check,
    determinism_check,
    extreme_images,
    finite_check,
    probabilities_check,
)
from inference_worker.checks.child_process import child_begin
from inference_worker.checks.gradients import gradients_check
from inference_worker.checks.maps import heatmaps_check
from inference_worker.checks.request import ChildRequest, item_pack, settings_unpack
from inference_worker.checks.speed import performance_check
from inference_worker.contract.checks import CheckItem, Verdict
from inference_worker.contract.failures import CodedError
from inference_worker.golden import golden_check
from inference_worker.memory import resident_memory_bytes
from inference_worker.providers import ModelSession, sessions_by_preference
from inference_worker.settings import WorkerSettings
from model_registry.packaging import Package, package_read
from model_registry.preprocessing.golden import GoldenFailure, golden_tensor

Say = Callable[[dict[str, Any]], None]

_DETAIL_MAXIMUM = 1500


def main() -> int:
    request = ChildRequest(**json.load(sys.stdin))
    child_begin(request.parent)
    settings = settings_unpack(request.settings)
    carry_out(package=package_read(request.folder), settings=settings, limit_bytes=request.memory_bytes, say=_say)
    _say({"end": True})
    return 0


def carry_out(*, package: Package, settings: WorkerSettings, limit_bytes: int, say: Say) -> None:
    """Every item that needs the model to run, in this very process. `say` takes each line of the report."""
    bare_bytes = resident_memory_bytes()
    images: list[Array] = []
    _item(say, "preprocessing", lambda: _preprocessing(package, images))
    sessions: list[ModelSession] = []
    _item(say, "session", lambda: _session(package, settings, sessions, say))
    if images and sessions:
        _answers(package, settings, sessions[-1], images, say, bare_bytes=bare_bytes, limit_bytes=limit_bytes)


def _answers(
    package: Package,
    settings: WorkerSettings,
    session: ModelSession,
    images: list[Array],
    say: Say,
    *,
    bare_bytes: int,
    limit_bytes: int,
) -> None:
    """Every item that looks at answers, each by itself."""
    manifest, run = package.manifest, session.run
    batch_sizes = tuple(size for size in manifest.batch_sizes if size <= settings.batch_maximum_size) or manifest.batch_sizes[:1]

    def alone() -> list[ModelOutput]:
        return [run(image[np.newaxis]).image(0) for image in images]

    _item(say, "golden", lambda: _golden(package, session))
    _item(
        say,
        "performance",
        lambda: performance_check(
            run=run,
            image=images[0],
            batch_sizes=batch_sizes,
            bare_bytes=bare_bytes,
            limit_bytes=limit_bytes,
            measured=lambda line: say({"performance": line}),
        ),
    )
    extreme = extreme_images(images)
    named = {f"golden {index}": image for index, image in enumerate(images, start=1)}
    _item(say, "finite", lambda: finite_check(run=run, images=named | extreme))
    _item(say, "probabilities", lambda: probabilities_check(run=run, images=images, manifest=manifest))
    _item(say, "batch_independence", lambda: batch_check(run=run, images=images, batch_sizes=batch_sizes))
    _item(say, "determinism", lambda: determinism_check(run=run, images=images, batch_size=batch_sizes[-1]))
    _item(say, "heatmaps", lambda: heatmaps_check(outputs=alone(), manifest=manifest))
    _item(say, "heatmap_gradients", lambda: gradients_check(package=package, images=images, outputs=alone()))


def _preprocessing(package: Package, images: list[Array]) -> CheckItem:
    """The golden inputs become tensors of the model's shape, finite and not empty."""
    manifest = package.manifest
    for case in manifest.golden:
        try:
            images.append(golden_tensor(package=package, case=case))
        except GoldenFailure as error:
            raise CodedError(error.code, error.detail) from error
    shapes = {image.shape for image in images}
    figures = {
        "images": len(images),
        "minimum": float(min(image.min() for image in images)),
        "maximum": float(max(image.max() for image in images)),
    }
    fault = ""
    if shapes != {tuple(manifest.input_shape)}:
        fault = f"the profile makes {sorted(shapes)}, the model takes {tuple(manifest.input_shape)}"
    elif not all(np.isfinite(image).all() for image in images):
        fault = "the profile makes values that are not finite"
    if fault:
        images.clear()
        return CheckItem("preprocessing", Verdict.FAILED, fault, "model:shape_mismatch")
    flat = sum(float(np.ptp(image)) == 0.0 for image in images)
    detail = f"{len(images)} inputs of shape {'x'.join(map(str, manifest.input_shape))}"
    if flat:
        return CheckItem(
            "preprocessing", Verdict.WARNING, f"{detail}; {flat} of them are the same value everywhere", None, figures
        )
    return CheckItem("preprocessing", Verdict.PASSED, detail, figures=figures)


def _session(package: Package, settings: WorkerSettings, sessions: list[ModelSession], say: Say) -> CheckItem:
    """A session on the provider that the worker would serve with: the first that reproduces the golden inputs."""
    started = time.monotonic()
    for session in sessions_by_preference(package=package, settings=settings):
        sessions[:] = [session]  # one at a time: the one before frees its memory
        say({"provider": session.choice.name})
        if _misses_golden(package, session) is None:
            break
    choice = sessions[-1].choice
    detail = f"{choice.name}: {choice.reason}"
    return CheckItem("session", Verdict.PASSED, detail, figures={"seconds": round(time.monotonic() - started, 3)})


def _misses_golden(package: Package, session: ModelSession) -> str | None:
    """What is wrong, None when all agree. A model that cannot run at all misses them too; the items say how."""
    try:
        golden_check(package=package, run=session.run)
    except CodedError as error:
        return error.detail
    except Exception as error:  # noqa: BLE001 - the engine's own errors share no base
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def _golden(package: Package, session: ModelSession) -> CheckItem:
    golden_check(package=package, run=session.run)
    detail = f"{len(package.manifest.golden)} inputs answered as promised, on {session.choice.name}"
    figures = {"inputs": len(package.manifest.golden), "tolerance": max(case.tolerance for case in package.manifest.golden)}
    if "did not reproduce the golden outputs" in session.choice.reason:
        return CheckItem("golden", Verdict.WARNING, f"{detail}; {session.choice.reason}", figures=figures)
    return CheckItem("golden", Verdict.PASSED, detail, figures=figures)


def _item(say: Say, name: str, action: Callable[[], CheckItem]) -> None:
    """Carry one item out and say what it found; whatever it raises is its finding."""
    say({"begin": name})
    started = time.monotonic()
    try:
        item = action()
    except CodedError as error:
        item = CheckItem(name, Verdict.FAILED, error.detail[:_DETAIL_MAXIMUM], error.code)
    except MemoryError:
        item = CheckItem(name, Verdict.FAILED, "no more memory", "model:out_of_memory")
    except Exception as error:  # noqa: BLE001 - a stranger's model; the engine's errors share no base
        item = CheckItem(name, Verdict.FAILED, f"{type(error).__name__}: {str(error)[:_DETAIL_MAXIMUM]}", "model:run_failed")
    say({"item": item_pack(dataclasses.replace(item, seconds=round(time.monotonic() - started, 3)))})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
