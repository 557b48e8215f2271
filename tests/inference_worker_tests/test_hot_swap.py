"""The keeper with a real engine: what is in service is ready before its first order, what is not is let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from inference_worker import engine as engine_module
from inference_worker.hot_swap import PackageKeeper
from inference_worker.memory import memory_return, resident_memory_bytes
from tests.inference_worker_tests.factories import Bench, package_key


@pytest.fixture
def keeper_of() -> Iterator[Callable[..., PackageKeeper]]:
    made: list[PackageKeeper] = []

    def make(bench: Bench, **options: Any) -> PackageKeeper:
        values: dict[str, Any] = {"idle_seconds": 0.0, "memory_limit_bytes": 0, "recycle": lambda: None, **options}
        made.append(PackageKeeper(engine=bench.engine, **values))
        return made[-1]

    yield make
    for keeper in made:
        keeper.close()


def entry(package: Any) -> dict[str, str]:
    return {"digest": package.digest, "key": package_key(package)}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_what_comes_into_service_is_loaded_beside_the_old_which_then_goes(
    bench: Bench, keeper_of: Callable[..., PackageKeeper]
) -> None:
    old, new = bench.package_add(), bench.package_add(version="2.0.0")
    keeper = keeper_of(bench)
    keeper.announced([entry(old)])
    until(lambda: bench.engine.loaded_packages == (old.digest,))
    with bench.lease(old) as model:
        keeper.announced([entry(new)])
        until(lambda: new.digest in bench.engine.loaded_packages)
        keeper.round()
        assert set(bench.engine.loaded_packages) == {old.digest, new.digest}  # it is held
        assert model.submit(tensor=np.zeros((32, 32, 1), np.float32)).result(10) is not None
    keeper.round()
    assert bench.engine.loaded_packages == (new.digest,)


def test_a_job_pinned_to_a_package_that_was_let_go_loads_it_again(bench: Bench, keeper_of: Callable[..., PackageKeeper]) -> None:
    old, new = bench.package_add(), bench.package_add(version="2.0.0")
    keeper = keeper_of(bench)
    keeper.announced([entry(new)])
    until(lambda: bench.engine.loaded_packages == (new.digest,))
    with bench.lease(old) as model:
        assert model.package.digest == old.digest


def test_an_idle_model_is_kept_for_a_while(bench: Bench, keeper_of: Callable[..., PackageKeeper]) -> None:
    old, new = bench.package_add(), bench.package_add(version="2.0.0")
    keeper = keeper_of(bench, idle_seconds=60.0)
    with bench.lease(old):
        pass
    keeper.announced([entry(new)])
    until(lambda: new.digest in bench.engine.loaded_packages)
    keeper.round()
    assert set(bench.engine.loaded_packages) == {old.digest, new.digest}


def test_nothing_goes_before_the_platform_has_spoken(bench: Bench, keeper_of: Callable[..., PackageKeeper]) -> None:
    with bench.lease(bench.package_add()):
        pass
    keeper_of(bench).round()
    assert len(bench.engine.loaded_packages) == 1


def test_a_package_that_fails_here_is_refused_and_said_and_tried_again_later(
    bench: Bench, keeper_of: Callable[..., PackageKeeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = bench.package_add(), bench.package_add(version="2.0.0", golden_shift=0.1)
    loads: list[str] = []
    real = bench.engine._load

    def load(**named: Any) -> Any:
        loads.append(named["package_digest"])
        return real(**named)

    monkeypatch.setattr(bench.engine, "_load", load)
    keeper = keeper_of(bench)
    keeper.announced([entry(bad), entry(good)])
    until(lambda: good.digest in bench.engine.loaded_packages)
    keeper.round()
    assert bench.engine.refused_packages == {bad.digest: "model:golden_mismatch"}
    assert loads.count(bad.digest) == 1
    monkeypatch.setattr(engine_module, "_FAILURE_REMEMBERED_SECONDS", 0.0)
    assert bench.engine.refused_packages == {}
    keeper.round()
    assert loads.count(bad.digest) == 2


def test_words_that_are_none_are_left_out(bench: Bench, keeper_of: Callable[..., PackageKeeper]) -> None:
    assert keeper_of(bench).announced([{"digest": 1}, "x", None, {"digest": "sha256:x", "key": "packages/x"}]) == 1


def test_too_much_memory_asks_for_a_fresh_process_once(bench: Bench, keeper_of: Callable[..., PackageKeeper]) -> None:
    asked: list[bool] = []
    held = [100]
    keeper = keeper_of(bench, memory_limit_bytes=150, recycle=lambda: asked.append(True), memory_probe=lambda: held[0])
    keeper.round()
    assert asked == []
    held[0] = 200
    keeper.round()
    keeper.round()
    assert asked == [True]


def test_freed_memory_goes_back_to_the_system() -> None:
    memory_return()
    before = resident_memory_bytes()
    blocks = [bytearray(1000) for _ in range(200_000)]
    assert resident_memory_bytes() > before + 150_000_000
    del blocks
    memory_return()
    assert resident_memory_bytes() < before + 50_000_000
