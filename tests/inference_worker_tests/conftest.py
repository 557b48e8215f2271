from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# importmode=importlib gives test folders no package, so the factories are loaded by path and named once.
_spec = importlib.util.spec_from_file_location("worker_factories", Path(__file__).with_name("factories.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["worker_factories"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Any]:
    made = _module.Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bench_with(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(_module.Bench(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
