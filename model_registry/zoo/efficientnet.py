"""EfficientNet B0, B2 and B3 with a single-sigmoid head: average pooling, dropout 0.4, one dense unit.

The input is 0–255, three channels: keras.applications rescales inside the network. No weights are downloaded.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from model_registry.zoo.model import ZooModel

SIZES = {"b0": 224, "b2": 260, "b3": 300}
CLASSES = ("benign", "malignant")


@keras.saving.register_keras_serializable(package="mammoserve")
class SigmoidScores(layers.Layer):
    """One logit z (N, 1) → (N, 2). "logits": [0, z], whose softmax is [1 − σ(z), σ(z)]; "scores": [−z, z], for the maps."""

    def __init__(self, form: str, **options: Any) -> None:
        super().__init__(**options)
        if form not in ("logits", "scores"):
            raise ValueError(f"form must be “logits” or “scores”, not {form!r}")
        self.form = form

    def call(self, z: Any) -> Any:
        return ops.concatenate([ops.zeros_like(z) if self.form == "logits" else -z, z], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "form": self.form}


def efficientnet_build(*, variant: str = "b2", dropout: float = 0.4) -> ZooModel:
    """Build EfficientNet `variant` (b0, b2, b3) with fresh weights for benign against malignant."""
    size = SIZES[variant]
    base = {
        "b0": keras.applications.EfficientNetB0,
        "b2": keras.applications.EfficientNetB2,
        "b3": keras.applications.EfficientNetB3,
    }[variant](include_top=False, weights=None, input_shape=(size, size, 3))
    cam = base.output
    pooled = layers.GlobalAveragePooling2D(name="pool")(cam)
    z = layers.Dense(1, name="logit")(layers.Dropout(dropout, name="dropout")(pooled))
    outputs = {
        "logits": SigmoidScores("logits", name="logits")(z),
        "scores": SigmoidScores("scores", name="scores")(z),
        "cam": cam,
    }
    model = keras.Model(base.input, outputs, name=f"efficientnet_{variant}")
    return ZooModel(f"efficientnet-{variant}", model, (size, size, 3), CLASSES, CLASSES)
