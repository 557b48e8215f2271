"""Which hardware runs a model, and why: TensorRT, then CUDA, then CPU. Makes ONNX Runtime sessions; caches and schedules none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.settings import WorkerSettings
from model_registry.packaging import Manifest, Package

logger = logging.getLogger(__name__)

_ORT_NAMES = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}

#: On a CPU a padded image costs as much as a real one; on a GPU a second launch costs more than the padding.
_MINIMUM_FILL = {"cpu": 0.75}


#: ONNX Runtime's own errors derive straight from Exception, each by itself.
_LOAD_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    MemoryError,
    OSError,
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """The provider in use ("tensorrt", "cuda", "cpu") and, in words for the operator, why not a better one."""

    name: str
    reason: str

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def minimum_fill(self) -> float:
        return _MINIMUM_FILL.get(self.name, 0.0)


class ModelSession:
    """One ONNX Runtime session bound to its manifest's tensor names. `run` is safe from several threads on CPU."""

    def __init__(self, *, session: ort.InferenceSession, manifest: Manifest, choice: ProviderChoice) -> None:
        self._session = session
        self._names = manifest.tensors
        self._outputs = [manifest.tensors.logits, manifest.tensors.probabilities, manifest.tensors.heatmaps]
        self._classes = len(manifest.classes)
        self._maps = (len(manifest.explanation.targets), *manifest.explanation.grid_hw)
        self.choice = choice

    def run(self, tensors: Array) -> ModelOutput:
        """Scores and maps of a batch (N, …) in one run. Raises model:run_failed when the shapes are not the manifest's."""
        logits, probabilities, heatmaps = self._session.run(self._outputs, {self._names.image: tensors})
        count = len(tensors)
        if (
            logits.shape != (count, self._classes)
            or probabilities.shape != (count, self._classes)
            or heatmaps.shape != (count, *self._maps)
        ):
            raise CodedError("model:run_failed", "the outputs do not have the shapes that the manifest declares")
        return ModelOutput(logits, probabilities, heatmaps)

    def warm_up(self, *, image_shape: tuple[int, ...], batch_sizes: tuple[int, ...]) -> None:
        """Run zeros once at every fixed size, so that no job pays for kernel selection, engine building or arena growth."""
        for size in batch_sizes:
            self.run(np.zeros((size, *image_shape), np.float32))


def sessions_by_preference(*, package: Package, settings: WorkerSettings) -> Iterator[ModelSession]:
    """Sessions for the package, best provider first; the next one is built only when the caller asks for it.

    A provider that is not available, or that ONNX Runtime quietly replaced by another, is skipped and the reason carried on.
    Raises CodedError model:session_failed or model:out_of_memory when no provider at all can load the model.
    """
    available = available_providers()
    skipped: list[str] = []
    failure: CodedError | None = None
    made = 0
    for name in settings.execution_providers:
        if _ORT_NAMES[name] not in available:
            skipped.append(f"{name} is not in this ONNX Runtime build")
            continue
        try:
            session = _session_create(name=name, package=package, settings=settings)
        except _LOAD_ERRORS as error:
            skipped.append(f"{name} failed to load the model ({type(error).__name__})")
            failure = _load_failure(error)
            logger.warning("provider.failed provider=%s package_digest=%s: %s", name, package.digest, str(error)[:500])
            continue
        in_use = session.get_providers()[0]
        if in_use != _ORT_NAMES[name]:
            skipped.append(f"{name} did not start (ONNX Runtime fell back to {in_use})")
            continue
        made += 1
        reason = "; ".join([*skipped, f"{name} is the first that works" if skipped else f"{name} is the first choice"])
        yield ModelSession(session=session, manifest=package.manifest, choice=ProviderChoice(name, reason))
        skipped.append(f"{name} did not reproduce the golden outputs")
    if not made:
        raise failure or CodedError("model:session_failed", "; ".join(skipped) or "no provider is configured")


@cache
def available_providers() -> frozenset[str]:
    """ONNX Runtime's providers in this build. The CUDA libraries from wheels are loaded first where there are any."""
    if hasattr(ort, "preload_dlls") and "CUDAExecutionProvider" in ort.get_available_providers():
        ort.preload_dlls()
    ort.set_default_logger_severity(3)  # warnings about fallbacks are reported by us, with the reason
    return frozenset(ort.get_available_providers())


def _session_create(*, name: str, package: Package, settings: WorkerSettings) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.intra_op_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads would take the cores from the threads that decode and encode beside the model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return ort.InferenceSession(
        str(package.model_path), sess_options=options, providers=_provider_chain(name=name, package=package, settings=settings)
    )


def _provider_chain(*, name: str, package: Package, settings: WorkerSettings) -> list[Any]:
    """The provider and those that take the nodes it cannot run."""
    # TF32 rounds the products of a convolution to 10 bits: enough to miss the golden outputs.
    cuda = (_ORT_NAMES["cuda"], {"device_id": str(settings.gpu_device_index), "use_tf32": "0"})
    cpu: tuple[str, dict[str, str]] = (_ORT_NAMES["cpu"], {})
    if name == "cpu":
        return [cpu]
    if name == "cuda":
        return [cuda, cpu]
    manifest = package.manifest
    shape = "x".join(str(size) for size in manifest.input_shape)
    profile = {
        f"trt_profile_{kind}_shapes": f"{manifest.tensors.image}:{size}x{shape}"
        for kind, size in (("min", 1), ("opt", manifest.batch_sizes[-1]), ("max", manifest.batch_sizes[-1]))
    }
    engines = Path(settings.package_cache_dir) / "tensorrt" / package.digest.removeprefix("sha256:")
    tensorrt = {
        "device_id": str(settings.gpu_device_index),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(engines),
        **profile,
    }
    return [(_ORT_NAMES["tensorrt"], tensorrt), cuda, cpu]


def _load_failure(error: BaseException) -> CodedError:
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "failed to allocate" in text or "bad_alloc" in text:
        return CodedError("model:out_of_memory", str(error)[:500])
    return CodedError("model:session_failed", f"{type(error).__name__}: {str(error)[:500]}")
