"""What an operator can set, read once from the environment. Holds values; opens nothing and decides nothing."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROVIDER_NAMES = ("tensorrt", "cuda", "cpu")
PIXELS_KEPT = ("quick", "small", "none")


class SettingsError(ValueError):
    """The environment cannot be used. The text names the variable and what to set it to."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The worker's whole configuration. Sizes are in bytes, waits in seconds, image sizes in pixels of the longer side."""

    broker_url: str
    object_store_url: str
    worker_name: str
    worker_threads: int
    batch_maximum_size: int
    batch_maximum_wait_seconds: float
    session_memory_limit_bytes: int
    session_idle_seconds: float
    worker_memory_limit_bytes: int
    package_cache_dir: Path
    package_trusted_keys: Path | None
    package_model_maximum_bytes: int
    validation_seconds: int
    execution_providers: tuple[str, ...]
    intra_op_threads: int
    cpu_lanes: int
    gpu_device_index: int
    preview_longer_side: int
    heatmap_longer_side: int
    overlay_longer_side: int
    viewer_pixels: str


def settings_from_environment(environ: Mapping[str, str] | None = None) -> WorkerSettings:
    """Read every variable once. Raises SettingsError naming the first one that is missing or wrong."""
    source = os.environ if environ is None else environ
    cores = available_cores()
    # Side by side, runs of a few threads each do more a second than one run of all threads: less waiting for one another.
    lanes = _whole(source, "CPU_LANES", default=1 if cores == 1 else max(2, cores // 4), low=1, high=256)
    return WorkerSettings(
        broker_url=_required(source, "BROKER_URL", "the broker's URL, e.g. redis://localhost:6379/0"),
        object_store_url=_required(source, "OBJECT_STORE_URL", "file:///folder or s3://bucket/prefix"),
        worker_name=_worker_name(source),
        worker_threads=_whole(source, "WORKER_THREADS", default=max(4, 2 * cores), low=1, high=256),
        batch_maximum_size=_whole(source, "BATCH_MAX_SIZE", default=8, low=1, high=256),
        batch_maximum_wait_seconds=_whole(source, "BATCH_MAX_WAIT_MS", default=4, low=0, high=10_000) / 1000,
        session_memory_limit_bytes=_whole(source, "SESSION_MEMORY_LIMIT_MB", default=4096, low=16, high=1_000_000) * 2**20,
        session_idle_seconds=_whole(source, "SESSION_IDLE_SECONDS", default=120, low=0, high=86_400),
        worker_memory_limit_bytes=_whole(source, "WORKER_MEMORY_LIMIT_MB", default=0, low=0, high=10_000_000) * 2**20,
        package_cache_dir=Path(source.get("PACKAGE_CACHE_DIR") or Path(tempfile.gettempdir()) / "mammoserve-packages"),
        package_trusted_keys=_folder(source, "PACKAGE_TRUSTED_KEYS"),
        package_model_maximum_bytes=_whole(source, "PACKAGE_MODEL_MAX_MB", default=2048, low=1, high=2048) * 2**20,
        validation_seconds=_whole(source, "VALIDATION_SECONDS", default=600, low=1, high=3000),
        execution_providers=_providers(source),
        intra_op_threads=_whole(source, "INTRA_OP_THREADS", default=max(1, cores // lanes), low=1, high=256),
        cpu_lanes=lanes,
        gpu_device_index=_whole(source, "GPU_DEVICE_INDEX", default=0, low=0, high=63),
        preview_longer_side=_whole(source, "PREVIEW_LONGER_SIDE", default=1024, low=64, high=8192),
        heatmap_longer_side=_whole(source, "HEATMAP_LONGER_SIDE", default=256, low=16, high=4096),
        overlay_longer_side=_whole(source, "OVERLAY_LONGER_SIDE", default=512, low=16, high=8192),
        viewer_pixels=_pixels_kept(source),
    )


def available_cores() -> int:
    """Cores this process may use: its affinity, further limited by a container's CPU quota. At least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        return max(1, cores)  # no cgroup v2 here: the affinity is all there is to know
    return max(1, cores)


def _required(source: Mapping[str, str], name: str, meaning: str) -> str:
    value = source.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: set it to {meaning}")
    return value


def _folder(source: Mapping[str, str], name: str) -> Path | None:
    text = source.get(name, "").strip()
    if text and not Path(text).is_dir():
        raise SettingsError(f"{name} is {text!r}, where no folder is: set it to the folder of the public keys, or leave it out")
    return Path(text) if text else None


def _whole(source: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = source.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SettingsError(f"{name} is {text!r}: set it to a whole number from {low} to {high}, or leave it out for {default}")
    return value


def _providers(source: Mapping[str, str]) -> tuple[str, ...]:
    text = source.get("EXECUTION_PROVIDERS", "").strip().lower()
    names = tuple(name.strip() for name in text.split(",") if name.strip()) or PROVIDER_NAMES
    if unknown := [name for name in names if name not in PROVIDER_NAMES]:
        raise SettingsError(f"EXECUTION_PROVIDERS names {unknown}: set it to some of {','.join(PROVIDER_NAMES)}, best first")
    return tuple(dict.fromkeys(names))


def _pixels_kept(source: Mapping[str, str]) -> str:
    text = source.get("VIEWER_PIXELS", "").strip().lower() or PIXELS_KEPT[0]
    if text not in PIXELS_KEPT:
        raise SettingsError(f"VIEWER_PIXELS is {text!r}: set it to one of {', '.join(PIXELS_KEPT)}")
    return text


def _worker_name(source: Mapping[str, str]) -> str:
    name = source.get("WORKER_NAME", "").strip() or f"{socket.gethostname()}-{os.getpid()}"
    cleaned = re.sub(r"[^A-Za-z0-9._@-]", "-", name)[:100]
    if not cleaned:
        raise SettingsError("WORKER_NAME is empty: set it to letters, digits, '.', '_', '@' and '-'")
    return cleaned
