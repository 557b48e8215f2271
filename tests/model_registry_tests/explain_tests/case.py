"""Small graphs around one operator, and their gradient by numerical differentiation: the yardstick of the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET = 18
COLUMNS = 2


class Case:
    """A small graph: `features` → the operators under test → a random weighted sum over everything → scores (batch, 2)."""

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        build: Callable[[Case], str],
        *,
        opset: int = OPSET,
        low: float = -2.0,
        batch: int | None = None,
    ) -> None:
        """`batch` is the only batch size that the graph, or the reference evaluator's operator, takes; None for any."""
        self.name, self.shape, self.opset, self.low = name, shape, opset, low
        self.build, self.batch = build, batch
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(7)

    def node(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), names, name=f"{op_type}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value: Any, kind: Any = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=kind)
        return name

    def weights(self, *shape: int, low: float = -1.0) -> str:
        return self.const(self.random.uniform(low, 1.0, shape))

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)

    def model(self, kind: type[np.floating[Any]]) -> onnx.ModelProto:
        self.nodes, self.constants, self.random = [], {}, np.random.default_rng(7)
        self.nodes.append(helper.make_node("Mul", ["image", self.const(1.0)], ["features"], name="features"))
        result = self.build(self)
        flat = self.node("Flatten", result, axis=1)
        # the number of elements behind the batch is found by running the part built so far
        answer: Any = ReferenceEvaluator(self._proto(np.float64, flat)).run(None, {"image": self.image(2)})
        size = answer[0].shape[1]
        scores = self.node("MatMul", flat, self.weights(size, COLUMNS))
        self.nodes.append(helper.make_node("Identity", [scores], ["scores"]))
        return self._proto(kind, "scores")

    def image(self, batch: int) -> np.ndarray:
        values = np.random.default_rng(3).permutation(np.linspace(self.low, 2.0, batch * int(np.prod(self.shape))))
        return values.reshape(batch, *self.shape) + 0.0137

    def _proto(self, kind: type[np.floating[Any]], output: str) -> onnx.ModelProto:
        tensor = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        constants = [
            numpy_helper.from_array(value.astype(kind) if value.dtype == np.float64 else value, name)
            for name, value in self.constants.items()
        ]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("image", tensor, ["batch", *self.shape])],
            [helper.make_tensor_value_info(output, tensor, None)],
            constants,
        )
        if output == "scores":
            del graph.output[:]
            graph.output.append(helper.make_tensor_value_info("scores", tensor, ["batch", COLUMNS]))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def unary(op_type: str, **options: Any) -> Case:
    low, opset = options.pop("low", -2.0), options.pop("opset", OPSET)
    name = "-".join([op_type.lower(), *map(str, options.values())])
    return Case(name, (2, 3, 4), lambda c: c.node(op_type, "features", **options), low=low, opset=opset)


def reduction(op_type: str, axes: list[int], keepdims: int, *, opset: int = OPSET, low: float = -2.0) -> Case:
    def build(c: Case) -> str:
        if opset >= 18 or op_type == "ReduceSum":
            return c.node(op_type, "features", c.ints(*axes), keepdims=keepdims)
        return c.node(op_type, "features", axes=axes, keepdims=keepdims)

    return Case(f"{op_type}-{axes}-{keepdims}-{opset}".lower(), (3, 4, 5), build, opset=opset, low=low)


def convolution(**attributes: Any) -> Case:
    kernel = attributes.pop("kernel", (3, 3))
    group = attributes.get("group", 1)
    name = "conv-" + "-".join(f"{key}{value}" for key, value in attributes.items()).replace(" ", "")
    return Case(
        name, (4, 7, 6), lambda c: c.node("Conv", "features", c.weights(4, 4 // group, *kernel), c.weights(4), **attributes)
    )


def pool(op_type: str, **attributes: Any) -> Case:
    opset = attributes.pop("opset", OPSET)
    name = op_type.lower() + "-".join(f"{key}{value}" for key, value in attributes.items()).replace(" ", "")
    return Case(name, (2, 7, 6), lambda c: c.node(op_type, "features", **attributes), opset=opset)


def numerical_gradient(case: Case, image: np.ndarray, column: int, *, step: float = 1e-3) -> np.ndarray:
    """Central differences of the reference evaluator in float64. All shifted images form one batch."""
    evaluator = ReferenceEvaluator(case.model(np.float64))
    shifts = step * np.eye(image[0].size).reshape(-1, *image.shape[1:])
    # (images, sign, element) in front of an image's own axes
    shifted = image[:, None, None] + np.stack([shifts, -shifts])[None]
    batch = shifted.reshape(-1, *image.shape[1:])
    together = case.batch or len(batch)
    scores: list[np.ndarray] = []
    for start in range(0, len(batch), together):
        answer: Any = evaluator.run(None, {"image": batch[start : start + together]})
        scores.append(answer[0][:, column])
    upper, lower = np.concatenate(scores).reshape(len(image), 2, -1).transpose(1, 0, 2)
    return ((upper - lower) / (2 * step)).reshape(image.shape)
