"""Keeps models ready to run: loads a package on first use, proves it, shares one session and batcher among all jobs.

Sessions are cached by package digest under a memory bound; the least recently used one that nobody holds goes first. A session
is never made before a fork: the first order makes it. Knows no orders, files of studies or results.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from inference_worker.batching import Array, DynamicBatcher, ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.golden import golden_check
from inference_worker.memory import memory_return, resident_memory_bytes
from inference_worker.package_cache import PackageCache
from inference_worker.providers import ModelSession, ProviderChoice, sessions_by_preference
from inference_worker.settings import WorkerSettings
from inference_worker.soundness import soundness_check
from model_registry.inspection import CODES as INSPECTION_CODES
from model_registry.packaging import Package

logger = logging.getLogger(__name__)

#: A package that failed on this machine fails its next jobs at once, without being loaded again for each of them.
_FAILURE_REMEMBERED_SECONDS = 60.0
REFUSING_CODES = frozenset(
    {
        *("model:golden_mismatch", "model:session_failed", "model:out_of_memory"),
        *("model:signature_missing", "model:signature_invalid", "model:signer_unknown"),
        *INSPECTION_CODES,
    }
)


@dataclass(slots=True)
class LoadedModel:
    """A proven package, its session and its batcher. `memory_bytes` is what loading and warming it took, `used_at` when it was
    last leased or given back, on the monotonic clock."""

    package: Package
    choice: ProviderChoice
    batcher: DynamicBatcher
    memory_bytes: int
    leases: int = 0
    used_at: float = 0.0

    def submit(self, *, tensor: Array) -> Future[ModelOutput]:
        """Queue one prepared image of the package's input shape. See DynamicBatcher.submit."""
        if tensor.shape != self.package.manifest.input_shape:
            raise CodedError(
                "model:invalid_package", f"the profile makes {tensor.shape}, the model takes {self.package.manifest.input_shape}"
            )
        return self.batcher.submit(tensor=tensor)


