"""Pretrained bases: their image input and their weights from a local file. Downloads nothing, ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from model_registry.zoo.errors import WeightsRefused, WrongInputShape

LARGEST_FILE_BYTES = 1 << 30  # the largest published base of these families is a tenth of it


def base_image(*, input_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """The model's input and what the base reads: always three channels, as ImageNet's weights need; grey is repeated.

    Raises WrongInputShape for other than one or three channels.
    """
    image = keras.Input(input_shape, name="image")
    if input_shape[2] == 3:
        return image, image
    if input_shape[2] == 1:
        return image, layers.Concatenate(name="grey_repeated")([image, image, image])
    raise WrongInputShape(f"a pretrained base reads one or three channels, not {input_shape[2]}")


def base_weights_load(base: Any, *, path: Path) -> None:
    """Load a base's weights from `path`, a .h5 file as keras.applications publishes (“notop”) or as Keras 3 saves.

    Layers are matched by topology, never by name, and every one must be there. Raises WeightsRefused.
    """
    if path.suffix != ".h5" or not path.is_file():
        raise WeightsRefused(f"{path.name!r} is not a .h5 file")
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise WeightsRefused(f"{path.name!r} is larger than {LARGEST_FILE_BYTES >> 20} MiB")
    try:
        base.load_weights(str(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as problem:
        # h5py and Keras report a damaged or foreign file with any of these
        raise WeightsRefused(f"{path.name!r} does not fit {base.name}: {problem}") from problem
    for variable in base.variables:
        if "seed_generator" not in variable.path and not np.isfinite(np.asarray(variable.value)).all():
            raise WeightsRefused(f"the weights of {variable.path!r} in {path.name!r} are not finite")


def base_layers(base: Any) -> tuple[str, ...]:
    """The base's own layers in order, without the image's."""
    return tuple(layer.name for layer in base.layers if layer.name not in ("image", "grey_repeated"))
