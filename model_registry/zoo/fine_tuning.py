"""Which layers of a pretrained base learn: the two phases of transfer learning. Holds no optimiser and no loop."""

from __future__ import annotations

from typing import Any

import keras

from model_registry.zoo.errors import ZooError
from model_registry.zoo.model import ZooModel


def base_trainable(zoo_model: ZooModel, *, last: int | None = None, fraction: float | None = None) -> int:
    """Let the last `last` layers of the base learn, or the last `fraction` of them, and freeze the layers before.

    `last=0` is the first phase. Batch normalisation in the base stays frozen, with its ImageNet statistics: batches of mammograms
    are small. The model must be compiled again afterwards. Returns how many layers of the base learn. Raises ZooError.
    """
    names = zoo_model.base_layers
    if not names:
        raise ZooError(f"{zoo_model.architecture} has no pretrained base")
    if (last is None) == (fraction is None):
        raise ZooError("name either the number of the last layers or their fraction")
    count = round(len(names) * fraction) if fraction is not None else int(last or 0)
    if not 0 <= count <= len(names):
        raise ZooError(f"the base of {zoo_model.architecture} has {len(names)} layers, not {count}")
    chosen = set(names[len(names) - count :])
    learning = 0
    for name in names:
        layer: Any = zoo_model.keras_model.get_layer(name)
        layer.trainable = name in chosen and not isinstance(layer, keras.layers.BatchNormalization)
        learning += layer.trainable
    return learning
