"""What the parent tells the child process that runs a stranger's model, and what the child answers. Values only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference_worker.contract.checks import CheckItem, Verdict
from inference_worker.settings import WorkerSettings

_PATHS = ("package_cache_dir", "package_trusted_keys")
#: What the child has no use for and must not know.
_SECRET = ("broker_url", "object_store_url")


@dataclasses.dataclass(frozen=True, slots=True)
class ChildRequest:
    """`memory_bytes` is what the model may take on top of the bare process."""

    folder: str
    parent: int
    memory_bytes: int
    settings: dict[str, Any]


def settings_pack(settings: WorkerSettings) -> dict[str, Any]:
    """The settings as JSON types, without credentials."""
    values = dataclasses.asdict(settings) | dict.fromkeys(_SECRET, "")
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def settings_unpack(values: Mapping[str, Any]) -> WorkerSettings:
    known = dict(values)
    for name in _PATHS:
        known[name] = None if known[name] is None else Path(known[name])
    known["execution_providers"] = tuple(known["execution_providers"])
    return WorkerSettings(**known)


def item_pack(item: CheckItem) -> dict[str, Any]:
    """As JSON types; a figure that is no finite number becomes a word, as JSON has none for it."""
    packed = dataclasses.asdict(item)
    for name, value in (packed["figures"] or {}).items():
        if isinstance(value, float) and not math.isfinite(value):
            packed["figures"][name] = str(value)
    return packed


def item_unpack(values: Mapping[str, Any]) -> CheckItem:
    return CheckItem(**{**values, "verdict": Verdict(values["verdict"])})


@dataclasses.dataclass(frozen=True, slots=True)
class BuildRequest:
    """Build a package in `folder` from the ONNX file `source` and the fields of `form`."""

    source: str
    folder: str
    parent: int
    form: dict[str, Any]
