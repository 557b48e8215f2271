"""Quantised and half-precision graphs are explained like the ones they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from model_registry.explain import explain_model
from model_registry.explain.graph import Graph

CHANNELS, SIZE, HIDDEN, CLASSES = 12, 24, 16, 3


def pictures() -> np.ndarray:
    """A bright square each on a dim and noisy ground: maps with something to show."""
    random = np.random.default_rng(2)
    images = 0.2 * random.random((16, 3, SIZE, SIZE))
    for image in images:
        row, column = random.integers(2, SIZE - 10, 2)
        image[:, row : row + 8, column : column + 8] += random.random((3, 1, 1)) * 0.8
    return images.astype(np.float32)


IMAGES = pictures()


def classifier() -> onnx.ModelProto:
    """Two convolutions, a max pool, a head of two dense layers."""
    random = np.random.default_rng(1)
    weights = {
        "first": random.normal(size=(CHANNELS, 3, 3, 3)) / 4,
        "second": random.normal(size=(CHANNELS, CHANNELS, 3, 3)) / 8,
        "wide": random.normal(size=(CHANNELS, HIDDEN)),
        "dense": random.normal(size=(HIDDEN, CLASSES)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["one"], name="one", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["one"], ["active"], name="active"),
        helper.make_node("MaxPool", ["active"], ["small"], name="small", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["small", "second"], ["two"], name="two", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["two"], ["features"], name="features"),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "wide"], ["hidden"], name="hidden"),
        helper.make_node("Relu", ["hidden"], ["bent"], name="bent"),
        helper.make_node("Gemm", ["bent", "dense"], ["logits"], name="logits"),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Images(CalibrationDataReader):
    def __init__(self) -> None:
        self.left = [{"image": image[None]} for image in IMAGES]

    def get_next(self) -> Any:
        return self.left.pop() if self.left else None


def quantised(folder: Path) -> onnx.ModelProto:
    source, result = folder / "float.onnx", folder / "quantised.onnx"
    onnx.save(classifier(), source)
    quantize_static(source, result, Images(), quant_format=QuantFormat.QDQ, weight_type=QuantType.QInt8, per_channel=True)
    return onnx.load(result)


def run(model: onnx.ModelProto, *names: str, as_written: bool = False) -> Any:
    """`as_written`: node by node; otherwise the engine fuses quantised nodes, and rounds anew where one has another reader."""
    options = onnxruntime.SessionOptions()
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(list(names), {"image": IMAGES})


def test_a_quantised_graph_finds_its_layer_and_its_maps_go_along_with_the_float_ones(tmp_path: Path) -> None:
    model = quantised(tmp_path)
    explained = explain_model(model)
    assert explained.target == "features_DequantizeLinear_Output"
    assert explained.columns == CLASSES
    logits, maps = run(explained.model, "logits", "heatmaps")
    (expected,) = run(explain_model(classifier()).model, "heatmaps")
    assert maps.shape == expected.shape
    assert expected.max() > 0
    assert np.corrcoef(maps.ravel(), expected.ravel())[0, 1] >= 0.99
    plain = run(model, "logits")[0]
    np.testing.assert_allclose(logits, plain, atol=0.06 * np.ptp(plain))
    np.testing.assert_array_equal(*(run(graph, "logits", as_written=True)[0] for graph in (explained.model, model)))


def test_a_half_precision_graph_gives_the_float_maps_within_its_precision() -> None:
    half = convert_float_to_float16(classifier(), keep_io_types=True)
    explained = explain_model(half)
    assert explained.target == "features"
    (maps,) = run(explained.model, "heatmaps")
    (expected,) = run(explain_model(classifier()).model, "heatmaps")
    np.testing.assert_allclose(maps.astype(np.float32), expected, atol=1e-2 * expected.max())
    assert maps.dtype == np.float16


def test_quantised_weights_are_read_as_the_numbers_they_stand_for(tmp_path: Path) -> None:
    graph = Graph(quantised(tmp_path))
    for name in ("second", "dense"):
        found = graph.constant(f"{name}_DequantizeLinear_Output")
        original = graph_weights()[name]
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, original, atol=np.abs(original).max() / 100)


def graph_weights() -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in classifier().graph.initializer}
