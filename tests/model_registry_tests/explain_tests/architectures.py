"""Published classifiers in a few channels: their blocks, their heads, their order of operations; small enough for a test.

`Classifier.features` ends where the published Grad-CAM examples take their map; `head` is all that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

CLASSES = 4
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "none": nn.Identity,
}


class Classifier(nn.Module):
    def __init__(self, *features: nn.Module, channels: int = 0, head: nn.Module | None = None) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.head = head or nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))

    def forward(self, image: Any) -> Any:
        return self.head(self.features(image))


class Sum(nn.Module):
    """The sum of two ways, and an activation behind it."""

    def __init__(self, first: nn.Module, second: nn.Module | None = None, *, activation: str = "none") -> None:
        super().__init__()
        self.first, self.second, self.activation = first, second or nn.Identity(), _ACTIVATIONS[activation]()

    def forward(self, x: Any) -> Any:
        return self.activation(self.first(x) + self.second(x))


class Joined(nn.Module):
    """Ways side by side, concatenated."""

    def __init__(self, *ways: nn.Module) -> None:
        super().__init__()
        self.ways = nn.ModuleList(ways)

    def forward(self, x: Any) -> Any:
        return torch.cat([way(x) for way in self.ways], dim=1)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, *, hard: bool = False) -> None:
        super().__init__()
        self.ways = nn.Sequential(nn.Conv2d(channels, 4, 1), nn.ReLU(), nn.Conv2d(4, channels, 1))
        self.end = nn.Hardsigmoid() if hard else nn.Sigmoid()

    def forward(self, x: Any) -> Any:
        return x * self.end(self.ways(functional.adaptive_avg_pool2d(x, 1)))


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, activation: str = "relu") -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        _ACTIVATIONS[activation](),
    )


def basic(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    way = nn.Sequential(conv(inputs, outputs, 3, stride), conv(outputs, outputs, activation="none"))
    return Sum(way, conv(inputs, outputs, 1, stride, activation="none"), activation="relu")


def bottleneck(inputs: int, outputs: int, stride: int = 1, *, groups: int = 1, gate: bool = False, width: int = 8) -> nn.Module:
    way = [conv(inputs, width, 1), conv(width, width, 3, stride, groups), conv(width, outputs, 1, activation="none")]
    return Sum(
        nn.Sequential(*way, *([Gate(outputs)] if gate else [])),
        conv(inputs, outputs, 1, stride, activation="none"),
        activation="relu",
    )


def separable(inputs: int, outputs: int, stride: int = 1, activation: str = "relu") -> nn.Sequential:
    return nn.Sequential(conv(inputs, inputs, 3, stride, inputs, activation), conv(inputs, outputs, 1, activation=activation))


def inverted(channels: int, activation: str, *, gate: str = "", kernel: int = 3) -> nn.Module:
    wide = 3 * channels
    middle = [Gate(wide, hard=gate == "hard")] if gate else []
    way = [conv(channels, wide, 1, activation=activation), conv(wide, wide, kernel, 1, wide, activation), *middle]
    return Sum(nn.Sequential(*way, conv(wide, channels, 1, activation="none")))


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            *(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 8, 1, bias=False)),
            *(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, growth, 3, padding=1, bias=False)),
        )

    def forward(self, x: Any) -> Any:
        return torch.cat([x, self.layer(x)], dim=1)


class Shuffle(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(conv(half, half, 1), conv(half, half, 3, 1, half, "none"), conv(half, half, 1))

    def forward(self, x: Any) -> Any:
        kept, worked = x.chunk(2, dim=1)
        joined = torch.cat([kept, self.branch(worked)], dim=1)
        batch, channels, rows, columns = joined.shape
        return joined.view(batch, 2, channels // 2, rows, columns).transpose(1, 2).reshape(batch, channels, rows, columns)


class ChannelNorm(nn.Module):
    """Layer normalisation over channels, which ConvNeXt keeps first between its blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Any) -> Any:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.wide, self.narrow = nn.Linear(channels, 3 * channels), nn.Linear(3 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: Any) -> Any:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.narrow(functional.gelu(self.wide(y)))).permute(0, 3, 1, 2)


class Ghost(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.primary, self.cheap = conv(inputs, outputs // 2, 1), conv(outputs // 2, outputs // 2, 3, 1, outputs // 2)

    def forward(self, x: Any) -> Any:
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], dim=1)


