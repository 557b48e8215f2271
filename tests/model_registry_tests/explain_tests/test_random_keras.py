"""Random Keras stacks, exported, against TensorFlow's GradientTape."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from model_registry.export.onnx_export import keras_to_onnx  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import tape_heatmaps, weights_spread  # noqa: E402
from tests.model_registry_tests.thorough import examples  # noqa: E402

SHAPE = (16, 12, 2)
STEPS: dict[str, Any] = {
    "conv": lambda x: layers.Conv2D(6, 3, padding="same", activation="relu")(x),
    "strided": lambda x: layers.Conv2D(5, 3, strides=2, padding="same")(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, padding="same", activation="swish")(x),
    "normalize": lambda x: layers.BatchNormalization()(x),
    "residual": lambda x: layers.Add()([x, layers.Conv2D(x.shape[-1], 3, padding="same", activation="tanh")(x)]),
    "dense block": lambda x: layers.Concatenate()([x, layers.Conv2D(3, 1, activation="elu")(x)]),
    "max pool": lambda x: layers.MaxPooling2D(3, strides=2, padding="same")(x),
    "average pool": lambda x: layers.AveragePooling2D(2, strides=1, padding="same")(x),
    "upsample": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "softplus": lambda x: layers.Activation("softplus")(x),
    "relu6": lambda x: layers.ReLU(6.0)(x),
}
HEADS: dict[str, Any] = {
    "average": layers.GlobalAveragePooling2D,
    "maximum": layers.GlobalMaxPooling2D,
    "flatten": layers.Flatten,
}


@settings(max_examples=examples(4), deadline=None, derandomize=True, phases=[Phase.generate])
@given(plan=st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=5), head=st.sampled_from(sorted(HEADS)))
def test_the_maps_of_a_random_stack_equal_tensorflows(plan: list[str], head: str) -> None:
    keras.utils.set_random_seed(7)
    image = keras.Input(SHAPE)
    cam = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = cam
    for name in plan:
        x = STEPS[name](x)
    logits = layers.Dense(3)(layers.Dense(7, activation="tanh")(HEADS[head]()(x)))
    model = keras.Model(image, {"logits": logits, "scores": layers.Identity()(logits), "cam": cam})
    zoo_model = ZooModel("random", model, SHAPE, ("a", "b", "c"), ("a", "b", "c"))
    weights_spread(model)
    exported = keras_to_onnx(zoo_model=zoo_model)
    images = np.random.default_rng(1).random((3, *SHAPE), dtype=np.float32)
    session = onnxruntime.InferenceSession(exported.explained.SerializeToString(), providers=["CPUExecutionProvider"])
    logits_found, maps = (np.asarray(values) for values in session.run(["logits", "heatmaps"], {"image": images}))
    logits_expected, expected = tape_heatmaps(model, images)
    np.testing.assert_allclose(logits_found, logits_expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(maps, expected, atol=1e-4 * max(float(expected.max()), 1e-6))
