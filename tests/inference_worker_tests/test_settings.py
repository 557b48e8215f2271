from __future__ import annotations

from pathlib import Path

import pytest

from inference_worker.settings import SettingsError, settings_from_environment

NEEDED = {"BROKER_URL": "redis://localhost", "OBJECT_STORE_URL": "file:///store"}


def test_two_variables_are_enough() -> None:
    settings = settings_from_environment(NEEDED)
    assert settings.execution_providers == ("tensorrt", "cuda", "cpu")
    assert settings.batch_maximum_wait_seconds == pytest.approx(0.004)
    assert settings.worker_threads >= 4
    assert settings.worker_name


def test_everything_can_be_set() -> None:
    settings = settings_from_environment(
        NEEDED
        | {
            "WORKER_NAME": "gpu 1/a",
            "WORKER_THREADS": "3",
            "BATCH_MAX_SIZE": "16",
            "BATCH_MAX_WAIT_MS": "10",
            "SESSION_MEMORY_LIMIT_MB": "100",
            "PACKAGE_CACHE_DIR": "/cache",
            "EXECUTION_PROVIDERS": "CUDA, cpu",
            "INTRA_OP_THREADS": "1",
            "CPU_LANES": "3",
        }
    )
    assert settings.worker_name == "gpu-1-a"
    assert (settings.worker_threads, settings.batch_maximum_size, settings.intra_op_threads) == (3, 16, 1)
    assert settings.cpu_lanes == 3
    assert settings.batch_maximum_wait_seconds == pytest.approx(0.01)
    assert settings.session_memory_limit_bytes == 100 * 2**20
    assert settings.package_cache_dir == Path("/cache")
    assert settings.execution_providers == ("cuda", "cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_URL", ""),
        ("OBJECT_STORE_URL", " "),
        ("WORKER_THREADS", "0"),
        ("BATCH_MAX_SIZE", "many"),
        ("EXECUTION_PROVIDERS", "rocm"),
        ("SESSION_MEMORY_LIMIT_MB", "-1"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_says_what_to_set(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} .*set it to"):
        settings_from_environment(NEEDED | {name: value})


def test_trusted_keys_are_a_folder_that_is_there(tmp_path: Path) -> None:
    assert settings_from_environment(NEEDED).package_trusted_keys is None
    assert settings_from_environment(NEEDED).package_model_maximum_bytes == 2**31
    given = settings_from_environment(NEEDED | {"PACKAGE_TRUSTED_KEYS": str(tmp_path), "PACKAGE_MODEL_MAX_MB": "100"})
    assert (given.package_trusted_keys, given.package_model_maximum_bytes) == (tmp_path, 100 * 2**20)
    with pytest.raises(SettingsError, match="PACKAGE_TRUSTED_KEYS"):
        settings_from_environment(NEEDED | {"PACKAGE_TRUSTED_KEYS": str(tmp_path / "nowhere")})
