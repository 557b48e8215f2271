"""Small packages that are sound, and copies of them that fail exactly one item of a validation.

A sound one is built as an administrator's ONNX file is: by model_registry.building, with maps made from its own graph.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from inference_worker.checks.__main__ import carry_out
from inference_worker.checks.request import item_unpack
from inference_worker.contract.checks import CheckItem
from model_registry.building.facts import facts_from, package_facts, parameters_count
from model_registry.building.golden import golden_prepare
from model_registry.building.onnx_import import Wishes, classifier_import
from model_registry.building.package_build import package_build
from model_registry.packaging import Package, package_verify, package_write
from model_registry.preprocessing.golden import golden_tensor
from tests.inference_worker_tests.factories import PROFILE, png, settings_for, square_image

LABELS = ("normal", "benign", "malignant")
GOLDEN = (
    ("one.png", png(square_image(row=24, column=60))),
    ("two.png", png(square_image(row=80, column=10, side=30, level=140))),
)
FIELDS: dict[str, Any] = {
    "name": "sound",
    "version": "1.0.0",
    "title": "Sound",
    "classes": LABELS,
    "profile": "grey-224",  # replaced by PROFILE, which is small
    "suspicion": {"classes": ("benign", "malignant"), "threshold": 0.5},
    "intended_use": {"statement": "Tests only."},
    "provenance": {"training_data": "none", "licence": "none"},
}


def plain_classifier(*, columns: int = 3, size: int = 32, ending: str = "Softmax") -> onnx.ModelProto:
    """(n, 1, size, size) → Conv-Relu-Conv-Relu-mean-dense-softmax, as an exporter writes it, with random weights."""
    random = np.random.default_rng(5)
    weights = {
        "w1": random.normal(0, 0.6, (6, 1, 3, 3)),
        "w2": random.normal(0, 0.4, (8, 6, 3, 3)),
        "w3": random.normal(0, 2.0, (8, columns)),
        "b3": random.normal(0, 0.2, columns),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["z"]),
        helper.make_node(ending, ["z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", columns])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def sound_package(folder: Path, *, method: str = "grad-cam", **fields: Any) -> Package:
    """A package that passes every item."""
    facts = facts_from({**FIELDS, **fields}, source="tests")
    model = plain_classifier()
    imported = classifier_import(
        model,
        classes=facts.classes,
        suspicion_classes=facts.suspicion.classes,
        images=[golden_prepare(name=name, data=data, profile=PROFILE).tensor for name, data in GOLDEN],
        tensor_layout=PROFILE.tensor_layout,
        wishes=Wishes(method=method),  # type: ignore[arg-type]
    )
    profile = PROFILE.model_copy(update={"tensor_layout": imported.tensor_layout})
    described = package_facts(facts=facts, exported=imported.exported, parameters=parameters_count(model), packages=("onnx",))
    return package_build(folder=folder, exported=imported.exported, facts=described, profile=profile, golden_images=GOLDEN)


def changed_package(
    package: Package, folder: Path, *, graph: Callable[[onnx.ModelProto], None] | None = None, **manifest: Any
) -> Package:
    """A copy whose graph and manifest are changed. Golden answers stay, unless `regolden` is called for."""
    regolden = manifest.pop("regolden", graph is not None)
    fields = json.loads((package.folder / "manifest.json").read_bytes()) | manifest
    contents = {entry["path"]: (package.folder / entry["path"]).read_bytes() for entry in fields.pop("files")}
    if graph is not None:
        model = onnx.load(package.model_path)
        graph(model)
        contents["model.onnx"] = model.SerializeToString()
        if regolden:
            contents |= golden_answers(model, package)
    return package_verify(package_write(folder=folder, manifest=fields, contents=contents).folder)


def items_of(package: Package, folder: Path, **environ: str) -> list[CheckItem]:
    """What the child of a validation would find, without a child. In a thread of its own: the engine sets the processor's
    floating-point mode for the thread that it runs in."""
    lines: list[dict[str, Any]] = []
    settings = settings_for(folder, **environ)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(carry_out, package=package, settings=settings, limit_bytes=2**30, say=lines.append).result()
    return [item_unpack(line["item"]) for line in lines if "item" in line]


def golden_answers(model: onnx.ModelProto, package: Package) -> dict[str, bytes]:
    """What the changed graph answers, so that only the item under test can notice."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = package.manifest.tensors
    contents = {}
    for case in package.manifest.golden:
        tensor = golden_tensor(package=package, case=case)
        found = session.run([names.logits, names.probabilities, names.heatmaps], {names.image: tensor[np.newaxis]})
        stream = io.BytesIO()
        np.savez(stream, logits=found[0][0], probabilities=found[1][0], heatmaps=found[2][0])
        contents[case.expected] = stream.getvalue()
    return contents


def output_becomes(
    name: str, *nodes: onnx.NodeProto, constants: dict[str, np.ndarray] | None = None
) -> Callable[[onnx.ModelProto], None]:
    """Put nodes behind an output: they read `NAME/before` and write `NAME`."""

    def change(model: onnx.ModelProto) -> None:
        before = f"{name}/before"
        for node in model.graph.node:
            for index, output in enumerate(node.output):
                if output == name:
                    node.output[index] = before
            for index, source in enumerate(node.input):
                if source == name:
                    node.input[index] = before
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in (constants or {}).items()
        )
        model.graph.node.extend(nodes)

    return change