class Engine:
    """All models of this process. `lease` is safe from several threads; a GPU means one run at a time, a CPU a few."""

    def __init__(
        self,
        *,
        packages: PackageCache,
        settings: WorkerSettings,
        memory_probe: Callable[[], int] = resident_memory_bytes,
    ) -> None:
        self._packages = packages
        self._settings = settings
        self._memory_probe = memory_probe
        self._lock = threading.Lock()
        self._loading_one = threading.Lock()
        self._gpu_gate = threading.BoundedSemaphore(1)
        self._cpu_gate = threading.BoundedSemaphore(settings.cpu_lanes)
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()  # least recently used first
        self._loading: dict[str, Future[LoadedModel]] = {}
        self._failed: dict[str, tuple[float, CodedError]] = {}
        self._last_choice: ProviderChoice | None = None

    @contextmanager
    def lease(self, *, package_digest: str, package_key: str) -> Iterator[LoadedModel]:
        """The model, held in memory until the block ends. Loads and proves it first if need be; others wait for the same load.

        Raises CodedError with a model: or system: code.
        """
        model = self._acquired(package_digest=package_digest, package_key=package_key)
        try:
            yield model
        finally:
            with self._lock:
                model.leases -= 1
                model.used_at = time.monotonic()
            self._evict()

    @property
    def loaded_packages(self) -> tuple[str, ...]:
        """Digests in memory, least recently used first."""
        with self._lock:
            return tuple(self._models)

    @property
    def refused_packages(self) -> dict[str, str]:
        """Digest → code of what this worker could not load or prove lately, and does not try again yet."""
        now = time.monotonic()
        with self._lock:
            return {
                digest: error.code for digest, (since, error) in self._failed.items() if now - since < _FAILURE_REMEMBERED_SECONDS
            }

    def idle_release(self, *, keep: Container[str], idle_seconds: float) -> int:
        """Let every model go that is not in `keep`, that nobody holds and that was not used for `idle_seconds`; returns how
        many. Their memory goes back to the system."""
        before = time.monotonic() - idle_seconds
        with self._lock:
            idle = [
                digest
                for digest, model in self._models.items()
                if digest not in keep and model.leases == 0 and model.used_at <= before
            ]
            gone = [(digest, self._models.pop(digest)) for digest in idle]
        self._let_go(gone)
        return len(idle)

    @property
    def choice(self) -> ProviderChoice | None:
        """The provider of the session made last; None before the first."""
        return self._last_choice

    def close(self) -> None:
        """Finish waiting images and let every session go."""
        with self._lock:
            models, self._models = list(self._models.values()), OrderedDict()
        for model in models:
            model.batcher.close()

    def _acquired(self, *, package_digest: str, package_key: str) -> LoadedModel:
        while True:
            with self._lock:
                if (model := self._models.get(package_digest)) is not None:
                    self._models.move_to_end(package_digest)
                    model.leases += 1
                    model.used_at = time.monotonic()
                    return model
                self._raise_if_failed(package_digest)
                pending = self._loading.get(package_digest)
                if mine := pending is None:
                    pending = self._loading[package_digest] = Future()
            assert pending is not None
            if not mine:
                pending.result()  # raises what the loading thread met; else look again, for it may be evicted already
                continue
            return self._loaded_by_me(pending, package_digest=package_digest, package_key=package_key)

    def _loaded_by_me(self, pending: Future[LoadedModel], *, package_digest: str, package_key: str) -> LoadedModel:
        try:
            with self._loading_one:
                model = self._load(package_digest=package_digest, package_key=package_key)
        except BaseException as error:
            with self._lock:
                del self._loading[package_digest]
                if isinstance(error, CodedError) and error.code in REFUSING_CODES:
                    self._failed[package_digest] = (time.monotonic(), error)
            pending.set_exception(error)
            raise
        with self._lock:
            del self._loading[package_digest]
            model.leases += 1
            self._models[package_digest] = model
        pending.set_result(model)
        self._evict()
        return model

    def _raise_if_failed(self, package_digest: str) -> None:
        failed = self._failed.get(package_digest)
        if failed is None:
            return
        since, error = failed
        if time.monotonic() - since < _FAILURE_REMEMBERED_SECONDS:
            raise CodedError(error.code, error.detail)
        del self._failed[package_digest]

    def _load(self, *, package_digest: str, package_key: str) -> LoadedModel:
        started = time.monotonic()
        package = self._packages.package_get(package_digest=package_digest, package_key=package_key)
        model_bytes = package.model_path.stat().st_size
        if model_bytes > self._settings.session_memory_limit_bytes:
            raise CodedError("model:out_of_memory", f"the model has {model_bytes} bytes, SESSION_MEMORY_LIMIT_MB allows less")
        before = self._memory_probe()
        soundness_check(package, model_bytes_maximum=self._settings.package_model_maximum_bytes)
        batch_sizes = self._batch_sizes(package)
        session = self._proven_session(package, batch_sizes)
        # Other threads allocate meanwhile, so the growth is an estimate; the weights are its floor.
        memory_bytes = max(model_bytes, self._memory_probe() - before)
        self._last_choice = session.choice
        logger.info(
            "model.ready package_digest=%s provider=%s reason=%s memory_bytes=%d seconds=%.2f",
            package_digest, session.choice.name, session.choice.reason, memory_bytes, time.monotonic() - started,
        )  # fmt: skip
        batcher = DynamicBatcher(
            run=session.run,
            batch_sizes=batch_sizes,
            maximum_wait_seconds=self._settings.batch_maximum_wait_seconds,
            gate=self._gate(session.choice),
            minimum_fill=session.choice.minimum_fill,
            lanes=self._settings.cpu_lanes if session.choice.is_cpu else 1,
            name=f"batcher-{package_digest[7:15]}",
        )
        return LoadedModel(package=package, choice=session.choice, batcher=batcher, memory_bytes=memory_bytes)

    def _gate(self, choice: ProviderChoice) -> threading.BoundedSemaphore:
        return self._cpu_gate if choice.is_cpu else self._gpu_gate

    def _batch_sizes(self, package: Package) -> tuple[int, ...]:
        declared = package.manifest.batch_sizes
        return tuple(size for size in declared if size <= self._settings.batch_maximum_size) or declared[:1]

    def _proven_session(self, package: Package, batch_sizes: tuple[int, ...]) -> ModelSession:
        """The first session, in order of preference, that reproduces the golden outputs."""
        mismatch: CodedError | None = None
        for session in sessions_by_preference(package=package, settings=self._settings):
            try:
                with self._gate(session.choice):
                    golden_check(package=package, run=session.run)
                    session.warm_up(image_shape=package.manifest.input_shape, batch_sizes=batch_sizes)
            except CodedError as error:
                if error.code != "model:golden_mismatch":
                    raise
                logger.warning(
                    "model.golden_mismatch package_digest=%s provider=%s: %s", package.digest, session.choice.name, error.detail
                )
                mismatch = error
                continue
            except Exception as error:
                # A model that cannot run its own golden input: ONNX Runtime's errors share no base of their own.
                logger.exception("model.run_failed package_digest=%s provider=%s", package.digest, session.choice.name)
                raise CodedError("model:session_failed", f"{type(error).__name__}: {str(error)[:300]}") from error
            return session
        raise mismatch or CodedError("model:session_failed", "no provider made a session")

    def _evict(self) -> None:
        """Let idle models go, least recently used first, until the rest fits."""
        limit = self._settings.session_memory_limit_bytes
        gone: list[tuple[str, LoadedModel]] = []
        with self._lock:
            total = sum(model.memory_bytes for model in self._models.values())
            for digest, model in list(self._models.items()):
                if total <= limit or len(self._models) == 1:
                    break
                if model.leases == 0:
                    del self._models[digest]
                    total -= model.memory_bytes
                    gone.append((digest, model))
        self._let_go(gone)

    @staticmethod
    def _let_go(gone: list[tuple[str, LoadedModel]]) -> None:
        """End the batchers, and with them the last references to their sessions."""
        if not gone:
            return
        while gone:
            digest, model = gone.pop()
            model.batcher.close()
            logger.info("model.released package_digest=%s memory_bytes=%d", digest, model.memory_bytes)
            del model
        memory_return()
