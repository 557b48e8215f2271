"""Tiny real packages whose answers are known by construction, images for them, and the parts to run them."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from inference_worker.contract.orders import ImageReference, InferenceOrder
from inference_worker.engine import Engine
from inference_worker.object_store import ObjectStore
from inference_worker.package_cache import PackageCache
from inference_worker.pipeline import Pipeline
from inference_worker.rendering import PictureSizes
from inference_worker.settings import WorkerSettings, settings_from_environment
from model_registry.packaging import Package, package_write
from model_registry.packaging.profile import Channels, Display, PreprocessingProfile, Resize
from model_registry.preprocessing import image_decode, image_prepare

CLASSES = ("normal", "benign", "malignant")
TARGETS = (*CLASSES, "suspicion")
PROFILE = PreprocessingProfile(name="tiny", steps=(Display(voi="full_range"), Resize(size_hw=(32, 32)), Channels(layout="grey")))


def tiny_model(*, ballast_bytes: int = 0, bias: float = 0.0) -> bytes:
    """(N, 32, 32, 1) in; A = 4x4 means (8x8 grid). logits: normal 5 - 10 max A + bias, benign 0, malignant 10 max A - 5.

    Maps: normal 0 everywhere, benign A / 2, malignant A, suspicion 2 A. An image that is all white makes the run raise
    (Gather past its table); one whose mean lies between 0.9 and 1 makes the logits NaN (root of a negative number).
    """

    def const(name: str, values: Any, dtype: type = np.float32) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values, dtype), name)

    nodes = [
        helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["A"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMax", ["A", "hw"], ["max"], keepdims=0),
        helper.make_node("ReduceMean", ["A", "hw"], ["mean"], keepdims=0),
        helper.make_node("Floor", ["mean"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["gathered"]),
        helper.make_node("Sub", ["nearly", "mean"], ["room"]),
        helper.make_node("Clip", ["room", "", "high"], ["room_clipped"]),
        helper.make_node("Sqrt", ["room_clipped"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["nothing"]),
        helper.make_node("Mul", ["max", "slope"], ["slopes"]),
        helper.make_node("Add", ["slopes", "offset"], ["scores"]),
        helper.make_node("Add", ["scores", "gathered"], ["scores_or_error"]),
        helper.make_node("Add", ["scores_or_error", "nothing"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Mul", ["A", "map_gains"], ["heatmaps"]),
    ]
    initializers = [
        const("hw", [2, 3], np.int64),
        const("table", [0.0]),
        const("nearly", [0.9]),
        const("high", 1.0),
        const("zero", 0.0),
        const("slope", [[-10.0, 0.0, 10.0]]),
        const("offset", [[5.0 + bias, 0.0, -5.0]]),
        const("map_gains", np.reshape([0.0, 0.5, 1.0, 2.0], (1, 4, 1, 1))),
    ]
    if ballast_bytes:
        initializers.append(const("ballast", np.zeros(ballast_bytes // 4)))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 32, 32, 1])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 4, 8, 8]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_package(
    folder: Path, *, model: bytes | None = None, golden_shift: float = 0.0, version: str = "1.0.0", **changes: Any
) -> Package:
    """A package around the model, its golden answers computed with it; `golden_shift` makes them wrong by that much."""
    model = model if model is not None else tiny_model()
    golden = png(square_image(row=24, column=60))
    profile = changes.get("preprocessing", PROFILE)
    tensor = image_prepare(image=image_decode(data=golden, media_type="image/png"), profile=profile).tensor
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits, probabilities, heatmaps = session.run(None, {"image": tensor[np.newaxis]})
    expected = io.BytesIO()
    np.savez(expected, logits=logits[0] + golden_shift, probabilities=probabilities[0], heatmaps=heatmaps[0])
    manifest: dict[str, Any] = {
        "name": "tiny",
        "version": version,
        "title": "A model whose answer is known",
        "classes": CLASSES,
        "input_shape": (32, 32, 1),
        "preprocessing": PROFILE,
        "explanation": {"targets": TARGETS, "cam_layer": "A", "grid_hw": (8, 8)},
        "suspicion": {"classes": ("benign", "malignant"), "target": "suspicion", "threshold": 0.5},
        "intended_use": {"statement": "tests", "views": ("MLO", "CC"), "acquisitions": ("film",)},
        "provenance": {
            "architecture": "pooling", "training_data": "none", "training_command": "none",
            "licence": "none", "parameters": 0, "created": "2026-01-01",
        },
        "golden": [{"image": "golden/one.png", "expected": "golden/one.npz"}],
    }  # fmt: skip
    contents = {
        "model.onnx": model,
        "MODEL_CARD.md": b"# tiny\n",
        "golden/one.png": golden,
        "golden/one.npz": expected.getvalue(),
    }
    return package_write(folder=folder, manifest=manifest | changes, contents=contents)


def square_image(*, row: int, column: int, side: int = 16, hw: tuple[int, int] = (128, 96), level: int = 255) -> np.ndarray:
    """A dark image with one bright square whose top left corner is at (row, column)."""
    pixels = np.full(hw, 10, np.uint8)
    pixels[row : row + side, column : column + side] = level
    return pixels


def flat_image(level: int) -> np.ndarray:
    return np.full((128, 96), level, np.uint8)


def png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def settings_for(folder: Path, **environ: str) -> WorkerSettings:
    return settings_from_environment(
        {
            "BROKER_URL": "redis://unused",
            "OBJECT_STORE_URL": f"file://{folder}/store",
            "PACKAGE_CACHE_DIR": str(folder / "cache"),
            "WORKER_NAME": "worker-under-test",
            "INTRA_OP_THREADS": "1",
            "EXECUTION_PROVIDERS": "cpu",
            **environ,
        }
    )


class Bench:
    """A store with packages and images in it, an engine and a pipeline over them."""

    def __init__(self, folder: Path, *, memory_growth_bytes: int | None = 0, **environ: str) -> None:
        self.folder = folder
        self.settings = settings_for(folder, **environ)
        self.store = ObjectStore(url=self.settings.object_store_url)
        probe: dict[str, Any] = {} if memory_growth_bytes is None else {"memory_probe": lambda: memory_growth_bytes}
        self.packages = PackageCache(folder=self.settings.package_cache_dir, store=self.store)
        self.engine = Engine(packages=self.packages, settings=self.settings, **probe)
        self.executor = ThreadPoolExecutor(2)
        self.pipeline = Pipeline(store=self.store, engine=self.engine, executor=self.executor, sizes=PictureSizes())

    def package_add(self, **options: Any) -> Package:
        package = tiny_package(self.folder / f"built-{len(list(self.folder.glob('built-*')))}", **options)
        self.package_store(package)
        return package

    def package_store(self, package: Package) -> None:
        for path in (path for path in package.folder.rglob("*") if path.is_file()):
            self.store.write(key=f"{package_key(package)}/{path.relative_to(package.folder).as_posix()}", data=path.read_bytes())

    def image_add(
        self, data: bytes, *, image_id: str = "image-1", media_type: str = "image/png", **fields: Any
    ) -> ImageReference:
        digest = hashlib.sha256(data).hexdigest()
        self.store.write(key=f"images/{digest}", data=data)
        return ImageReference(image_id, f"images/{digest}", digest, media_type, **fields)

    def order(self, package: Package, *images: ImageReference, **fields: Any) -> InferenceOrder:
        values: dict[str, Any] = {
            "job_id": "job-1", "attempt": 1, "study_id": "study-1", "images": images, "package_digest": package.digest,
            "package_key": package_key(package), "artifact_prefix": "artifacts/job-1/1", "priority": "routine",
            "lease_seconds": 60,
        }  # fmt: skip
        return InferenceOrder(**(values | fields))

    def lease(self, package: Package) -> Any:
        return self.engine.lease(package_digest=package.digest, package_key=package_key(package))

    def close(self) -> None:
        self.engine.close()
        self.executor.shutdown()


def package_key(package: Package) -> str:
    return f"packages/{package.digest.removeprefix('sha256:')}"
