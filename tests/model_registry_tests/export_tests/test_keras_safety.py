"""Hostile Keras files, made here as an attacker makes them: each is refused with its code and none runs a line of its own."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from model_registry.building.errors import UnreadableKerasFile, UnsafeKerasFile  # noqa: E402
from model_registry.export.keras_file import keras_model_load, keras_weights_load  # noqa: E402
from model_registry.zoo.registry import zoo_build  # noqa: E402


def plain() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )


@pytest.fixture(scope="module")
def family() -> Any:
    return zoo_build("simple", classes=("a", "b"), input_shape=(32, 32, 1)).keras_model


def saved(tmp_path: Path, model: Any = None, name: str = "model.keras") -> Path:
    path = tmp_path / name
    (model or plain()).save(path)
    return path


def config_changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The same archive with another configuration."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    change(config)
    contents["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def layer_replaced(tmp_path: Path, layer: dict[str, Any]) -> Path:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"].insert(1, layer)

    return config_changed(saved(tmp_path), change)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_good_file_loads_with_its_weights(tmp_path: Path, name: str) -> None:
    model = plain()
    loaded = keras_model_load(saved(tmp_path, model, name))
    for before, after in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(before.value), np.asarray(after.value))


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_lambda_never_runs(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "it-ran"
    source = f"open({str(marker)!r}, 'w').close()"
    layer = keras.layers.Lambda(lambda x, source=source: (exec(source), x)[1], output_shape=(8, 8, 1))  # type: ignore[func-returns-value]  # noqa: S102
    model = keras.Sequential([keras.Input((8, 8, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(2)])
    path = saved(tmp_path, model, name)
    marker.unlink(missing_ok=True)
    with pytest.raises(UnsafeKerasFile, match="Lambda") as refused:
        keras_model_load(path)
    assert refused.value.code == "model:unsafe_keras_file"
    assert not marker.exists()


@pytest.mark.parametrize(
    "layer",
    [
        # CVE-2025-1550: any function of any module
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        # CVE-2025-8747: a download by Keras' own helper
        {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
        # CVE-2025-9906: a model that switches safe mode off for the next one
        {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization", "registered_name": None},
        # CVE-2025-12058: a vocabulary read from any file or address
        {
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"vocabulary": "/etc/passwd"},
            "registered_name": None,
        },
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "elsewhere"}, "registered_name": None},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}, "registered_name": None},
        {"module": "evil.code", "class_name": "Dense", "config": {"units": 2}, "registered_name": "Dense"},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": "other>Dense"},
        {"module": None, "class_name": "__lambda__", "config": {"value": "4wEAAAA="}, "registered_name": None},
        {"module": "tensorflow", "class_name": "__typespec__", "spec_name": "TensorSpec", "config": [], "registered_name": None},
        {"module": "keras.layers", "class_name": ["Dense"], "config": {}, "registered_name": None},
    ],
    ids=lambda layer: str(layer["class_name"]) + " " + str(layer["config"])[:20],
)
def test_a_class_or_function_off_the_list_is_refused_wherever_it_stands(tmp_path: Path, layer: dict[str, Any]) -> None:
    with pytest.raises(UnsafeKerasFile):
        keras_model_load(layer_replaced(tmp_path, layer))
    wrapped = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"units": 2, "kernel_initializer": {"deep": [layer]}},
        "registered_name": None,
    }
    with pytest.raises(UnsafeKerasFile):
        keras_model_load(layer_replaced(tmp_path, wrapped))


def test_a_training_configuration_is_never_read(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["compile_config"] = {"loss": {"module": "os", "class_name": "function", "config": "system"}}

    assert not keras_model_load(config_changed(saved(tmp_path), change)).compiled


@pytest.mark.parametrize("name", ["../outside.txt", "/absolute.txt", "assets/vocabulary.txt", "model.weights.npz"])
def test_an_archive_with_another_member_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(UnsafeKerasFile, match="the archive holds"):
        keras_model_load(path)
    assert not (tmp_path.parent / "outside.txt").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", bytes(80 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeKerasFile, match="times its size"):
        keras_model_load(path)


def weights_with(tmp_path: Path, change: Callable[[h5py.File], None]) -> Path:
    path = saved(tmp_path, name="model.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def external_link(file: h5py.File) -> None:
    file["model_weights/stolen"] = h5py.ExternalLink("/etc/other.h5", "/secret")


def soft_link(file: h5py.File) -> None:
    file["model_weights/stolen"] = h5py.SoftLink("/elsewhere")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("model_weights/stolen", (4,), dtype="u1", external=[("/etc/hostname", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(4,))
    file.create_virtual_dataset("model_weights/stolen", layout)


def declared_too_large(file: h5py.File) -> None:
    file.create_dataset("model_weights/huge", (1 << 40,), dtype="f4", chunks=(1 << 20,))


@pytest.mark.parametrize("change", [external_link, soft_link, external_storage, virtual, declared_too_large])
def test_weights_that_lead_elsewhere_or_declare_too_much_are_refused(tmp_path: Path, change: Callable[[h5py.File], None]) -> None:
    path = weights_with(tmp_path, change)
    with pytest.raises(UnsafeKerasFile):
        keras_model_load(path)
    with pytest.raises(UnsafeKerasFile):
        keras_weights_load(family, path)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5", "model.npz"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", b"\x89HDF\r\n\x1a\n" + bytes(100), b"\x80\x04pickle"])
def test_what_is_no_model_is_refused_as_unreadable(tmp_path: Path, name: str, data: bytes, family: Any) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UnreadableKerasFile) as refused:
        keras_model_load(path) if name in ("model.keras", "model.h5") else keras_weights_load(family, path)
    assert refused.value.code == "model:unreadable_file"


def test_a_pickled_array_is_not_loaded(tmp_path: Path, family: Any) -> None:
    stream = io.BytesIO()
    np.savez(stream, weights=np.array([object()], dtype=object))
    path = tmp_path / "model.npz"
    path.write_bytes(stream.getvalue())
    with pytest.raises(UnreadableKerasFile):
        keras_weights_load(family, path)


def test_weights_alone_need_a_family(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    plain().save_weights(path)
    with pytest.raises(UnreadableKerasFile, match="family"):
        keras_model_load(path)
