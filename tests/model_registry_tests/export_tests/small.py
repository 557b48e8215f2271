"""A small profile and small classifiers with spread-out answers, for everything that exports and imports."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_registry.building.golden import drawings, golden_prepare
from model_registry.packaging.profile import Channels, Display, PreprocessingProfile, Resize, Scale

ROWS, COLUMNS = 48, 40
PROFILE = PreprocessingProfile(
    name="small-grey",
    steps=(Display(bits=8), Resize(size_hw=(ROWS, COLUMNS)), Scale(multiply=4.0), Channels(layout="grey")),
)


def tensors() -> list[np.ndarray]:
    """The golden drawings as PROFILE makes them, (ROWS, COLUMNS, 1)."""
    return [golden_prepare(name=name, data=data, profile=PROFILE).tensor for name, data in drawings()]


def classifier(
    *,
    columns: int,
    ending: str = "",
    batch: int | str = "n",
    channels: int = 1,
    size: tuple[int, int] = (ROWS, COLUMNS),
    last: bool = False,
    fixed_reshape: bool = False,
    kind: int = TensorProto.FLOAT,
    output: str = "y",
) -> onnx.ModelProto:
    """Conv-Relu-Conv-Relu-mean-dense, then the operator `ending` ("Exp-share": a softmax written out), as an exporter writes it.

    `last`: channels-last input. `fixed_reshape`: the batch stands as a number in a reshape, so that it cannot grow by itself.
    """
    random = np.random.default_rng(3)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weights = {
        "w1": random.normal(0, 0.4, (6, channels, 3, 3)),
        "w2": random.normal(0, 0.3, (8, 6, 3, 3)),
        "w3": random.normal(0, 1.0, (8, columns)),
        "b3": random.normal(0, 0.5, columns),
    }
    initializers = [numpy_helper.from_array(value.astype(dtype), name) for name, value in weights.items()]
    nodes = []
    source = "x"
    if last:
        nodes.append(helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]))
        source = "first"
    nodes += [
        helper.make_node("Conv", [source, "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "flat_shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["z"]),
    ]
    first = batch if fixed_reshape and isinstance(batch, int) else -1
    initializers.append(numpy_helper.from_array(np.array([first, 8], dtype=np.int64), "flat_shape"))
    if ending == "Exp-share":
        initializers.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"))
        nodes += [
            helper.make_node("Exp", ["z"], ["e"]),
            helper.make_node("ReduceSum", ["e", "axes"], ["total"], keepdims=1),
            helper.make_node("Div", ["e", "total"], [output]),
        ]
    elif ending:
        nodes.append(helper.make_node(ending, ["z"], [output]))
    else:
        nodes.append(helper.make_node("Identity", ["z"], [output]))
    shape = [batch, *size, channels] if last else [batch, channels, *size]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(output, kind, [batch, columns])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
