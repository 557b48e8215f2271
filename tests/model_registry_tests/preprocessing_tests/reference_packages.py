"""A package for every named profile whose answers can be worked out by hand from the input tensor.

The tensor's rows are cut into one band for each class; a class's logit is a straight line over its band's mean. The one heatmap
is the first channel itself, thinned: what it holds is what the model was given.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from model_registry.packaging import Package, package_write
from model_registry.packaging.named_profiles import profile_named
from tests.model_registry_tests.preprocessing_tests.reference_recipes import RECIPES, dicom_levels

# the labels of the five systems, in the order each was trained with
S0 = ("normal", "benign", "malignant")
S1 = tuple(f"Density{density}{finding}" for density in (1, 2, 3, 4) for finding in ("Benign", "Malignant"))
S2 = ("Benign", "Benign_Without_Callback", "Malignant", "Normal")
S3 = ("Benign", "Cancer", "Normal")
S4 = ("benign", "malignant")
# profile → its system's labels, and which of them are suspicious
LABELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "clahe-227": (S0, ("malignant",)),
    "rgb-224": (S1, S1[1::2]),
    "rgb-227": (S1, S1[1::2]),
    "grey-244": (S2, ("Malignant",)),
    "grey-224": (S3, ("Cancer",)),
    "grey-zero-mask-224": (S3, ("Cancer",)),
    "grey-mask-224": (S3, ("Cancer",)),
    "grey-2560x1440": (S3, ("Cancer",)),
    "rgb255-224": (S4, ("malignant",)),
    "rgb255-260": (S4, ("malignant",)),
    "rgb255-300": (S4, ("malignant",)),
    "grey-256": (("no lesion", "lesion"), ("lesion",)),
}
ZERO_TO_255 = ("clahe-227", "rgb255-224", "rgb255-260", "rgb255-300")


def lines(profile: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Slope and offset of each class's logit, and the range of the tensor. S4 has one unit: benign's logit is always 0."""
    count = len(LABELS[profile][0])
    slopes = np.array([(-1.0) ** k * (6.0 + k) for k in range(count)])
    offsets = np.array([0.4 * k - (-1.0) ** k * 1.5 for k in range(count)])
    if profile.startswith("rgb255"):
        slopes, offsets = np.array([0.0, 9.0]), np.array([0.0, -2.0])
    return slopes, offsets, 255.0 if profile in ZERO_TO_255 else 1.0