class RepVGGBlock(nn.Module):
    """As trained: three ways, not yet merged into one."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.wide = conv(inputs, outputs, 3, stride, activation="none")
        self.narrow = conv(inputs, outputs, 1, stride, activation="none")
        self.same = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x: Any) -> Any:
        y = self.wide(x) + self.narrow(x)
        return functional.relu(y if self.same is None else y + self.same(x))


class StandardisedConv(nn.Conv2d):
    """NFNet's: weights of zero mean and unit variance, worked out in the graph."""

    def forward(self, x: Any) -> Any:
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        variance = self.weight.var(dim=(1, 2, 3), keepdim=True, unbiased=False)
        return functional.conv2d(
            x, (self.weight - mean) / torch.sqrt(variance + 1e-5) * 0.3, self.bias, self.stride, self.padding
        )


class PoolMixer(nn.Module):
    """PoolFormer's block: what a 3x3 mean adds, then a pointwise network, each with a group normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.points = nn.Sequential(nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1))

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        x = x + self.pool(y) - y
        return x + self.points(self.second(x))


class Attention(nn.Module):
    """One head of self-attention over the places of a map, or over tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.all, self.out = nn.LayerNorm(channels), nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, tokens: Any) -> Any:
        query, key, value = self.all(self.norm(tokens)).chunk(3, dim=-1)
        weights = torch.softmax(query @ key.transpose(1, 2) * query.shape[-1] ** -0.5, dim=-1)
        return tokens + self.out(weights @ value)


class AttentionHead(nn.Module):
    """CoAtNet's last stage: the map's places as tokens, attention, their mean, scores."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention, self.norm, self.dense = Attention(channels), nn.LayerNorm(channels), nn.Linear(channels, CLASSES)

    def forward(self, x: Any) -> Any:
        tokens = self.attention(x.flatten(2).transpose(1, 2))
        return self.dense(self.norm(tokens.mean(dim=1)))


class VisionTransformer(nn.Module):
    """Patches, a class token, attention: no map behind the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.attention, self.dense = nn.Conv2d(3, 8, 8, 8), Attention(8), nn.Linear(8, CLASSES)
        self.token = nn.Parameter(torch.rand(1, 1, 8))

    def forward(self, image: Any) -> Any:
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        return self.dense(self.attention(tokens)[:, 0])


def _vgg_head(channels: int, *, size: int, hidden: int = 12) -> nn.Sequential:
    layers = [nn.Linear(channels * size * size, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, CLASSES)]
    return nn.Sequential(nn.Flatten(), *layers)


