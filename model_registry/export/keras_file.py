"""Keras files and weight files → a Keras model, in safe mode and after keras_safety has passed every byte of configuration.

Everything is copied to a private folder first, so that what was checked is what is loaded. Converts nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import tensorflow as tf

from model_registry.building.errors import UnreadableKerasFile, UnsafeKerasFile
from model_registry.export.keras_safety import (
    OWN_PACKAGE,
    WEIGHTS,
    WEIGHTS_BYTES_MAXIMUM,
    arrays_check,
    config_parse,
    keras_archive_extract,
    weights_check,
)
from model_registry.zoo.dog_fpn.network import LogSumExpHead, TargetScores
from model_registry.zoo.dog_fpn.stem import DogStem
from model_registry.zoo.heads import SigmoidScores
from model_registry.zoo.multi_branch import FirstChannels
from model_registry.zoo.weights import weights_from_bytes

OWN_LAYERS = {
    OWN_PACKAGE + layer.__name__: layer for layer in (DogStem, FirstChannels, LogSumExpHead, SigmoidScores, TargetScores)
}
LEGACY = frozenset({".h5", ".hdf5"})
# what Keras and TensorFlow raise on configurations and weights that do not fit
_LOAD_ERRORS = (ValueError, TypeError, KeyError, AttributeError, OSError, RuntimeError, LookupError, EOFError, zipfile.BadZipFile)
_TENSORFLOW_ERRORS = (tf.errors.OpError,)


def keras_model_load(path: Path) -> Any:
    """The model in a .keras or legacy .h5 file, not compiled.

    Raises UnsafeKerasFile before anything of a file is built that could run code, UnreadableKerasFile for a damaged one.
    """
    _size_check(path)
    with tempfile.TemporaryDirectory(prefix="keras-") as scratch:
        folder = Path(scratch)
        if path.suffix == ".keras":
            config = keras_archive_extract(path, folder)

            def build() -> Any:
                model = keras.saving.deserialize_keras_object(config, custom_objects=OWN_LAYERS, safe_mode=True)
                model.load_weights(str(folder / WEIGHTS))
                return model

            return _guarded(path, build)
        if path.suffix in LEGACY:
            copy = folder / "model.h5"
            _copy(path, copy)
            weights_check(copy)
            _legacy_config_check(copy, path.name)
            return _guarded(
                path, lambda: keras.saving.load_model(str(copy), custom_objects=OWN_LAYERS, compile=False, safe_mode=True)
            )
    raise UnreadableKerasFile(f"{path.name}: only .keras and .h5 files hold a whole model")


def keras_weights_load(keras_model: Any, path: Path) -> None:
    """Load weights alone into a model of the zoo: .npz as the zoo writes them, .weights.h5 or .h5. Raises as above."""
    _size_check(path)
    if path.suffix == ".npz":
        arrays_check(path)
        _guarded(path, lambda: weights_from_bytes(keras_model, path.read_bytes()))
        return
    if path.suffix not in LEGACY:
        raise UnreadableKerasFile(f"{path.name}: weights come as .npz, .weights.h5 or .h5")
    with tempfile.TemporaryDirectory(prefix="keras-") as scratch:
        copy = Path(scratch) / ("model.weights.h5" if path.name.endswith(".weights.h5") else "model.h5")
        _copy(path, copy)
        weights_check(copy)
        _guarded(path, lambda: keras_model.load_weights(str(copy)))


def _guarded(path: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (*_LOAD_ERRORS, *_TENSORFLOW_ERRORS) as error:
        raise UnreadableKerasFile(f"{path.name} cannot be loaded: {type(error).__name__}: {str(error)[:300]}") from error
    except (MemoryError, RecursionError) as error:
        raise UnsafeKerasFile(f"{path.name} asks for more than this machine has: {type(error).__name__}") from error


def _legacy_config_check(copy: Path, name: str) -> None:
    """The configuration that the legacy format keeps in an attribute; Keras would read it with its own, older rules."""
    with h5py.File(copy, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        raise UnreadableKerasFile(f"{name} holds weights without a model; say the family they belong to in the facts")
    if not isinstance(text, bytes | str):
        raise UnreadableKerasFile(f"{name} holds a configuration that is not text")
    config_parse(text)


def _size_check(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableKerasFile(f"{path} cannot be read: {error.strerror}") from error
    if not path.is_file() or size == 0:
        raise UnreadableKerasFile(f"{path} is not a file with content")
    if size > WEIGHTS_BYTES_MAXIMUM:
        raise UnreadableKerasFile(f"{path.name} has {size} bytes, above {WEIGHTS_BYTES_MAXIMUM}")


def _copy(path: Path, target: Path) -> None:
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        raise UnreadableKerasFile(f"{path.name} cannot be read: {error.strerror}") from error
