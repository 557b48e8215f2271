"""The engine with real ONNX Runtime sessions and a model whose answer is known."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from inference_worker import engine, package_cache, providers, soundness
from inference_worker.batching import ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.package_cache import PackageCache
from inference_worker.providers import ModelSession, sessions_by_preference
from inference_worker.soundness import soundness_check
from model_registry.packaging import package_write
from model_registry.packaging.signature import key_pair_write, package_sign, private_key_read
from tests.inference_worker_tests.factories import Bench, package_key, tiny_model


def tensor_with_square(row: int, column: int) -> np.ndarray:
    tensor = np.zeros((32, 32, 1), np.float32)
    tensor[row : row + 4, column : column + 4] = 1.0
    return tensor


def code_of(bench: Bench, package: Any) -> str:
    with pytest.raises(CodedError) as failure, bench.lease(package):
        pass
    return failure.value.code


def test_a_bright_square_is_the_hottest_place_and_the_label_order_is_kept(bench: Bench) -> None:
    package = bench.package_add()
    with bench.lease(package) as model:
        output = model.submit(tensor=tensor_with_square(8, 20)).result(10)
    assert output.logits == pytest.approx([-5.0, 0.0, 5.0])
    assert np.unravel_index(output.heatmaps[2].argmax(), (8, 8)) == (2, 5)
    assert output.heatmaps[2].max() == pytest.approx(1.0)
    assert not output.heatmaps[0].any()


def test_padding_changes_no_answer(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(BATCH_MAX_WAIT_MS="200")
    package = bench.package_add(batch_sizes=(4,))
    alone = tensor_with_square(0, 0)
    with bench.lease(package) as model:
        padded = model.submit(tensor=alone).result(10)
        together = [model.submit(tensor=alone) for _ in range(4)][2].result(10)
    assert np.array_equal(padded.heatmaps, together.heatmaps)
    assert np.array_equal(padded.logits, together.logits)


def test_the_provider_and_the_reason_are_told(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(EXECUTION_PROVIDERS="tensorrt,cuda,cpu")
    with bench.lease(bench.package_add()) as model:
        assert model.choice.name == "cpu"
        assert "cuda is not in this ONNX Runtime build" in model.choice.reason
    assert bench.engine.choice == model.choice


def test_a_provider_that_quietly_falls_back_is_not_believed(
    bench_with: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "available_providers", lambda: frozenset(providers._ORT_NAMES.values()))
    bench = bench_with(EXECUTION_PROVIDERS="cuda,cpu")
    with bench.lease(bench.package_add()) as model:
        assert model.choice.name == "cpu"
        assert "cuda did not start (ONNX Runtime fell back to CPUExecutionProvider)" in model.choice.reason


def test_a_provider_that_misses_the_golden_outputs_yields_to_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    package = bench.package_add()
    real = ModelSession.run
    runs: list[str] = []

    def run(self: ModelSession, tensors: np.ndarray) -> ModelOutput:
        runs.append(self.choice.name)
        output = real(self, tensors)
        return ModelOutput(output.logits + 1, output.probabilities, output.heatmaps) if len(runs) == 1 else output

    def two_sessions(*, package: Any, settings: Any) -> Any:
        yield from (next(iter(sessions_by_preference(package=package, settings=settings))) for _ in range(2))

    monkeypatch.setattr(ModelSession, "run", run)
    monkeypatch.setattr(engine, "sessions_by_preference", two_sessions)
    with bench.lease(package) as model:
        assert model.submit(tensor=tensor_with_square(0, 0)).result(10).logits[2] == pytest.approx(5.0)
    assert len(runs) > 2


def test_only_the_packages_used_last_stay_on_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_cache, "PACKAGES_KEPT", 2)
    packages = [bench.package_add(version=f"1.0.{number}") for number in range(3)]
    interrupted = bench.settings.package_cache_dir / ".fetching-old"
    interrupted.mkdir(parents=True)
    os.utime(interrupted, (0, 0))

    def used(number: int, moment: float) -> None:
        local = bench.packages.package_get(
            package_digest=packages[number].digest, package_key=package_key(packages[number])
        ).folder
        os.utime(local, (moment, moment))

    for number, moment in ((0, 1000.0), (1, 2000.0), (0, 3000.0), (2, 4000.0)):
        used(number, moment)
    kept = {path.name for path in bench.settings.package_cache_dir.iterdir()}
    assert kept == {packages[number].digest.removeprefix("sha256:") for number in (0, 2)}


def test_no_session_exists_before_the_first_lease(bench: Bench) -> None:
    assert bench.engine.loaded_packages == ()
    assert bench.engine.choice is None


def test_a_package_that_fails_its_golden_inputs_never_serves(bench: Bench) -> None:
    assert code_of(bench, bench.package_add(golden_shift=0.1)) == "model:golden_mismatch"
    assert bench.engine.loaded_packages == ()


def test_a_golden_difference_within_the_tolerance_is_accepted(bench: Bench) -> None:
    with bench.lease(bench.package_add(golden_shift=0.0009)) as model:
        assert model.package.manifest.name == "tiny"


def test_a_failed_package_is_not_loaded_again_for_each_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    package = bench.package_add(golden_shift=0.1)
    assert code_of(bench, package) == "model:golden_mismatch"
    monkeypatch.setattr(bench.packages, "package_get", lambda **_: pytest.fail("fetched again"))
    assert code_of(bench, package) == "model:golden_mismatch"


def test_a_missing_package_is_coded(bench: Bench) -> None:
    package = bench.package_add()
    with pytest.raises(CodedError) as failure, bench.engine.lease(package_digest=package.digest, package_key="packages/none"):
        pass
    assert failure.value.code == "model:package_missing"


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "golden/one.npz"])
def test_an_altered_file_in_the_store_is_refused(bench: Bench, name: str) -> None:
    package = bench.package_add()
    key = f"{package_key(package)}/{name}"
    data = bytearray(bench.store.read(key=key))
    data[len(data) // 2] ^= 1
    bench.store.write(key=key, data=bytes(data))
    assert code_of(bench, package) == "model:digest_mismatch"


def test_a_damaged_local_copy_is_fetched_anew(bench: Bench) -> None:
    package = bench.package_add()
    local = bench.packages.package_get(package_digest=package.digest, package_key=package_key(package))
    local.model_path.write_bytes(b"damaged")
    with bench.lease(package) as model:
        assert model.submit(tensor=tensor_with_square(0, 0)).result(10).logits[2] == pytest.approx(5.0)


def test_a_model_that_is_no_onnx_is_coded(bench: Bench) -> None:
    package = bench.package_add()
    broken = bench.folder / "broken"
    contents = {entry.path: (package.folder / entry.path).read_bytes() for entry in package.manifest.files}
    manifest = package.manifest.model_dump(exclude={"files"})
    shutil.rmtree(broken, ignore_errors=True)
    written = package_write(folder=broken, manifest=manifest, contents=contents | {"model.onnx": b"not a model"})
    bench.package_store(written)
    assert code_of(bench, written) == "model:corrupt_onnx"


def test_a_digest_that_is_no_digest_touches_no_file(bench: Bench) -> None:
    with pytest.raises(CodedError) as failure, bench.engine.lease(package_digest="sha256:../../x", package_key="p"):
        pass
    assert failure.value.code == "system:contract_violation"


def test_the_least_recently_used_model_goes_when_memory_is_short(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(SESSION_MEMORY_LIMIT_MB="16")
    first, second, third = (
        bench.package_add(model=tiny_model(ballast_bytes=7 * 2**20), version=f"1.0.{number}") for number in range(3)
    )
    for package in (first, second, first, third):
        with bench.lease(package):
            pass
    assert bench.engine.loaded_packages == (first.digest, third.digest)


def test_a_model_in_use_is_not_evicted(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(SESSION_MEMORY_LIMIT_MB="16")
    first, second = (
        bench.package_add(model=tiny_model(ballast_bytes=12 * 2**20), version=f"1.0.{number}") for number in range(2)
    )
    with bench.lease(first) as held:
        with bench.lease(second):
            assert set(bench.engine.loaded_packages) == {first.digest, second.digest}
        assert bench.engine.loaded_packages == (first.digest,)
        assert held.submit(tensor=tensor_with_square(0, 0)).result(10).logits[2] == pytest.approx(5.0)


def test_a_model_above_the_bound_is_refused_before_it_is_loaded(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(SESSION_MEMORY_LIMIT_MB="16")
    assert code_of(bench, bench.package_add(model=tiny_model(ballast_bytes=17 * 2**20))) == "model:out_of_memory"


def test_jobs_that_want_the_same_new_package_share_one_load(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    package = bench.package_add()
    loads: list[str] = []
    original = bench.packages.package_get

    def counted(**arguments: str) -> Any:
        loads.append(arguments["package_digest"])
        return original(**arguments)

    monkeypatch.setattr(bench.packages, "package_get", counted)
    together = threading.Barrier(6)

    def score(_: int) -> float:
        together.wait(10)
        with bench.lease(package) as model:
            return float(model.submit(tensor=tensor_with_square(4, 4)).result(10).logits[2])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(score, range(6))) == pytest.approx([5.0] * 6)
    assert loads == [package.digest]


def test_one_bad_image_fails_alone_in_a_real_session(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(BATCH_MAX_WAIT_MS="300")
    images = [tensor_with_square(0, 0), np.ones((32, 32, 1), np.float32), np.full((32, 32, 1), 0.95, np.float32)]
    with bench.lease(bench.package_add()) as model:
        good, raising, not_a_number = [model.submit(tensor=image) for image in images]
        assert good.result(10).logits[2] == pytest.approx(5.0)
        with pytest.raises(CodedError, match="model:run_failed"):
            raising.result(10)
        with pytest.raises(CodedError, match="model:not_finite"):
            not_a_number.result(10)


def test_a_model_that_fails_its_inspection_never_reaches_the_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load_from_string(tiny_model())
    model.graph.node[4].op_type, model.graph.node[4].domain = "Backdoor", "evil.example"
    model.opset_import.append(onnx.helper.make_opsetid("evil.example", 1))
    package = bench.package_add()
    contents = {entry.path: (package.folder / entry.path).read_bytes() for entry in package.manifest.files}
    written = package_write(
        folder=bench.folder / "custom",
        manifest=package.manifest.model_dump(exclude={"files"}),
        contents=contents | {"model.onnx": model.SerializeToString()},
    )
    bench.package_store(written)
    monkeypatch.setattr(providers.ort, "InferenceSession", None)
    assert code_of(bench, written) == "model:unsupported_operator"


def test_a_model_found_sound_is_not_inspected_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    package = bench.package_add(model=tiny_model(bias=0.0625))
    with pytest.raises(CodedError, match="model:too_large"):
        soundness_check(package, model_bytes_maximum=100)
    soundness_check(package, model_bytes_maximum=2**31)
    monkeypatch.setattr(soundness, "model_inspect", None)
    soundness_check(package, model_bytes_maximum=2**31)


def test_where_keys_are_trusted_only_what_they_signed_is_served(bench: Bench, tmp_path: Path) -> None:
    keys = tmp_path / "trusted"
    keys.mkdir()
    key_pair_write(private=tmp_path / "lab.key", public=keys / "lab.pem")
    signing = Bench(tmp_path / "signing", PACKAGE_TRUSTED_KEYS=str(keys))
    signing.packages = PackageCache(folder=tmp_path / "signing" / "cache", store=signing.store, trusted_keys=keys)
    signing.engine = engine.Engine(packages=signing.packages, settings=signing.settings)
    try:
        package = signing.package_add()
        assert code_of(signing, package) == "model:signature_missing"
        package_sign(package.folder, private_key_read(tmp_path / "lab.key"))
        signing.package_store(package)  # installed again, now signed
        fetched = signing.packages.package_get(package_digest=package.digest, package_key=package_key(package))
        assert (fetched.folder / "signature.json").is_file()
        (keys / "lab.pem").rename(keys / "lab.withdrawn")
        with pytest.raises(CodedError) as refused:
            signing.packages.package_get(package_digest=package.digest, package_key=package_key(package))
        assert refused.value.code == "model:signer_unknown"
    finally:
        signing.close()
