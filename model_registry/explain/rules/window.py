"""The geometry of sliding windows: kernel, strides, dilations and padding of a Conv or a pool, as its transpose needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from model_registry.explain.errors import UnknownShape
from model_registry.explain.gradient import Reverse
from model_registry.explain.graph import attribute


@dataclass(frozen=True, slots=True)
class Window:
    """Sizes along the spatial axes, all known: padding is explicit even where the node said SAME."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]
    source: tuple[int, ...]
    result: tuple[int, ...]

    def transposed(self) -> dict[str, Any]:
        """Attributes of the ConvTranspose that maps the result's size back to the source's."""
        covered = [
            (n - 1) * stride + (k - 1) * dilation + 1 - begin
            for n, stride, k, dilation, begin in zip(
                self.result, self.strides, self.kernel, self.dilations, self.pads_begin, strict=True
            )
        ]
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.strides),
            "dilations": list(self.dilations),
            "pads": [*self.pads_begin, *(max(c - s, 0) for c, s in zip(covered, self.source, strict=True))],
            "output_padding": [max(s - c, 0) for c, s in zip(covered, self.source, strict=True)],
        }

    def counts(self, *, padding: bool = False) -> np.ndarray:
        """How many elements each window covers, shape (1, 1, *result). Padding counts if asked, a ceiling's overhang never."""
        total = np.ones((1, 1, *self.result))
        geometry = (self.result, self.strides, self.kernel, self.dilations, self.pads_begin, self.pads_end, self.source)
        for axis, (n, stride, k, dilation, begin, end, size) in enumerate(zip(*geometry, strict=True)):
            positions = np.arange(n)[:, None] * stride - begin + np.arange(k)[None, :] * dilation
            first, last = (-begin, size + end) if padding else (0, size)
            inside = ((positions >= first) & (positions < last)).sum(axis=1)
            total = total * inside.reshape([1, 1, *[-1 if a == axis else 1 for a in range(len(self.result))]])
        return total

    @property
    def is_disjoint(self) -> bool:
        """No two windows share an element."""
        return all((k - 1) * d + 1 <= s for k, d, s in zip(self.kernel, self.dilations, self.strides, strict=True))


def spatial_sizes(reverse: Reverse, name: str) -> tuple[int, ...]:
    """The static sizes behind batch and channels. Raises UnknownShape where one is open."""
    sizes = reverse.shape(name)[2:]
    if any(size is None for size in sizes):
        raise UnknownShape(f"the spatial size of tensor {name!r} is open; export with a fixed image size")
    return tuple(size for size in sizes if size is not None)


def window_of(reverse: Reverse, node: onnx.NodeProto, *, kernel: Sequence[int | None]) -> Window:
    """Read the geometry of a node whose input 0 slides under a window of size `kernel`."""
    if any(size is None for size in kernel):
        raise UnknownShape(f"the kernel size of node {node.name or node.output[0]!r} is open")
    sizes = tuple(size for size in kernel if size is not None)
    dimensions = len(sizes)
    strides = tuple(attribute(node, "strides", [1] * dimensions))
    dilations = tuple(attribute(node, "dilations", [1] * dimensions))
    source, result = spatial_sizes(reverse, node.input[0]), spatial_sizes(reverse, node.output[0])
    automatic = attribute(node, "auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        begin, end = [], []
        for n, stride, k, dilation, size in zip(result, strides, sizes, dilations, source, strict=True):
            total = max((n - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            begin.append(total // 2 if automatic == "SAME_UPPER" else total - total // 2)
            end.append(total - begin[-1])
    else:
        pads = list(attribute(node, "pads", [0] * 2 * dimensions)) if automatic == "NOTSET" else [0] * 2 * dimensions
        begin, end = pads[:dimensions], pads[dimensions:]
    return Window(sizes, strides, dilations, tuple(begin), tuple(end), source, result)
