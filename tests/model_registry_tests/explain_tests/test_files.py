"""Models of strangers: what is read from beside a model, what never is, and what is said of a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.explain.errors import ExternalDataRefused, UnreadableModel
from model_registry.explain.files import model_load, model_save

WEIGHTS = np.arange(4 * 512, dtype=np.float32).reshape(4, 512)


def model(*, external: dict[str, Any] | None = None, inside: str = "weights") -> onnx.ModelProto:
    """One product with WEIGHTS, whose tensor, or that of a constant node, points to `external`."""
    tensor = numpy_helper.from_array(WEIGHTS, "weights")
    if external is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in external.items():
            tensor.external_data.add(key=key, value=str(value))
    nodes = [helper.make_node("MatMul", ["image", "weights"], ["scores"])]
    if inside == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["weights"], value=tensor))
    if inside == "branch":
        branch = helper.make_graph(
            [helper.make_node("Identity", ["weights"], ["y"])],
            "branch",
            [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 512])],
            [tensor],
        )
        condition = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
        choice = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
        nodes = [condition, choice, helper.make_node("MatMul", ["image", "chosen"], ["scores"])]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 512])],
        [tensor] if inside == "weights" else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def written(folder: Path, proto: onnx.ModelProto) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_large_tensors_are_read_from_beside_the_model_and_written_beside_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = written(folder, model(external={"location": "data/weights.bin", "offset": 16, "length": WEIGHTS.nbytes}))
    (folder / "data").mkdir()
    (folder / "data" / "weights.bin").write_bytes(bytes(16) + WEIGHTS.tobytes())
    loaded = model_load(path)
    assert loaded.data_files == (folder / "data" / "weights.bin",)
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.model.graph.initializer[0]), WEIGHTS)

    out = tmp_path / "new.onnx"
    (tmp_path / "new.onnx.data").write_bytes(b"left by an earlier run")
    assert model_save(loaded.model, out, external=True) == (out, tmp_path / "new.onnx.data")
    assert (tmp_path / "new.onnx.data").stat().st_size == WEIGHTS.nbytes
    assert out.stat().st_size < 1024
    np.testing.assert_array_equal(numpy_helper.to_array(model_load(out).model.graph.initializer[0]), WEIGHTS)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "new.onnx", "new.onnx.data"]


@pytest.mark.parametrize("inside", ["weights", "constant", "branch"])
@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret.bin", "data/../../secret.bin", "C:\\secret.bin", "..\\secret.bin", "link.bin", ""]
)
def test_data_outside_the_models_folder_is_never_read(tmp_path: Path, location: str, inside: str) -> None:
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    path = written(tmp_path / "in", model(external={"location": location}, inside=inside))
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ExternalDataRefused, match="folder") as caught:
        model_load(path)
    assert caught.value.code == "model:external_data_refused"
    assert "'weights'" in caught.value.detail


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"location": "gone.bin"}, "not there"),
        ({"location": "short.bin", "length": 8192}, "beyond the end"),
        ({"location": "short.bin", "offset": 101}, "beyond the end"),
        ({"location": "short.bin", "offset": -1}, "beyond the end"),
        ({"location": "short.bin", "offset": "first"}, "not a number"),
    ],
)
def test_missing_or_short_data_is_refused(tmp_path: Path, entries: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, model(external=entries))
    (tmp_path / "short.bin").write_bytes(bytes(100))
    with pytest.raises(ExternalDataRefused, match=reason):
        model_load(path)


def test_data_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, model(external={"location": "short.bin"}))
    (tmp_path / "short.bin").write_bytes(bytes(100))
    with pytest.raises((UnreadableModel, ExternalDataRefused)):
        model_load(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a file with content"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "not an ONNX file"),
        (model().SerializeToString()[:200], "not an ONNX file"),
        (helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString(), "holds no graph"),
    ],
)
def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UnreadableModel, match=reason) as caught:
        model_load(path)
    assert caught.value.code == "model:unreadable_file"


def test_a_graph_that_uses_what_nobody_makes_is_refused(tmp_path: Path) -> None:
    broken = model()
    broken.graph.node[0].input[0] = "nobody"
    with pytest.raises(UnreadableModel, match="not a valid ONNX model"):
        model_load(written(tmp_path, broken))


def test_a_missing_file_or_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="No such file"):
        model_load(tmp_path / "none.onnx")
    with pytest.raises(UnreadableModel, match="cannot be written"):
        model_save(model(), tmp_path / "none" / "model.onnx", external=False)
