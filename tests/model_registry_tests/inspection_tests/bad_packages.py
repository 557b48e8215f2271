"""A small sound package, and bad ones made from it: each wrong in one way, so that its code can only come from that.

Everything is written with right digests: what is wrong is what the files say, which no digest can show.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_registry.packaging import Package, package_write

CLASSES = ("normal", "malignant")
SIDE = 8
WEIGHTS = np.linspace(-1, 1, SIDE * SIDE * 2, dtype=np.float32).reshape(SIDE * SIDE, 2)


def sound_model(*, weights: TensorProto | None = None, extra_nodes: tuple[onnx.NodeProto, ...] = ()) -> onnx.ModelProto:
    """(N, 8, 8, 1) in; logits = image · weights; the one map is the image's absolute value."""
    nodes = [
        *extra_nodes,
        helper.make_node("Reshape", ["image", "flat"], ["pixels"], name="flatten"),
        helper.make_node("MatMul", ["pixels", "weights"], ["logits"], name="classify"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Abs", ["planes"], ["heatmaps"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sound",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 1, SIDE, SIDE]),
        ],
        [
            weights if weights is not None else numpy_helper.from_array(WEIGHTS, "weights"),
            numpy_helper.from_array(np.array([-1, SIDE * SIDE]), "flat"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def external(**entries: Any) -> TensorProto:
    """The weights, said to lie elsewhere."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def manifest_fields() -> dict[str, Any]:
    return {
        "name": "sound",
        "version": "1.0.0",
        "title": "Sound",
        "classes": CLASSES,
        "input_shape": (SIDE, SIDE, 1),
        "preprocessing": {"name": "plain", "steps": [{"step": "display"}, {"step": "resize", "size_hw": (SIDE, SIDE)}]},
        "explanation": {"targets": ("suspicion",), "cam_layer": "planes", "grid_hw": (SIDE, SIDE)},
        "suspicion": {"classes": ("malignant",), "target": "suspicion", "threshold": 0.5},
        "intended_use": {"statement": "tests"},
        "provenance": {
            "architecture": "linear", "training_data": "none", "training_command": "none",
            "licence": "none", "parameters": 128, "created": "2026-01-01",
        },
        "golden": [{"image": "golden/view.png", "expected": "golden/view.npz"}],
    }  # fmt: skip


def package_make(folder: Path, *, model: bytes, files: dict[str, bytes] | None = None, **changes: Any) -> Package:
    contents = {
        "model.onnx": model, "MODEL_CARD.md": b"# sound\n", "golden/view.png": b"", "golden/view.npz": b"", **(files or {})
    }  # fmt: skip
    return package_write(folder=folder, manifest=manifest_fields() | changes, contents=contents)


@dataclass(frozen=True)
class BadPackage:
    """`model` makes the file; `changes` are to the manifest; `mentions` must stand in the finding."""

    name: str
    code: str
    model: Callable[[], onnx.ModelProto | bytes]
    mentions: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    afterwards: Callable[[Path], None] | None = None

    def make(self, folder: Path) -> Path:
        made = self.model()
        data = made if isinstance(made, bytes) else made.SerializeToString()
        package_make(folder, model=data, files=self.files, **self.changes)
        if self.afterwards is not None:
            self.afterwards(folder)
        return folder


def altered(change: Callable[[onnx.ModelProto], Any]) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        model = sound_model()
        change(model)
        return model

    return make


def _with_weights(array: np.ndarray, data_type: int | None = None) -> Callable[[], onnx.ModelProto]:
    """The weights in another width are cast before they are used, as exporters of half-precision models do."""
    if array.dtype == np.float32:
        return lambda: sound_model(weights=numpy_helper.from_array(array, "weights"))
    tensor = numpy_helper.from_array(array, "half")
    tensor.data_type = data_type or tensor.data_type
    cast = helper.make_node("Cast", ["half"], ["weights"], to=TensorProto.FLOAT)
    return lambda: sound_model(weights=tensor, extra_nodes=(cast,))


def _custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type, model.graph.node[1].domain = "Backdoor", "evil.example"
    model.opset_import.append(helper.make_opsetid("evil.example", 1))


def _nested_branches(model: onnx.ModelProto, depth: int) -> None:
    value = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["y"])], "leaf", [], value)
    for _ in range(depth):
        choice = helper.make_node("If", ["condition"], ["y"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([choice], "branch", [], value)
        del graph.node[0].attribute[1:]  # two branches each would be 2^depth graphs on disk
    model.graph.node.extend(graph.node)


def _doubling_functions(model: onnx.ModelProto) -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    for level in range(40):
        called = ("Abs", "") if level == 0 else (f"f{level - 1}", "local")
        nodes = [helper.make_node(called[0], [source], [target], domain=called[1]) for source, target in (("x", "m"), ("m", "y"))]
        model.functions.append(helper.make_function("local", f"f{level}", ["x"], ["y"], nodes, imports))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node.append(helper.make_node("f39", ["logits"], ["doubled"], domain="local"))


def _circular_function(model: onnx.ModelProto) -> None:
    imports = [helper.make_opsetid("local", 1)]
    nodes = [helper.make_node("again", ["x"], ["y"], domain="local")]
    model.functions.append(helper.make_function("local", "again", ["x"], ["y"], nodes, imports))
    model.opset_import.append(helper.make_opsetid("local", 1))


def _huge_at_run_time(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([10**6, 10**6]), "huge"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["ones"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["ones"], ["one"]))


def _sparse_bomb(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**6, 10**6]))


def _replace_by_link(folder: Path) -> None:
    os.rename(folder / "weights.bin", folder.parent / f"{folder.name}.bin")
    (folder / "weights.bin").symlink_to(folder.parent / f"{folder.name}.bin")


def _leave_unlisted(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(RAW)


def _add_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["N", 1]))


def _fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def _take_doubles(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _use_gpu_operator(model: onnx.ModelProto) -> None:
    model.graph.node[4].domain, model.graph.node[4].op_type = "com.microsoft", "GroupNorm"


def _fill_with_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend([helper.make_node("Identity", ["image"], ["x"])] * 100_000)


def _nan_slope() -> onnx.ModelProto:
    return sound_model(extra_nodes=(helper.make_node("Elu", ["image"], ["unused"], alpha=float("nan")),))


def _beside(**entries: Any) -> Callable[[], onnx.ModelProto]:
    """The weights in weights.bin."""
    return lambda: sound_model(weights=external(location="weights.bin", **entries))


def _maps(*targets: str, side: int = SIDE) -> dict[str, Any]:
    return {"explanation": {"targets": targets, "cam_layer": "planes", "grid_hw": (side, side)}}


def _resized(*size_hw: int, layout: str = "nhwc") -> dict[str, Any]:
    steps = [{"step": "display"}, {"step": "resize", "size_hw": size_hw}]
    return {"preprocessing": {"name": "odd", "tensor_layout": layout, "steps": steps}}


def _output(model: onnx.ModelProto, index: int, *shape: Any, kind: int = TensorProto.FLOAT) -> None:
    name = model.graph.output[index].name
    model.graph.output[index].CopyFrom(helper.make_tensor_value_info(name, kind, shape))


def _three_probabilities(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 3), np.float32), "mix"))
    model.graph.node.append(helper.make_node("MatMul", ["probabilities", "mix"], ["three"]))
    model.graph.output[1].CopyFrom(helper.make_tensor_value_info("three", TensorProto.FLOAT, ["N", 3]))
    model.graph.node[2].output[0] = "two"
    model.graph.node[-1].input[0], model.graph.node[-1].output[0] = "two", "probabilities"
    _output(model, 1, "N", 3)
    model.graph.output[1].name = "probabilities"


RAW = WEIGHTS.tobytes()
NAN_WEIGHTS = np.where(np.arange(128).reshape(64, 2) == 77, np.float32("nan"), WEIGHTS)
INFINITE_WEIGHTS = np.where(np.isnan(NAN_WEIGHTS), np.float32("inf"), WEIGHTS)
NAN_AS_BFLOAT16 = (NAN_WEIGHTS.view(np.uint32) >> 16).astype(np.uint16)
HUGE = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[10**6, 10**6])
SHAPES, LABELS, OUTSIDE = "model:shape_mismatch", "model:label_count_mismatch", "model:external_data_outside"
OPERATOR, CORRUPT, LARGE, FINITE = (
    "model:unsupported_operator",
    "model:corrupt_onnx",
    "model:too_large",
    "model:weights_not_finite",
)

BAD_PACKAGES = (
    BadPackage("not-onnx", CORRUPT, lambda: b"\x89PNG\r\n\x1a\n" + bytes(64), "not an ONNX file"),
    BadPackage("pickle", CORRUPT, lambda: b"\x80\x04cposix\nsystem\n(S'true'\ntR.", "not an ONNX file"),
    BadPackage("empty", CORRUPT, lambda: b"", "empty"),
    BadPackage("cut-short", CORRUPT, lambda: sound_model().SerializeToString()[:-60]),
    BadPackage("no-graph", CORRUPT, altered(lambda m: m.graph.ClearField("node")), "no graph"),
    BadPackage("dangling-input", CORRUPT, altered(lambda m: m.graph.node[1].input.__setitem__(1, "nobody")), "nobody"),
    BadPackage("data-shorter-than-declared", CORRUPT, altered(lambda m: m.graph.initializer[0].dims.append(3)), "holds 512"),
    BadPackage("negative-size", CORRUPT, altered(lambda m: m.graph.initializer[0].dims.__setitem__(0, -64)), "-64"),
    BadPackage("name-not-utf8", CORRUPT, lambda: sound_model().SerializeToString().replace(b"classify", b"class\xff\xfey")),
    BadPackage("circular-function", CORRUPT, altered(_circular_function), "circle"),
    BadPackage("custom-operator", OPERATOR, altered(_custom_operator), "evil.example:Backdoor"),
    BadPackage("unknown-operator", OPERATOR, altered(lambda m: setattr(m.graph.node[4], "op_type", "Absolute")), "Absolute"),
    BadPackage("gpu-only-operator", OPERATOR, altered(_use_gpu_operator), "GroupNorm"),
    BadPackage("opset-too-new", OPERATOR, altered(lambda m: setattr(m.opset_import[0], "version", 99)), "newer"),
    BadPackage("opset-too-old", OPERATOR, altered(lambda m: setattr(m.opset_import[0], "version", 5)), "too old"),
    BadPackage("ir-too-new", OPERATOR, altered(lambda m: setattr(m, "ir_version", 99)), "IR version 99"),
    BadPackage("data-absolute", OUTSIDE, lambda: sound_model(weights=external(location="/etc/passwd")), "relative"),
    BadPackage("data-above", OUTSIDE, lambda: sound_model(weights=external(location="../weights.bin")), "leads out"),
    BadPackage("data-windows-path", OUTSIDE, lambda: sound_model(weights=external(location="C:\\weights.bin")), "relative"),
    BadPackage("data-missing", OUTSIDE, _beside(), "not there"),
    BadPackage("data-unlisted", OUTSIDE, _beside(), "lists", afterwards=_leave_unlisted),
    BadPackage("data-offset-beyond", OUTSIDE, _beside(offset=10**9), "beyond the end", files={"weights.bin": RAW}),
    BadPackage("data-length-beyond", OUTSIDE, _beside(length=10**9), "beyond the end", files={"weights.bin": RAW}),
    BadPackage("data-too-short", OUTSIDE, _beside(), "needs 512", files={"weights.bin": RAW[:100]}),
    BadPackage("nan-weights", FINITE, _with_weights(NAN_WEIGHTS), "1 NaN"),
    BadPackage("infinite-weights", FINITE, _with_weights(INFINITE_WEIGHTS), "1 infinite"),
    BadPackage("nan-float16", FINITE, _with_weights(NAN_WEIGHTS.astype(np.float16)), "1 NaN"),
    BadPackage("nan-bfloat16", FINITE, _with_weights(NAN_AS_BFLOAT16, TensorProto.BFLOAT16), "1 NaN"),
    BadPackage("nan-beside-the-model", FINITE, _beside(), "1 NaN", files={"weights.bin": NAN_WEIGHTS.tobytes()}),
    BadPackage("nan-attribute", FINITE, _nan_slope, "alpha"),
    BadPackage("three-classes-declared", LABELS, sound_model, "2 scores", changes={"classes": ("normal", "benign", "malignant")}),
    BadPackage("probabilities-of-three", LABELS, altered(_three_probabilities), "3 scores"),
    BadPackage("input-size", SHAPES, sound_model, "(16, 16, 1)", changes={"input_shape": (16, 16, 1)}),
    BadPackage("profile-size", SHAPES, sound_model, "the profile makes (9, 8, 1)", changes=_resized(9, 8)),
    BadPackage("profile-layout", SHAPES, sound_model, "the profile makes (1, 8, 8)", changes=_resized(8, 8, layout="nchw")),
    BadPackage("map-grid", SHAPES, sound_model, "(open, 1, 4, 4)", changes=_maps("suspicion", side=4)),
    BadPackage("map-targets", SHAPES, sound_model, "(open, 2, 8, 8)", changes=_maps("suspicion", "malignant")),
    BadPackage(
        "output-lies", SHAPES, altered(lambda m: _output(m, 2, "N", 1, 4, 4)), "computes", changes=_maps("suspicion", side=4)
    ),
    BadPackage("no-maps", SHAPES, altered(lambda m: m.graph.output.pop()), "no such output"),
    BadPackage("extra-input", SHAPES, altered(_add_input), "nothing would be fed"),
    BadPackage("fixed-batch", SHAPES, altered(_fix_batch), "fixed batch of 4"),
    BadPackage("double-input", SHAPES, altered(_take_doubles), "DOUBLE"),
    BadPackage("weights-do-not-fit", SHAPES, _with_weights(WEIGHTS[:63]), "contradicts itself"),
    BadPackage("sizes-without-data", LARGE, lambda: sound_model(weights=HUGE), "[1000000, 1000000]"),
    BadPackage("nested-branches", LARGE, altered(lambda m: _nested_branches(m, 20)), "20 deep"),
    BadPackage("too-many-nodes", LARGE, altered(_fill_with_nodes), "nodes"),
    BadPackage("functions-that-double", LARGE, altered(_doubling_functions), "written out"),
    BadPackage("sparse-bomb", LARGE, altered(_sparse_bomb), "[1000000, 1000000]"),
    BadPackage("huge-at-run-time", LARGE, altered(_huge_at_run_time), "1000000"),
)

LINKED = BadPackage("data-through-a-link", OUTSIDE, _beside(), "link", files={"weights.bin": RAW}, afterwards=_replace_by_link)
