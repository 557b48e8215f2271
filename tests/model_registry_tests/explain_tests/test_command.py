"""`python -m model_registry explain` on small files: what it writes, what it says, and what it answers when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_registry.cli import main

CHANNELS = 16


def classifier(*, head: str = "Tanh", domain: str = "", batch: int | str = "n", opset: int = 17) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["features"], name="features"),
        helper.make_node(head, ["features"], ["shaped"], name="shaped", domain=domain),
        helper.make_node("GlobalAveragePool", ["shaped"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["logits"], name="dense"),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    weights = {"kernel": random.normal(size=(CHANNELS, 3, 3, 3)), "dense": random.normal(size=(CHANNELS, 4))}
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 16, 12])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def saved(folder: Path, **options: Any) -> Path:
    path = folder / "in.onnx"
    onnx.save(classifier(**options), path)
    return path


def heatmaps(path: Path, batch: int) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).random((batch, 3, 16, 12), dtype=np.float32)
    found: Any = session.run(["heatmaps"], {"image": image})
    return np.asarray(found[0])


def lines_of(text: str) -> dict[str, str]:
    """What stands behind the first word or words of each line of the summary."""
    return {key.strip(): value.strip() for key, _, value in (line.partition("  ") for line in text.splitlines())}


def test_it_writes_the_model_and_says_what_it_chose_and_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.onnx"
    assert main(["explain", str(saved(tmp_path)), str(out), "--repeats", "3"]) == 0
    assert heatmaps(out, 3).shape == (3, 4, 16, 12)
    said = capsys.readouterr().out
    summary = lines_of(said)
    added = len(onnx.load(out).graph.node) - 7
    assert summary["scores"] == "logits"
    assert summary["CAM layer"] == "shaped"
    assert (summary["grid"], summary["maps"], summary["nodes"]) == ("16 x 12", "4", f"7 + {added}")
    costs = [line.split() for line in said.splitlines() if "%" in line]
    assert [(row[0], row[-1]) for row in costs] == [("1", "3"), ("8", "3")], "one line for each batch size, with its pairs"


def test_layer_scores_and_method_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.onnx"
    wish = ["--target", "features", "--scores", "probabilities", "--method", "layer-cam", "--no-measure"]
    assert main(["explain", str(saved(tmp_path)), str(out), *wish]) == 0
    said = capsys.readouterr().out
    summary = lines_of(said)
    assert (summary["method"], summary["scores"], summary["CAM layer"]) == ("layer-cam", "probabilities", "features")
    assert "%" not in said


def test_a_fixed_batch_is_measured_at_its_own_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(saved(tmp_path, batch=2)), str(tmp_path / "out.onnx"), "--repeats", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if "%" in line] == ["2"]


def test_the_list_shows_layers_with_sizes_and_the_default_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path)
    assert main(["explain", "--list", str(path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    size = ["open", "x", str(CHANNELS), "x", "16", "x", "12"]
    assert ["scores", "logits,", "open", "x", "4"] in rows
    assert ["shaped", *size, "yes", "default"] in rows
    assert ["features", *size, "yes"] in rows
    assert ["conv", *size, "yes"] in rows
    assert list(tmp_path.iterdir()) == [path]


def test_an_operator_without_a_rule_is_named_and_the_fallback_it_offers_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = saved(tmp_path, head="Asinh"), tmp_path / "out.onnx"
    assert main(["explain", str(path), str(out), "--target", "features"]) == 2
    problem = capsys.readouterr().err
    assert "model:no_gradient_rule: operator Asinh of node 'shaped'" in problem
    assert "add --method eigen-cam" in problem
    assert not out.exists()
    assert main(["explain", str(path), str(out), "--target", "features", "--method", "eigen-cam", "--repeats", "1"]) == 0
    assert "same for every class" in capsys.readouterr().out
    maps = heatmaps(out, 2)
    assert maps.shape == (2, 1, 16, 12)
    assert maps.min() >= 0
    assert maps.max() > 0


def test_a_custom_operator_can_be_explained_but_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = saved(tmp_path, head="Routing", domain="com.example"), tmp_path / "out.onnx"
    assert main(["explain", str(path), str(out)]) == 2
    assert "com.example.Routing" in capsys.readouterr().err
    assert main(["explain", str(path), str(out), "--method", "eigen-cam"]) == 0
    assert "Surcharge not measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (["--target", "nowhere"], "model:no_cam_layer"),
        (["--scores", "nowhere"], "model:no_scores"),
        (["--target", "flat"], "model:no_cam_layer"),
    ],
)
def test_a_wrong_name_is_refused_and_the_list_is_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: list[str], code: str
) -> None:
    assert main(["explain", str(saved(tmp_path)), str(tmp_path / "out.onnx"), *wish]) == 2
    problem = capsys.readouterr().err
    assert code in problem
    assert "--list" in problem


def test_a_damaged_file_an_old_opset_and_the_input_as_output_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(classifier().SerializeToString()[:300])
    assert main(["explain", str(damaged), str(tmp_path / "out.onnx")]) == 2
    assert "model:unreadable_file" in capsys.readouterr().err
    path = saved(tmp_path, opset=12)
    assert main(["explain", str(path), str(tmp_path / "out.onnx")]) == 2
    assert "opset 12 is too old" in capsys.readouterr().err
    before = path.read_bytes()
    assert main(["explain", str(path), str(path)]) == 2
    assert "overwrite the input" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_without_an_output_the_usage_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", str(saved(tmp_path))])
    assert caught.value.code == 2
    assert "OUT.onnx" in capsys.readouterr().err


def test_large_weights_stay_beside_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.onnx"
    model = classifier()
    inside = tmp_path / "plain.onnx"
    onnx.save(model, inside)
    onnx.save(model, source, save_as_external_data=True, location="in.weights", size_threshold=64)
    out, reference = tmp_path / "out.onnx", tmp_path / "reference.onnx"
    assert main(["explain", str(inside), str(reference), "--no-measure"]) == 0
    capsys.readouterr()
    assert main(["explain", str(source), str(out), "--repeats", "1"]) == 0
    assert lines_of(capsys.readouterr().out)["written"] == f"{out}, {out}.data"
    assert (tmp_path / "out.onnx.data").stat().st_size == CHANNELS * 3 * 3 * 3 * 4, "the one tensor of more than 1 kB"
    np.testing.assert_array_equal(heatmaps(out, 2), heatmaps(reference, 2))


@pytest.mark.parametrize("location", ["/etc/hostname", "../outside.bin"])
def test_weights_outside_the_models_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], location: str) -> None:
    model = classifier()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = tmp_path / "in.onnx"
    path.write_bytes(model.SerializeToString())
    assert main(["explain", str(path), str(tmp_path / "out.onnx")]) == 2
    assert "model:external_data_refused" in capsys.readouterr().err
