"""The pinned sets agree with one another and with the imports; a serving set carries nothing to train or test with."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EVERYTHING = "requirements.txt"
PLATFORM = "platform/requirements.txt"
WORKER_CPU = "inference_worker/requirements-cpu.txt"
WORKER_GPU = "inference_worker/requirements-gpu.txt"
SERVING = (PLATFORM, WORKER_CPU, WORKER_GPU)
TORCH = "tests/requirements-torch.txt"
OURS = {
    "mammoserve_client",
    "accounts",
    "catalog",
    "common",
    "config",
    "jobs",
    "monitoring",
    "notifications",
    "batches",
    "transfers",
    "studies",
    "inference_worker",
    "model_registry",
    "tests",
}
OFFLINE_OR_TESTING = re.compile(
    r"tensorflow|keras|tf2onnx|scikit-learn|matplotlib|torch|pytest|hypothesis|ruff|mypy|playwright|uv$"
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """Distribution → version of a requirements file. Every line that is no comment must be an exact pin."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        exact = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)( ; .+)?", line)
        assert exact is not None, f"{name}: not an exact pin: {line}"
        found[canonical(exact[1])] = exact[2]
    return found


def third_party_imports(*folders: str) -> set[str]:
    """Distributions that the modules below these folders import, anywhere in a file."""
    names = set()
    for folder in folders:
        path = ROOT / folder
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.add((node.module or "").partition(".")[0])
    known = packages_distributions()
    foreign = {name for name in names if name not in sys.stdlib_module_names and name not in OURS}
    return {canonical(known[name][0]) if name in known else name for name in foreign}


@pytest.mark.parametrize("name", SERVING)
def test_a_serving_set_agrees_with_the_full_set(name: str) -> None:
    full = pins(EVERYTHING)
    # The two builds of the engine are one version.
    own = {key.replace("onnxruntime-gpu", "onnxruntime"): version for key, version in pins(name).items()}
    assert {key: version for key, version in own.items() if full.get(key) != version} == {}


def test_the_installed_versions_are_the_pinned_ones() -> None:
    from importlib.metadata import distributions

    full = pins(EVERYTHING)
    installed = {canonical(found.metadata["Name"]): found.version for found in distributions()}
    differing = {key: (installed[key], full[key]) for key in installed.keys() & full.keys() if installed[key] != full[key]}
    assert differing == {}


@pytest.mark.parametrize("name", SERVING)
def test_a_serving_set_carries_nothing_to_train_or_test_with(name: str) -> None:
    assert [key for key in pins(name) if OFFLINE_OR_TESTING.match(key)] == []


def test_each_engine_set_carries_one_build_of_the_engine() -> None:
    assert "onnxruntime" in pins(WORKER_CPU)
    assert "onnxruntime-gpu" not in pins(WORKER_CPU)
    assert "onnxruntime-gpu" in pins(WORKER_GPU)
    assert "onnxruntime" not in pins(WORKER_GPU)


def test_the_set_of_pytorch_goes_on_top_of_the_full_set_and_moves_nothing_in_it() -> None:
    assert pins(TORCH).keys() & pins(EVERYTHING).keys() == set()
    assert "torch" in pins(TORCH)


@pytest.mark.parametrize("name", [EVERYTHING, *SERVING, TORCH])
def test_a_set_names_no_registry_address_and_no_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"://|--hash|index-url|find-links|@ file", text) is None


@pytest.mark.parametrize(
    "distribution",
    [
        "django",
        "djangorestframework",
        "celery",
        "redis",
        "tensorflow-cpu",
        "onnxruntime",
        "tf2onnx",
        "pydicom",
        "pillow",
        "pytest-django",
    ],
)
def test_the_full_set_pins_what_the_platform_is_made_of(distribution: str) -> None:
    assert distribution in pins(EVERYTHING)


def test_the_platform_imports_only_what_its_set_pins() -> None:
    imported = third_party_imports("platform", "model_registry/packaging", "inference_worker/contract")
    assert imported - set(pins(PLATFORM)) == set()


@pytest.mark.parametrize("name", [WORKER_CPU, WORKER_GPU])
def test_the_worker_imports_only_what_its_set_pins(name: str) -> None:
    carried = ("packaging", "preprocessing", "building")
    imported = third_party_imports("inference_worker", *(f"model_registry/{room}" for room in carried))
    pinned = {key.replace("onnxruntime-gpu", "onnxruntime") for key in pins(name)}
    assert {key.replace("onnxruntime-gpu", "onnxruntime") for key in imported} - pinned == set()


def test_one_machine_imports_only_what_both_serving_sets_pin() -> None:
    imported = third_party_imports("model_registry/phantom", "platform/config")
    assert imported - set(pins(PLATFORM)) - set(pins(WORKER_CPU)) == set()
