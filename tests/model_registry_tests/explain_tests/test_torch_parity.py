"""PyTorch exports against PyTorch's own gradients: hand-written blocks in the manner of ResNet, DenseNet and MobileNet.

torch is in no pinned set but its own (`make test-torch`); without it these tests are skipped and say so.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from model_registry.explain import UnknownShape, explain_model

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

pytestmark = pytest.mark.torch
CLASSES = 4
SIZE = 32


class Residual(nn.Module):
    """A basic block of ResNet, with a projection where the size changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels))
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        self.short = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Any) -> Any:
        return functional.relu(self.second(functional.relu(self.first(x))) + self.short(x))


class Dense(nn.Module):
    """Two layers of DenseNet: each reads everything before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        widths = (channels, channels + growth)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, growth, 3, padding=1)) for width in widths
        )

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Inverted(nn.Module):
    """An inverted residual of MobileNetV3: widen, depthwise, gate by its own mean, narrow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 3 * channels
        self.widen = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.BatchNorm2d(wide), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(wide, wide, 5, padding=2, groups=wide), nn.BatchNorm2d(wide), nn.ReLU6())
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(), nn.Conv2d(4, wide, 1), nn.Hardsigmoid()
        )
        self.narrow = nn.Sequential(nn.Conv2d(wide, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Any) -> Any:
        y = self.depthwise(self.widen(x))
        return x + self.narrow(y * self.gate(y))


class UpAndDown(nn.Module):
    """As a small U-Net over the features: down, up again by two ways, joined."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.SiLU())
        self.up = nn.ConvTranspose2d(8, 8, 2, 2, groups=2)

    def forward(self, x: Any) -> Any:
        y = self.down(x)
        smooth = functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([x, self.up(y), smooth], dim=1)


class Network(nn.Module):
    """stem → `cam` → tail → scores. The CAM layer is the stem's result, so that the gradient runs through the whole tail."""

    def __init__(self, tail: nn.Module, *, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.tail = tail

    def forward(self, image: Any) -> Any:
        cam = self.stem(image)
        return self.tail(cam), cam


def pooled_head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels, CLASSES)]


def resnet_like() -> Network:
    return Network(nn.Sequential(nn.MaxPool2d(3, 2, 1), Residual(8, 8, 1), Residual(8, 12, 2), *pooled_head(12)))


def densenet_like() -> Network:
    return Network(nn.Sequential(Dense(8, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2, 2), Dense(16, 4), *pooled_head(24)))


def mobilenet_like() -> Network:
    return Network(nn.Sequential(Inverted(8), Inverted(8), *pooled_head(8)))


def efficientnet_like() -> Network:
    tail = [nn.Conv2d(8, 16, 3, 2, 1, groups=8), nn.BatchNorm2d(16), nn.SiLU(), nn.Conv2d(16, 12, 1), nn.SiLU()]
    return Network(nn.Sequential(*tail, *pooled_head(12)))


def alexnet_like() -> Network:
    tail = [nn.MaxPool2d(3, 2), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)]
    return Network(nn.Sequential(*tail, nn.Flatten(), nn.Linear(6 * 3 * 3, 16), nn.ReLU(), nn.Linear(16, CLASSES)))


def unet_like() -> Network:
    return Network(
        nn.Sequential(UpAndDown(8), nn.Conv2d(24, 8, 3, padding=1), nn.InstanceNorm2d(8, affine=True), nn.ELU(), *pooled_head(8))
    )


