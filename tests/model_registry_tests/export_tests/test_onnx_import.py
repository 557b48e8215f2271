"""Outside classifiers: what is found, what is fitted, what is refused. Answers are compared with the given graph's own."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.building.errors import FactsInvalid, WrongChannels, WrongInput, WrongOutput
from model_registry.building.onnx_import import ImportedModel, Wishes, classifier_import
from model_registry.building.sessions import session_create, session_run
from model_registry.explain import NoGradientRule
from tests.model_registry_tests.export_tests.small import classifier, tensors

THREE = ("normal", "benign", "malignant")
TWO = ("benign", "malignant")
IMAGES = tensors()


def imported(model: onnx.ModelProto, classes: tuple[str, ...] = THREE, **wishes: str) -> ImportedModel:
    return classifier_import(
        model,
        classes=classes,
        suspicion_classes=classes[1:],
        images=IMAGES,
        tensor_layout="nhwc",
        wishes=Wishes(**wishes),  # type: ignore[arg-type]
    )


def original(model: onnx.ModelProto, *, last: bool = False, tensor: str | None = None) -> np.ndarray:
    """The given graph's own answers, image by image."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if tensor is not None:
        copy.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    batch = [(image if last else np.moveaxis(image, -1, 0))[np.newaxis].astype(kind) for image in IMAGES]
    name = tensor or model.graph.output[0].name
    return np.concatenate([session.run([name], {"x": image})[0] for image in batch]).astype(np.float32)


def answers(found: ImportedModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    session = session_create(found.exported.explained)
    images = IMAGES if found.tensor_layout == "nhwc" else [np.moveaxis(image, -1, 0) for image in IMAGES]
    parts = [session_run(session, names=found.exported.tensors, batch=image[np.newaxis]) for image in images]
    logits, probabilities, heatmaps = (np.concatenate(part) for part in zip(*parts, strict=True))
    return logits, probabilities, heatmaps


def softmax(values: np.ndarray) -> np.ndarray:
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("ending", ["", "Softmax", "LogSoftmax", "Exp-share"])
@pytest.mark.parametrize("batch", ["n", 1])
def test_three_classes_answer_with_the_graphs_own_probabilities(ending: str, batch: int | str) -> None:
    model = classifier(columns=3, ending=ending, batch=batch)
    found = imported(model)
    logits, probabilities, heatmaps = answers(found)
    scores = original(model, tensor="z")
    np.testing.assert_allclose(probabilities, softmax(scores), atol=1e-5)
    np.testing.assert_allclose(softmax(logits), probabilities, atol=1e-5)
    assert np.ptp(probabilities, axis=1).min() > 0.01, "equal answers would compare nothing"
    assert found.tensor_layout == "nchw"
    assert found.exported.targets == (*THREE, "suspicion")
    assert found.exported.grid_hw == heatmaps.shape[2:] == (12, 10)
    assert found.exported.batch_sizes is None


def test_the_suspicion_map_explains_the_log_odds_of_both_suspicious_classes() -> None:
    model = classifier(columns=3)
    found = imported(model)
    logits, _, heatmaps = answers(found)
    weights = softmax(logits[:, 1:])
    activations = original(model, tensor="r2")
    kernel = numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == "w3"))
    slope = weights @ kernel[:, 1:].T - kernel[:, 0]  # of the log-odds, by hand: GAP then dense
    expected = np.maximum(np.einsum("nc,nchw->nhw", slope, activations) / (12 * 10), 0)
    assert expected.max() > 0
    np.testing.assert_allclose(heatmaps[:, 3], expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("ending", ["", "Sigmoid"])
def test_one_column_for_two_labels_is_the_second_labels_log_odds(ending: str) -> None:
    model = classifier(columns=1, ending=ending)
    logits, probabilities, heatmaps = answers(found := imported(model, TWO))
    scores = original(model, tensor="z")[:, 0]
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-scores)), atol=1e-5)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], scores, atol=1e-5)
    assert found.exported.output_activation == "softmax"
    assert heatmaps.shape[1] == 2


