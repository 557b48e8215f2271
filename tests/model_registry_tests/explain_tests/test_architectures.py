"""Published architectures as PyTorch exports them, nothing named: layer found, maps those of autograd, scores untouched."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from model_registry.explain import NoGradientRule, NoTarget, UnknownShape, explain_model  # noqa: E402
from tests.model_registry_tests.explain_tests.architectures import (  # noqa: E402
    ARCHITECTURES,
    CLASSES,
    AttentionHead,
    Classifier,
    VisionTransformer,
)

pytestmark = pytest.mark.torch
SIZE = 32
SEEDS = 20  # random heads that speak against every class but one are passed over


def spread(network: nn.Module) -> None:
    """Random statistics, so that no normalisation is the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


def exported(network: nn.Module, image: Any, *, dynamo: bool = False) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = (
            {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "verbose": False}
            if dynamo
            else {"dynamic_axes": {"image": {0: "batch"}, "logits": {0: "batch"}}, "opset_version": 17}
        )
        torch.onnx.export(network, (image,), buffer, dynamo=dynamo, input_names=["image"], output_names=["logits"], **options)
    return onnx.load_from_string(buffer.getvalue())


def outputs(model: onnx.ModelProto, names: list[str], image: np.ndarray) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # without fusions, so that "unchanged" is a statement about the graph and not about how a runtime arranges it
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(names, {"image": image})


def autograds(network: Any, image: Any) -> tuple[Any, np.ndarray]:
    features = network.features(image)
    logits = network.head(features)
    maps = []
    for column in range(CLASSES):
        (gradient,) = torch.autograd.grad(logits[:, column].sum(), features, retain_graph=True)
        maps.append(functional.relu((gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)))
    return features.detach().numpy(), torch.stack(maps, dim=1).detach().numpy()


def check(build: Callable[[], Any], *, dynamo: bool) -> None:
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        network = build().eval()
        spread(network)
        image = torch.rand(3, 3, SIZE, SIZE) * 2 - 0.5
        features, expected = autograds(network, image)
        if (expected.max(axis=(0, 2, 3)) > 0).sum() >= 2:
            break
    else:
        pytest.fail("several classes must light up, or the comparison is empty")
    plain = exported(network, image[:2], dynamo=dynamo)
    explained = explain_model(plain)
    shown = onnx.ModelProto()
    shown.CopyFrom(explained.model)
    shown.graph.output.append(onnx.helper.make_tensor_value_info(explained.target, onnx.TensorProto.FLOAT, [None] * 4))
    logits, maps, found = outputs(shown, ["logits", "heatmaps", explained.target], image.numpy())
    np.testing.assert_allclose(found, features, atol=1e-4 * np.abs(features).max(), err_msg="another layer was chosen")
    np.testing.assert_allclose(maps, expected, atol=1e-4 * expected.max())
    (before,) = outputs(plain, ["logits"], image.numpy())
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_passes_without_a_layer_named_by_hand(name: str) -> None:
    check(ARCHITECTURES[name], dynamo=False)


@pytest.mark.parametrize("name", ["ResNet-50", "DenseNet", "MobileNetV3", "EfficientNet"])
def test_an_architecture_passes_as_the_newer_exporter_writes_it(name: str) -> None:
    pytest.importorskip("onnxscript", reason="the newer exporter of PyTorch needs onnxscript: make test-torch")
    check(ARCHITECTURES[name], dynamo=True)


def test_indices_that_the_newer_exporter_computes_from_the_batch_are_refused_in_words_and_eigen_cam_is_left() -> None:
    """It writes ConvNeXt's mean over channels-last memory as a Gather through all images at once."""
    pytest.importorskip("onnxscript", reason="the newer exporter of PyTorch needs onnxscript: make test-torch")
    model = exported(ARCHITECTURES["ConvNeXt"]().eval(), torch.rand(2, 3, SIZE, SIZE), dynamo=True)
    with pytest.raises(NoGradientRule, match="Gather of node 'node_as_strided': its indices are computed at run time"):
        explain_model(model)
    assert explain_model(model, method="eigen-cam").grid_hw == (SIZE // 4, SIZE // 4)


def test_at_least_twenty_architectures_are_covered() -> None:
    assert len(ARCHITECTURES) >= 20


def test_a_vision_transformer_with_a_class_token_is_refused_in_words_and_eigen_cam_is_left() -> None:
    """Its class token is as many as there are images: how many tokens there are is then open to shape inference."""
    network = VisionTransformer().eval()
    model = exported(network, torch.rand(2, 3, SIZE, SIZE))
    with pytest.raises(UnknownShape, match="model:unknown_shape: node '/Gather_1' cuts tensor"):
        explain_model(model)
    assert explain_model(model, method="eigen-cam").grid_hw == (SIZE // 8, SIZE // 8)
    tokens = next(node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization")
    with pytest.raises((NoTarget, UnknownShape)):
        explain_model(model, target=tokens)


def test_a_vision_transformer_that_averages_its_tokens_is_explained_at_its_patches() -> None:
    check(lambda: Classifier(nn.Conv2d(3, 8, 8, 8), head=AttentionHead(8)), dynamo=False)
