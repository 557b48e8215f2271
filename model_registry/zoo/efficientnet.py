"""EfficientNet B0, B2 and B3 (Tan and Le 2019): average pooling, dropout 0.4, one dense layer; a lone sigmoid by default.

The input is 0–255: keras.applications rescales inside the network. Augmentation belongs to training. No weights are downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from model_registry.zoo.base_weights import base_image, base_layers, base_weights_load
from model_registry.zoo.errors import UnknownFamily
from model_registry.zoo.heads import Activation, head_features, outputs_attach
from model_registry.zoo.labels import BENIGN_MALIGNANT
from model_registry.zoo.model import ZooModel

SIZES = {"b0": 224, "b2": 260, "b3": 300}
CLASSES = BENIGN_MALIGNANT
INPUT_RANGE = (0.0, 255.0)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_BASES = {
    "b0": keras.applications.EfficientNetB0,
    "b2": keras.applications.EfficientNetB2,
    "b3": keras.applications.EfficientNetB3,
}


def efficientnet_base(*, variant: str, image: Any, weights_path: Path | None) -> Any:
    """The base over a three-channel tensor, 0–255. Raises UnknownFamily, WeightsRefused."""
    if variant not in _BASES:
        raise UnknownFamily(f"EfficientNet comes as {', '.join(_BASES)}, not {variant!r}")
    base = _BASES[variant](include_top=False, weights=None, input_tensor=image)
    if weights_path is not None:
        base_weights_load(base, path=weights_path)
        _imagenet_scale(base)
    return base


def _imagenet_scale(base: Any) -> None:
    """The published weights were trained on (x − mean) / variance, but the file's layer divides by the deviation alone.

    Keras adds a layer for that only to models it downloads weights for. Here the second division goes into the variance, which is
    multiplied by the deviation, so that the graph is the same with and without pretrained weights.
    """
    (normalisation,) = [layer for layer in base.layers if isinstance(layer, keras.layers.Normalization)]
    variance = np.asarray(normalisation.adapt_variance.value) * np.asarray(_IMAGENET_DEVIATION, dtype=np.float32)
    normalisation.adapt_variance.assign(variance)
    normalisation.finalize_state()


def efficientnet_build(
    *,
    variant: str = "b2",
    classes: tuple[str, ...] = CLASSES,
    activation: Activation = "sigmoid",
    input_shape: tuple[int, int, int] | None = None,
    dropout: float = 0.4,
    weights_path: Path | None = None,
) -> ZooModel:
    """Build EfficientNet `variant` (b0, b2, b3); fresh weights but for a base from `weights_path`, a “notop” file.

    Raises UnknownFamily, WrongInputShape, WeightsRefused.
    """
    size = SIZES.get(variant, 0)
    shape = input_shape or (size, size, 3)
    image, coloured = base_image(input_shape=shape)
    base = efficientnet_base(variant=variant, image=coloured, weights_path=weights_path)
    features = head_features(base.output, head="average", dropout=dropout)
    outputs = {**outputs_attach(features, classes=classes, activation=activation), "cam": base.output}
    model = keras.Model(image, outputs, name=f"efficientnet_{variant}")
    return ZooModel(
        f"efficientnet-{variant}", model, shape, classes, classes, input_range=INPUT_RANGE, base_layers=base_layers(base)
    )