def _fire(inputs: int, outputs: int) -> nn.Module:
    expand = Joined(*(nn.Sequential(nn.Conv2d(4, outputs // 2, k, padding=k // 2), nn.ReLU()) for k in (1, 3)))
    return nn.Sequential(nn.Conv2d(inputs, 4, 1), nn.ReLU(), expand)


def _inception(inputs: int) -> nn.Module:
    pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(inputs, 4, 1))
    return Joined(conv(inputs, 4, 1), nn.Sequential(conv(inputs, 4, 1), conv(4, 4, 5)), pooled)


def _mixer() -> nn.Module:
    return nn.Sequential(
        Sum(nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8), nn.GELU(), nn.BatchNorm2d(8))),
        *(nn.Conv2d(8, 8, 1), nn.GELU(), nn.BatchNorm2d(8)),
    )


def _unet_encoder() -> nn.Module:
    stages = [nn.Sequential(conv(a, b), conv(b, b)) for a, b in ((3, 6), (6, 8), (8, 12))]
    return nn.Sequential(stages[0], nn.MaxPool2d(2), stages[1], nn.MaxPool2d(2), stages[2])


def _xception() -> list[nn.Module]:
    way = nn.Sequential(separable(8, 12), separable(12, 12, activation="none"), nn.MaxPool2d(3, 2, 1))
    return [conv(3, 8, 3, 2), Sum(way, conv(8, 12, 1, 2, activation="none")), separable(12, 12)]


#: Name → the network, built anew.
ARCHITECTURES: dict[str, Callable[[], Classifier]] = {
    "ResNet-18": lambda: Classifier(conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), basic(8, 8), basic(8, 12), channels=12),
    "ResNet-50": lambda: Classifier(conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), bottleneck(8, 16), bottleneck(16, 16), channels=16),
    "ResNeXt": lambda: Classifier(conv(3, 8, 3, 2), bottleneck(8, 16, groups=4), bottleneck(16, 16, 2, groups=4), channels=16),
    "SE-ResNet": lambda: Classifier(
        conv(3, 8, 3, 2), bottleneck(8, 12, 2, gate=True), bottleneck(12, 12, gate=True), channels=12
    ),
    "Wide-ResNet": lambda: Classifier(conv(3, 8, 3, 2), bottleneck(8, 16, 2, width=24), channels=16),
    "DenseNet": lambda: Classifier(
        *(conv(3, 8, 3, 2), DenseLayer(8, 4), DenseLayer(12, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1)),
        *(nn.AvgPool2d(2, 2), DenseLayer(8, 4), nn.BatchNorm2d(12), nn.ReLU()),
        channels=12,
    ),
    "VGG": lambda: Classifier(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        head=_vgg_head(8, size=8),
    ),
    "AlexNet": lambda: Classifier(
        *(nn.Conv2d(3, 8, 7, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        head=_vgg_head(8, size=3),
    ),
    "SqueezeNet": lambda: Classifier(
        *(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), _fire(8, 8), _fire(8, 8)),
        *(nn.Dropout(), nn.Conv2d(8, CLASSES, 1), nn.ReLU()),
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ),
    "Inception": lambda: Classifier(conv(3, 8, 3, 2), _inception(8), nn.MaxPool2d(3, 2), _inception(12), channels=12),
    "Xception": lambda: Classifier(*_xception(), channels=12),
    "MobileNetV1": lambda: Classifier(conv(3, 8, 3, 2), separable(8, 12, 2), separable(12, 12), channels=12),
    "MobileNetV2": lambda: Classifier(
        conv(3, 8, 3, 2, activation="relu6"), inverted(8, "relu6"), conv(8, 12, 1, activation="relu6"), channels=12
    ),
    "MobileNetV3": lambda: Classifier(
        *(conv(3, 8, 3, 2, activation="hardswish"), inverted(8, "hardswish", gate="hard", kernel=5)),
        conv(8, 12, 1, activation="hardswish"),
        head=nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 16), nn.Hardswish(), nn.Dropout(), nn.Linear(16, CLASSES))
        ),
    ),
    "MNASNet": lambda: Classifier(
        conv(3, 8, 3, 2), inverted(8, "relu", kernel=5), inverted(8, "relu"), conv(8, 12, 1), channels=12
    ),
    "EfficientNet": lambda: Classifier(
        conv(3, 8, 3, 2, activation="silu"), inverted(8, "silu", gate="soft"), conv(8, 12, 1, activation="silu"), channels=12
    ),
    "ShuffleNetV2": lambda: Classifier(
        conv(3, 8, 3, 2), nn.MaxPool2d(3, 2, 1), Shuffle(8), Shuffle(8), conv(8, 12, 1), channels=12
    ),
    "ConvNeXt": lambda: Classifier(
        *(nn.Conv2d(3, 8, 4, 4), ChannelNorm(8), ConvNeXtBlock(8), ConvNeXtBlock(8)),
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, CLASSES)),
    ),
    "RegNetY": lambda: Classifier(conv(3, 8, 3, 2), bottleneck(8, 12, 2, groups=2, gate=True, width=12), channels=12),
    "GhostNet": lambda: Classifier(conv(3, 8, 3, 2), Sum(nn.Sequential(Ghost(8, 16), Gate(16), Ghost(16, 8))), channels=8),
    "RepVGG": lambda: Classifier(RepVGGBlock(3, 8, 2), RepVGGBlock(8, 8), RepVGGBlock(8, 12, 2), channels=12),
    "NFNet": lambda: Classifier(
        *(StandardisedConv(3, 8, 3, 2, 1), nn.GELU(), Sum(nn.Sequential(StandardisedConv(8, 8, 3, padding=1), Gate(8)))),
        *(StandardisedConv(8, 12, 1), nn.GELU()),
        channels=12,
    ),
    "U-Net encoder": lambda: Classifier(_unet_encoder(), channels=12),
    "ConvMixer": lambda: Classifier(nn.Conv2d(3, 8, 4, 4), nn.GELU(), nn.BatchNorm2d(8), _mixer(), _mixer(), channels=8),
    "PoolFormer": lambda: Classifier(
        *(nn.Conv2d(3, 8, 4, 4), PoolMixer(8), PoolMixer(8)),
        head=nn.Sequential(nn.GroupNorm(1, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)),
    ),
    "CoAtNet": lambda: Classifier(conv(3, 8, 3, 2), nn.MaxPool2d(2), inverted(8, "silu"), head=AttentionHead(8)),
}