def answer(profile: str, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, probabilities and heatmaps of one image, by hand, in double precision."""
    slopes, offsets, spread = lines(profile)
    means = np.array([tensor[start:end].astype(np.float64).mean() for start, end in _bands(profile, len(tensor))])
    logits = slopes * means / spread + offsets
    probabilities = np.exp(logits) / np.exp(logits).sum()
    step = _step(tensor.shape)
    return logits, probabilities, tensor[::step, ::step, 0][np.newaxis]


def model(profile: str, shape: Sequence[int], *, order: Sequence[int] | None = None) -> bytes:
    """The graph for tensors of (rows, columns, channels). `order` puts the head's units in another order."""
    slopes, offsets, spread = lines(profile)
    order = list(range(len(slopes))) if order is None else list(order)
    step = _step(shape)
    constants: dict[str, np.ndarray] = {
        "row_axis": np.array([1]), "within_row": np.array([2, 3]),
        "zeros": np.zeros(3, np.int64), "ends": np.array([shape[0], shape[1], 1]), "axes": np.array([1, 2, 3]),
        "steps": np.array([step, step, 1]),
        "slopes": (slopes / spread).astype(np.float32)[order], "offsets": offsets.astype(np.float32)[order],
    }  # fmt: skip
    nodes, units = [], []
    for unit, (start, end) in enumerate(_bands(profile, shape[0])):
        constants |= {f"start{unit}": np.array([start]), f"end{unit}": np.array([end])}
        nodes += [
            helper.make_node("Slice", ["image", f"start{unit}", f"end{unit}", "row_axis"], [f"band{unit}"]),
            # row by row first: a million float32 added one after another are off in the fourth digit
            helper.make_node("ReduceMean", [f"band{unit}", "within_row"], [f"rows{unit}"], keepdims=0),
            helper.make_node("ReduceMean", [f"rows{unit}", "row_axis"], [f"mean{unit}"], keepdims=1),
        ]
        units.append(f"mean{unit}")
    nodes += [
        helper.make_node("Concat", [units[unit] for unit in order], ["means"], axis=1),
        helper.make_node("Mul", ["means", "slopes"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offsets"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Slice", ["image", "zeros", "ends", "axes", "steps"], ["thinned"]),
        helper.make_node("Transpose", ["thinned"], ["heatmaps"], perm=[0, 3, 1, 2]),
    ]
    sizes: dict[str, list[str | int | None]] = {
        "logits": ["N", len(slopes)],
        "probabilities": ["N", len(slopes)],
        "heatmaps": ["N", 1, *grid(shape)],
    }
    graph = helper.make_graph(
        nodes,
        "bands",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(built)
    return bytes(built.SerializeToString())


def levels_of(data: bytes) -> np.ndarray:
    """What a golden input must be shown as: DICOM through its header, anything else through Pillow."""
    if data[128:132] == b"DICM":
        return dicom_levels(data)
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def reference_package(
    folder: Path, profile: str, *, images: Sequence[tuple[str, bytes]], order: Sequence[int] | None = None, **changes: Any
) -> Package:
    """Golden answers come from the recipes and by hand, never from the code under test."""
    classes, suspicious = LABELS[profile]
    contents: dict[str, bytes] = {"MODEL_CARD.md": b"# bands\n"}
    cases, shape = [], (0, 0, 0)
    for name, data in images:
        tensor = RECIPES[profile](levels_of(data))
        shape = tensor.shape
        expected = io.BytesIO()
        logits, probabilities, heatmaps = answer(profile, tensor)
        np.savez(expected, logits=logits, probabilities=probabilities, heatmaps=heatmaps, classes=np.array(classes))
        contents |= {f"golden/{name}": data, f"golden/{name}.npz": expected.getvalue()}
        cases.append({"image": f"golden/{name}", "expected": f"golden/{name}.npz", "tolerance": 1e-3})
    contents["model.onnx"] = model(profile, shape, order=order)
    manifest: dict[str, Any] = {
        "name": "bands",
        "version": "1.0.0",
        "title": "A model whose answer is worked out by hand",
        "classes": classes,
        "input_shape": shape,
        "preprocessing": profile_named(profile),
        "explanation": {"targets": ("suspicion",), "cam_layer": "thinned", "grid_hw": grid(shape)},
        "suspicion": {"classes": suspicious, "target": "suspicion", "threshold": 0.5},
        "intended_use": {"statement": "tests"},
        "provenance": {
            "architecture": "bands", "training_data": "none", "training_command": "none",
            "licence": "none", "parameters": 0, "created": "2026-01-01",
        },
        "batch_sizes": (1, 4),
        "golden": cases,
    }  # fmt: skip
    return package_write(folder=folder, manifest=manifest | changes, contents=contents)


def grid(shape: Sequence[int]) -> tuple[int, int]:
    step = _step(shape)
    return -(-shape[0] // step), -(-shape[1] // step)


def _step(shape: Sequence[int]) -> int:
    return max(1, shape[1] // 48)


def _bands(profile: str, rows: int) -> list[tuple[int, int]]:
    count = len(LABELS[profile][0])
    edges = [0, 0, rows] if profile.startswith("rgb255") else np.linspace(0, rows, count + 1).astype(int).tolist()
    return [(start, end) if end > start else (0, rows) for start, end in itertools.pairwise(edges)]
