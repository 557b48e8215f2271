"""The transform as a whole on graphs whose answer is known by hand: what is chosen, where it is hot, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from model_registry.explain import GRADIENT_FREE, METHODS, ExplainError, NoScores, NoTarget, explain_model
from model_registry.packaging import package_read

PACKAGES = Path(__file__).resolve().parents[3] / "model_registry" / "packages"

# channel 0 of the features is the image itself, channel 1 its negation; class 0 likes channel 1, class 1 likes channel 0
CONV = np.array([1.0, -1.0], dtype=np.float32).reshape(2, 1, 1, 1)
RUNTIME_OPSET_MAXIMUM = 26
DENSE = np.array([[-2.0, 3.0], [4.0, -1.0]], dtype=np.float32)


def classifier(
    *, final: str | None = "Softmax", dense: np.ndarray = DENSE, hidden: bool = False, opset: int = 17
) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"], name="conv"),
        helper.make_node("Relu", ["conv"], ["features"], name="features"),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        *([helper.make_node("Tanh", ["flat"], ["hidden"])] if hidden else []),
        helper.make_node("Gemm", ["hidden" if hidden else "flat", "dense"], ["logits"], name="dense"),
        *([helper.make_node(final, ["logits"], ["probabilities"])] if final else []),
    ]
    columns = dense.shape[1]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities" if final else "logits", onnx.TensorProto.FLOAT, ["n", columns])],
        [numpy_helper.from_array(CONV, "kernel"), numpy_helper.from_array(dense.astype(np.float32), "dense")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def heatmaps(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Any = session.run(["heatmaps"], {"image": image.astype(np.float32)})
    return np.asarray(found[0])


def bright_square(*, row: int, column: int) -> np.ndarray:
    image = np.zeros((1, 1, 8, 8), dtype=np.float32)
    image[0, 0, row : row + 2, column : column + 2] = 1.0
    return image


def test_a_bright_square_is_the_hottest_place_of_the_class_that_likes_bright() -> None:
    maps = heatmaps(explain_model(classifier()).model, bright_square(row=5, column=2))
    assert maps.shape == (1, 2, 8, 8)
    hot = maps[0, 1]
    assert (hot[5:7, 2:4] == hot.max()).all()
    assert hot.max() == pytest.approx(3.0 / 64)  # the dense weight over the number of cells
    assert hot.sum() == pytest.approx(4 * 3.0 / 64)
    assert maps[0, 0].max() == 0  # class 0 is against bright: its map stays empty rather than being scaled up


def test_the_maps_stand_in_the_order_of_the_columns() -> None:
    dark = -bright_square(row=1, column=1)
    maps = heatmaps(explain_model(classifier()).model, dark)
    assert maps[0, 0].max() == pytest.approx(4.0 / 64)
    assert maps[0, 1].max() == 0


def test_the_layer_before_the_pool_and_the_logits_before_the_softmax_are_found() -> None:
    explained = explain_model(classifier())
    assert (explained.target, explained.scores, explained.columns, explained.grid_hw) == ("features", "logits", 2, (8, 8))
    assert [value.name for value in explained.model.graph.output] == ["probabilities", "heatmaps"]


def test_a_linear_head_costs_one_convolution() -> None:
    explained = explain_model(classifier())
    assert [node.op_type for node in explained.model.graph.node[-3:]] == ["Conv", "Relu", "Identity"]
    assert explained.added_nodes == 3


def test_the_given_model_is_left_alone() -> None:
    model = classifier()
    before = model.SerializeToString()
    explain_model(model)
    assert model.SerializeToString() == before


def test_every_image_of_a_batch_gets_its_own_map() -> None:
    model = explain_model(classifier(hidden=True)).model
    batch = np.concatenate([bright_square(row=0, column=0), bright_square(row=6, column=6), -bright_square(row=3, column=3)])
    together = heatmaps(model, batch)
    for index in range(3):
        np.testing.assert_allclose(together[index], heatmaps(model, batch[index : index + 1])[0], rtol=1e-6)
    assert np.unravel_index(together[1, 1].argmax(), (8, 8)) == (6, 6)


def test_a_hidden_activation_changes_the_weight_by_its_slope() -> None:
    image = bright_square(row=5, column=2)
    maps = heatmaps(explain_model(classifier(hidden=True)).model, image)
    slope = 1 - np.tanh(4 / 64) ** 2
    assert maps[0, 1].max() == pytest.approx(3.0 * slope / 64, rel=1e-5)


def test_a_single_sigmoid_gives_a_map_against_and_a_map_for() -> None:
    dense = np.array([[3.0], [-1.0]])
    explained = explain_model(classifier(final="Sigmoid", dense=dense))
    assert (explained.scores, explained.columns) == ("logits", 2)
    bright = heatmaps(explained.model, bright_square(row=5, column=2))
    dark = heatmaps(explained.model, -bright_square(row=5, column=2))
    assert (bright[0, 0].max(), bright[0, 1].max()) == (0, pytest.approx(3.0 / 64))
    assert (dark[0, 0].max(), dark[0, 1].max()) == (pytest.approx(1.0 / 64), 0)


@pytest.mark.parametrize("method", [method for method in METHODS if method != GRADIENT_FREE])
def test_each_method_matches_its_formula(method: Any) -> None:
    random = np.random.default_rng(0)
    image = random.normal(size=(2, 1, 8, 8))
    activations = np.maximum(np.concatenate([image, -image], axis=1), 0)
    pooled = activations.mean(axis=(2, 3))
    maps = heatmaps(explain_model(classifier(hidden=True), method=method).model, image)
    for column in range(2):
        slope = (1 - np.tanh(pooled) ** 2) * DENSE[:, column] / 64
        gradients = np.broadcast_to(slope[:, :, None, None], activations.shape)
        if method == "grad-cam++":
            total = activations.sum(axis=(2, 3), keepdims=True)
            alpha = gradients**2 / (2 * gradients**2 + total * gradients**3)
            weights = (alpha * np.maximum(gradients, 0)).sum(axis=(2, 3), keepdims=True)
            expected = np.maximum((weights * activations).sum(axis=1), 0)
        elif method == "layer-cam":
            expected = np.maximum((np.maximum(gradients, 0) * activations).sum(axis=1), 0)
        else:  # behind a global average the gradient is the same everywhere, so HiRes-CAM equals Grad-CAM
            expected = np.maximum((gradients * activations).sum(axis=1), 0)
        np.testing.assert_allclose(maps[:, column], expected, rtol=1e-4, atol=1e-7)


def test_a_score_that_does_not_depend_on_the_layer_gets_an_empty_map() -> None:
    maps = heatmaps(explain_model(classifier(dense=np.array([[0.0, 3.0], [0.0, -1.0]]))).model, bright_square(row=5, column=2))
    assert maps[0, 0].max() == 0
    assert maps[0, 1].max() > 0


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"scores": "nowhere"}, NoScores, "model:no_scores"),
        ({"scores": "features"}, NoScores, "model:no_scores"),
        ({"target": "nowhere"}, NoTarget, "model:no_cam_layer"),
        ({"target": "flat"}, NoTarget, "model:no_cam_layer"),
        ({"method": "magic"}, ExplainError, "model:not_explainable"),
        ({"output": "logits"}, ExplainError, "model:not_explainable"),
        ({"target": "image"}, ExplainError, "model:not_explainable"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code(options: dict[str, Any], error: type[ExplainError], code: str) -> None:
    with pytest.raises(error) as caught:
        explain_model(classifier(), **options)
    assert caught.value.code == code


def test_an_old_opset_is_refused() -> None:
    with pytest.raises(ExplainError, match="opset 12"):
        explain_model(classifier(opset=12))


@pytest.mark.parametrize("method", METHODS)
def test_every_opset_from_13_to_the_latest_gives_the_same_maps(method: Any) -> None:
    image = np.random.default_rng(4).normal(size=(2, 1, 8, 8)).astype(np.float32)
    oldest = classifier(hidden=True, opset=13)
    expected = heatmaps(explain_model(oldest, method=method).model, image)
    assert expected.max() > 0
    for opset in range(14, onnx.defs.onnx_opset_version() + 1):
        explained = explain_model(version_converter.convert_version(oldest, opset), method=method).model
        assert explained.opset_import[0].version == opset
        # ONNX knows opsets that ONNX Runtime does not run yet
        if opset <= RUNTIME_OPSET_MAXIMUM:
            found = heatmaps(explained, image)
        else:
            answer: Any = ReferenceEvaluator(explained).run(["heatmaps"], {"image": image})
            found = answer[0]
        np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), err_msg=f"opset {opset}")


def test_the_shipped_models_layer_is_found_though_a_mask_goes_past_the_network() -> None:
    package = package_read(max(path.parent for path in PACKAGES.glob("dog-fpn*/manifest.json")))
    names = package.manifest.tensors
    plain = onnx.utils.Extractor(onnx.load(package.model_path)).extract_model([names.image], [names.logits])
    assert explain_model(plain).target == package.manifest.explanation.cam_layer
