"""The published layers one by one: what a parameter count cannot see (windows, strides, dropout, L2, activations, their order).

C = 3x3 same convolution with ReLU unless said, MPk/s = max pool of k by stride s, BN = batch norm, SD = spatial dropout, D dense.
"""

from __future__ import annotations

from typing import Any

import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from model_registry.zoo.labels import LABEL_SCHEMES  # noqa: E402
from model_registry.zoo.registry import zoo_build  # noqa: E402

PUBLISHED = {
    "clahe-cnn": (
        "normal-benign-malignant",
        "C32 BN MP2/2 C64 BN MP3/2 C128 BN MP3/2 C128 BN MP3/2 Flatten(21632) D128-relu Drop0.3 D3",
    ),
    "simple": ("density-by-finding", "C16-valid-he MP2/2 C32-valid-he MP2/2 Flatten(93312) D64-relu D8"),
    "alexnet": (
        "density-by-finding",
        "C96-11x11/4-valid MP3/2 C256-5x5/1 MP3/2 C384 C384 C256 MP3/2 Flatten(9216) D4096-relu D4096-relu D1000-relu D8",
    ),
    "callback-cnn": (
        "callback",
        "C32 MP2/2 C64 MP3/2 C128 MP3/2 C258 MP3/2 Drop0.3 GAP D64-relu-L2 Drop0.5 D4",
    ),
    "baseline": ("benign-cancer-normal", "C32 BN MP2/2 C64 BN MP2/2 C128 BN MP2/2 GAP D128-relu Drop0.5 D3"),
    "regularised": (
        "benign-cancer-normal",
        "C32-L2 BN MP2/2 SD0.2 C64-L2 BN MP2/2 SD0.2 C128-L2 BN MP2/2 SD0.3 GAP D128-relu-L2 Drop0.5 D3",
    ),
    "deeper": (
        "benign-cancer-normal",
        "C32-L2 BN MP2/2 SD0.2 C32-L2 BN MP2/2 SD0.2 C64-L2 BN MP2/2 SD0.2 C64-L2 BN MP2/2 SD0.3 C128-L2 BN MP2/2 SD0.3 "
        "C128-L2 BN MP2/2 SD0.3 GAP D128-relu-L2 Drop0.5 D3",
    ),
    "narrower": (
        "benign-cancer-normal",
        "C16-L2 BN MP2/2 SD0.2 C32-L2 BN MP2/2 SD0.2 C64-L2 BN MP2/2 SD0.3 GAP D64-relu-L2 Drop0.5 D3",
    ),
}
HEAD = ("pool", "picture_pool", "mask_pool", "joined", "dropout", "dense", "logit")


def words(layer: Any) -> str:
    """One layer in the table's notation, "" for what only passes on."""
    regulariser = getattr(layer, "kernel_regularizer", None)
    weighed = "" if regulariser is None else "-L2" if float(regulariser.l2) == pytest.approx(1e-3) else "-L2?"
    match layer:
        case layers.Conv2D():
            (rows, columns), (stride, other) = layer.kernel_size, layer.strides
            assert stride == other
            assert layer.activation is keras.activations.relu
            size = "" if (rows, columns, stride) == (3, 3, 1) else f"-{rows}x{columns}/{stride}"
            start = "-he" if isinstance(layer.kernel_initializer, keras.initializers.HeNormal) else ""
            return f"C{layer.filters}{size}{'' if layer.padding == 'same' else '-valid'}{start}{weighed}"
        case layers.MaxPooling2D():
            return f"MP{layer.pool_size[0]}/{layer.strides[0]}"
        case layers.Dense():
            return f"D{layer.units}{'-relu' if layer.activation is keras.activations.relu else ''}{weighed}"
        case layers.SpatialDropout2D():
            return f"SD{layer.rate}"
        case layers.Dropout():
            return f"Drop{layer.rate}"
        case layers.Flatten():
            return f"Flatten({layer.output.shape[1]})"
        case layers.BatchNormalization():
            return "BN"
        case layers.GlobalAveragePooling2D():
            return "GAP"
        case layers.InputLayer() | layers.Identity():
            return ""
    return type(layer).__name__


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_plain_network_is_the_published_one_layer_by_layer(name: str) -> None:
    scheme, published = PUBLISHED[name]
    built = zoo_build(name, classes=LABEL_SCHEMES[scheme])
    assert " ".join(filter(None, map(words, built.keras_model.layers))) == published
    keras.backend.clear_session()


def test_shufflenet_grows_as_published() -> None:
    built = zoo_build("shufflenet", classes=LABEL_SCHEMES["density-by-finding"])
    joins = [layer for layer in built.keras_model.layers if isinstance(layer, layers.Concatenate)]
    channels = [layer.output.shape[-1] for layer in joins]
    assert channels == [*range(240, 601, 120), *range(480, 2161, 240), *range(960, 2401, 480)]
    assert [layer.output.shape[1] for layer in joins] == [28] * 4 + [14] * 8 + [7] * 4
    convolutions = [layer for layer in built.keras_model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    assert not any(layer.use_bias for layer in convolutions)
    shuffles = [layer.target_shape for layer in built.keras_model.layers if isinstance(layer, layers.Reshape)][::2]
    assert [shape[2] for shape in shuffles] == [3] * 16
    keras.backend.clear_session()


def test_the_bases_have_the_published_heads() -> None:
    two = LABEL_SCHEMES["benign-malignant"]
    heads = {
        "efficientnet-b0": (zoo_build("efficientnet-b0", classes=two, activation="sigmoid"), "GAP Drop0.4 D1"),
        "vgg16": (
            zoo_build("vgg16", classes=two, activation="sigmoid", head="average-dense"),
            "GAP Drop0.5 D64-relu D1",
        ),
        "multi-branch": (
            zoo_build("multi-branch", classes=LABEL_SCHEMES["benign-cancer-normal"]),
            "GAP GAP Concatenate D128-relu-L2 Drop0.5 D3",
        ),
    }
    for name, (built, head) in heads.items():
        found = [words(layer) for layer in built.keras_model.layers if layer.name in HEAD]
        assert " ".join(filter(None, found)) == head, name
    keras.backend.clear_session()