def convnext_like() -> Network:
    """Layer normalisation over channels that stand last, as vision transformers have it too."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

        def forward(self, x: Any) -> Any:
            y = self.narrow(functional.gelu(self.wide(self.norm(x.permute(0, 2, 3, 1)))))
            return x + y.permute(0, 3, 1, 2)

    return Network(nn.Sequential(Last(), *pooled_head(8)))


def shufflenet_like() -> Network:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.LeakyReLU(0.1))

        def forward(self, x: Any) -> Any:
            kept, worked = x.chunk(2, dim=1)
            joined = torch.cat([kept, self.branch(worked)], dim=1)
            batch, channels, rows, columns = joined.shape
            return joined.view(batch, 2, channels // 2, rows, columns).transpose(1, 2).reshape(batch, channels, rows, columns)

    return Network(nn.Sequential(Shuffled(), Shuffled(), *pooled_head(8)))


NETWORKS = [
    resnet_like,
    densenet_like,
    mobilenet_like,
    efficientnet_like,
    alexnet_like,
    unet_like,
    convnext_like,
    shufflenet_like,
]


def statistics_spread(network: nn.Module) -> None:
    """Random statistics, so that no normalisation is the identity and scores differ between images and classes."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)


def exported(network: nn.Module, image: Any, opset: int) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is announced as the older one
        torch.onnx.export(
            network,
            (image,),
            buffer,
            dynamo=False,
            opset_version=opset,
            input_names=["image"],
            output_names=["logits", "cam"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}, "cam": {0: "batch"}},
        )
    return onnx.load_from_string(buffer.getvalue())


def torch_maps(network: nn.Module, image: Any, method: str) -> np.ndarray:
    """Raw maps (batch, classes, rows, columns) by torch.autograd."""
    logits, cam = network(image)
    maps = []
    for column in range(CLASSES):
        (gradient,) = torch.autograd.grad(logits[:, column].sum(), cam, retain_graph=True)
        weights = gradient.mean(dim=(2, 3), keepdim=True) if method == "grad-cam" else gradient
        maps.append(functional.relu((weights * cam).sum(dim=1)))
    return torch.stack(maps, dim=1).detach().numpy()


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
@pytest.mark.parametrize(("method", "opset"), [("grad-cam", 17), ("hires-cam", 20)])
def test_heatmaps_of_a_pytorch_export_equal_autograds(build: Callable[[], Network], method: Any, opset: int) -> None:
    torch.manual_seed(3)
    network = build().eval()
    statistics_spread(network)
    image = torch.rand(3, 3, SIZE, SIZE)
    explained = explain_model(exported(network, image[:2], opset), scores="logits", target="cam", method=method)
    session = onnxruntime.InferenceSession(explained.model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits, maps = (np.asarray(values) for values in session.run(["logits", "heatmaps"], {"image": image.numpy()}))
    expected = torch_maps(network, image, method)
    np.testing.assert_allclose(logits, network(image)[0].detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(maps, expected, atol=1e-4 * expected.max())
    assert (expected.max(axis=(0, 2, 3)) > 0).sum() >= 2, "several classes must light up, or the comparison is empty"


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_the_cam_layer_and_the_scores_of_a_pytorch_export_are_found(build: Callable[[], Network]) -> None:
    """As published classifiers come: one output, nothing named."""
    network = build().eval()
    image = torch.rand(2, 3, SIZE, SIZE)
    model = exported(network, image, 17)
    single = onnx.utils.Extractor(model).extract_model(["image"], ["logits"])
    explained = explain_model(single)
    assert explained.scores == "logits"
    assert explained.columns == CLASSES
    rows, columns = explained.grid_hw
    assert rows == columns
    assert rows is not None
    assert 1 < rows <= SIZE // 2


def test_a_branch_that_reads_the_layer_is_never_overlooked() -> None:
    """LocalResponseNorm is exported with an If that sizes decide; behind it the exporter leaves open sizes that a rule needs."""
    network = Network(nn.Sequential(nn.LocalResponseNorm(5), *pooled_head(8))).eval()
    model = exported(network, torch.rand(2, 3, SIZE, SIZE), 17)
    assert any(node.op_type == "If" for node in model.graph.node)
    with pytest.raises(UnknownShape, match="export with a fixed image size"):
        explain_model(model, scores="logits", target="cam")
    assert explain_model(model, scores="logits", target="cam", method="eigen-cam").grid_hw == (SIZE // 2, SIZE // 2)