def test_several_sigmoids_stay_independent() -> None:
    model = classifier(columns=3, ending="Sigmoid")
    found = imported(model)
    _, probabilities, _ = answers(found)
    np.testing.assert_allclose(probabilities, original(model), atol=1e-5)
    assert found.exported.output_activation == "sigmoid"


def test_a_channel_last_graph_keeps_its_layout() -> None:
    model = classifier(columns=3, last=True)
    found = imported(model)
    _, probabilities, _ = answers(found)
    assert found.tensor_layout == "nhwc"
    np.testing.assert_allclose(probabilities, softmax(original(model, last=True)), atol=1e-5)


def test_half_precision_graphs_take_and_give_single_precision() -> None:
    model = classifier(columns=3, kind=TensorProto.FLOAT16)
    found = imported(model)
    logits, probabilities, heatmaps = answers(found)
    assert {logits.dtype, probabilities.dtype, heatmaps.dtype} == {np.dtype(np.float32)}
    np.testing.assert_allclose(probabilities, softmax(original(model)), atol=5e-3)


def test_a_batch_written_into_a_reshape_is_opened() -> None:
    found = imported(classifier(columns=3, batch=1, fixed_reshape=True))
    assert found.exported.batch_sizes is None
    assert "batch fixed at 1 opened" in found.exported.notes


def test_a_batch_that_cannot_be_opened_serves_one_image_at_a_time() -> None:
    model = classifier(columns=3, batch=1)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 3), dtype=np.float32), "token"))
    model.graph.node[-1].CopyFrom(helper.make_node("Concat", ["z", "token"], ["joined"], axis=0))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], dtype=np.int64), "row"))
    model.graph.node.append(helper.make_node("Gather", ["joined", "row"], ["y"], axis=0))
    found = imported(model)
    assert found.exported.batch_sizes == (1,)


def test_tensors_that_bear_a_packages_names_are_no_obstacle() -> None:
    model = classifier(columns=3, output="probabilities")
    _, probabilities, _ = answers(imported(model))
    np.testing.assert_allclose(probabilities, softmax(original(model)), atol=1e-5)


def test_an_operator_without_a_rule_is_refused_with_the_way_out_and_eigen_cam_is_one_map() -> None:
    model = classifier(columns=3)
    index = next(i for i, node in enumerate(model.graph.node) if node.op_type == "GlobalAveragePool")
    model.graph.node.insert(index, helper.make_node("Hardmax", ["r2"], ["turned"], axis=1))
    model.graph.node[index + 1].input[0] = "turned"
    with pytest.raises(NoGradientRule, match="eigen-cam"):
        imported(model, target="r2")
    found = imported(model, target="r2", method="eigen-cam")
    assert found.exported.targets == ("suspicion",)
    assert answers(found)[2].shape[1] == 1


def test_what_does_not_fit_the_profile_is_refused_in_words() -> None:
    with pytest.raises(WrongChannels, match="with 1 channel, the graph takes 3x48x40") as refused:
        imported(classifier(columns=3, channels=3))
    assert refused.value.code == "model:channel_mismatch"
    with pytest.raises(WrongInput, match="48x40 pixels"):
        imported(classifier(columns=3, size=(64, 64)))


def test_what_does_not_fit_the_labels_is_refused_in_words() -> None:
    with pytest.raises(WrongOutput, match="2 labels"):
        imported(classifier(columns=3), TWO)
    with pytest.raises(FactsInvalid):
        imported(classifier(columns=3), ("a", "a", "b"))


def test_values_that_could_be_either_are_asked_about() -> None:
    model = classifier(columns=1)
    model.graph.node[-1].CopyFrom(helper.make_node("HardSigmoid", ["z"], ["y"]))
    with pytest.raises(WrongOutput, match="--outputs probabilities"):
        imported(model, TWO)
    _, probabilities, _ = answers(imported(model, TWO, outputs="probabilities"))
    np.testing.assert_allclose(probabilities[:, 1], original(model)[:, 0], atol=1e-5)


def test_a_second_input_is_refused() -> None:
    model = classifier(columns=3)
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    with pytest.raises(WrongInput, match="has 2"):
        imported(model)
